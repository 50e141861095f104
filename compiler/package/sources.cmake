list(APPEND compiler_sources
)
