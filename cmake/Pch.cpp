// Compiled only to make the precompiled header that every MLIR unit shares.
