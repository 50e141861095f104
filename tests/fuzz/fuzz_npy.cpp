// Any bytes as an .npy and as an .npz file: what is accepted lies inside them,
// and an array that is read is written the same.

#include "runtime/npy.h"

#include <cstdint>

using namespace mapsto::runtime;

static void checkNpy(const uint8_t *data, size_t size) {
  NpyArray array;
  String error;
  if (!parseNpy(data, size, array, error))
    return error.empty() ? abort() : void();
  if (array.offset > size || array.bytes != size - array.offset)
    abort();
  String header;
  npyHeader(array.dtype, array.shape, header);
  Array<char> again;
  again.append(header.c_str(), header.size());
  again.append(reinterpret_cast<const char *>(data) + array.offset,
               array.bytes);
  NpyArray second;
  if (!parseNpy(again.data(), again.size(), second, error) ||
      second.dtype != array.dtype || !(second.shape == array.shape))
    abort();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  checkNpy(data, size);
  Array<NpzEntry> entries;
  String error;
  if (!listNpz(data, size, entries, error))
    return 0;
  for (const NpzEntry &entry : entries) {
    if (entry.offset > size || entry.bytes > size - entry.offset)
      abort();
    if (entries.size() < 16) // entries may share their bytes
      checkNpy(data + entry.offset, entry.bytes);
  }
  return 0;
}
