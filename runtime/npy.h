//===- npy.h - NumPy's files, read and written ----------------------------===//
//
// Reading works on a file's bytes: it checks them and says where the elements
// lie; nothing is copied or allocated. Formats: numpy.lib.format (1.0, 2.0,
// 3.0), and .npz as numpy.savez writes it (a zip of stored entries).
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_RUNTIME_NPY_H
#define MAPSTO_RUNTIME_NPY_H

#include "runtime/dtype.h"

namespace mapsto::runtime {

/// An array inside a file's bytes.
struct NpyArray {
  /// NumPy has no bf16: `V2` (what ml_dtypes saves) is read as one.
  mapsto_dtype dtype = MAPSTO_F32;
  Shape shape;
  uint64_t offset = 0, bytes = 0; ///< of the elements
};

/// Reads the header of an .npy file and checks that the elements are exactly
/// the rest of the bytes. False, and one line in `error`, for anything else
/// than a little-endian array of a known dtype in C order.
bool parseNpy(const void *file, uint64_t size, NpyArray &array, String &error);

/// An entry of an .npz file: where its .npy lies in the file's bytes.
struct NpzEntry {
  const char *name; ///< without ".npy", not terminated; inside the file's bytes
  uint32_t nameLength;
  uint64_t offset, bytes;
};

/// Lists the entries of an .npz file. False, and one line in `error`, for
/// compressed entries and anything that is not a sound zip file.
bool listNpz(const void *file, uint64_t size, Array<NpzEntry> &entries,
             String &error);

/// The header of an .npy file that holds such an array, a multiple of 64 bytes.
void npyHeader(mapsto_dtype dtype, const Shape &shape, String &header);

} // namespace mapsto::runtime

#endif // MAPSTO_RUNTIME_NPY_H
