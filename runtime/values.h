//===- values.h - tensors as people write them on a command line ----------===//
//
//   1,2,3    [[1, 2], [3, 4]]    true,false    0.5     elements
//   zeros    random:SEED    random:SEED:N              of the tensor's shape
//   @file.npy    @file.npz    @file.npz:name           from NumPy
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_RUNTIME_VALUES_H
#define MAPSTO_RUNTIME_VALUES_H

#include "runtime/dtype.h"

namespace mapsto::runtime {

/// A tensor that owns its elements.
struct Value {
  mapsto_dtype dtype = MAPSTO_F32;
  Shape shape;
  Memory memory;
  char *data = nullptr; ///< inside `memory`, aligned to an element
  int64_t count = 0;

  uint64_t bytes() const { return uint64_t(count) * mapsto_dtype_size(dtype); }
  /// Room for elements of `shape`; false when memory is out or it overflows.
  bool allocate(mapsto_dtype dtype, const Shape &shape);
};

/// The shape a value must have, as far as it is known: a size of -1 is not.
struct WantedShape : Shape {
  static constexpr int64_t kAny = -1;
};

/// Whether the text stands for a value whose shape is the tensor's own
/// (`zeros`, `random:...`), so that the tensor's sizes must be known first.
bool needsShape(const char *text);

/// Reads a value of `dtype`. A flat list fills a tensor of higher rank when all
/// sizes but one follow: of several unknown ones, the leading ones are 1.
/// `name` chooses the entry of an .npz file where the text does not. False, and
/// one or two lines in `error`, when the text or the file is wrong.
bool readValue(const char *text, const char *name, mapsto_dtype dtype,
               const WantedShape &wanted, Value &value, String &error);

/// Reads the value of a `@file` whatever its dtype.
bool readFile(const char *text, const char *name, Value &value, String &error);

/// A file being written beside its final name, which it takes when committed;
/// until then, and if it never is, what was there stays. A name that is not a
/// plain file (/dev/stdout) is written in place.
class OutputFile {
public:
  OutputFile() = default;
  OutputFile(const OutputFile &) = delete;
  OutputFile &operator=(const OutputFile &) = delete;
  ~OutputFile();
  bool open(const char *path, String &error);
  void write(const void *data, size_t bytes);
  FILE *stream() { return file; }
  /// Flushes and checks that all was written; still under the other name.
  bool finish(String &error);
  bool commit(String &error);

private:
  FILE *file = nullptr;
  String path, temporary;
};

/// Writes the tensor as .npy and finishes the file.
bool writeNpy(OutputFile &file, const char *path, const mapsto_tensor &tensor,
              String &error);

} // namespace mapsto::runtime

#endif // MAPSTO_RUNTIME_VALUES_H
