//===- Weights.h - trained parameters from files --------------------------===//
//
// Reads .safetensors, .npz and .npy files for the compiler. A file is mapped,
// not read: its tensors are views of the mapping, and no page is touched before
// its bytes are. Files are untrusted; everything that a header says is checked
// against the file before it is believed.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_FRONTENDS_WEIGHTS_WEIGHTS_H
#define MAPSTO_FRONTENDS_WEIGHTS_WEIGHTS_H

#include "runtime/mapsto.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace llvm {
class raw_ostream;
}

namespace mapsto {

/// A named tensor inside a mapped file: dense, row-major, little-endian.
struct WeightTensor {
  std::string name;
  mapsto_dtype dtype = MAPSTO_F32;
  llvm::SmallVector<int64_t, 4> shape;
  llvm::ArrayRef<uint8_t> bytes; ///< not necessarily aligned to its elements

  int64_t numElements() const;
};

/// The tensors of one or several weight files. Movable; views stay valid as
/// long as the object that gave them lives. Reading is safe from several
/// threads.
class Weights {
public:
  Weights();
  Weights(Weights &&);
  Weights &operator=(Weights &&);
  ~Weights();

  /// Adds the tensors of a file, whose format its content tells. An .npy file
  /// is one tensor, named after the file without its ending. False, and one
  /// line "FILE: what is wrong" in `error`, for a file that is damaged or
  /// holds what cannot be a weight; nothing is added then. The same name in
  /// two files is such an error.
  bool open(llvm::StringRef path, std::string &error);

  /// The same over bytes that somebody else keeps, such as a test's. `name`
  /// stands for the file in errors and is the name of an .npy's tensor.
  bool openBytes(llvm::ArrayRef<uint8_t> bytes, llvm::StringRef name,
                 std::string &error);

  /// In the files' order.
  llvm::ArrayRef<WeightTensor> tensors() const { return all; }

  /// Null where there is none.
  const WeightTensor *find(llvm::StringRef name) const;

  /// Tells the system that a tensor's pages are not needed soon, so that
  /// reading a large file once does not keep all of it in memory. The bytes
  /// stay readable.
  void release(const WeightTensor &tensor) const;

private:
  struct Mapping;
  std::vector<Mapping> mappings;
  std::vector<WeightTensor> all;
  llvm::StringMap<size_t> byName;

  bool add(std::vector<WeightTensor> found, llvm::StringRef file,
           std::string &error);
};

/// Reads a .safetensors file's header and finds its tensors in `file`
/// (https://huggingface.co/docs/safetensors). False, and what is wrong without
/// the file's name in `error`, unless every tensor has a known dtype, a shape
/// that fills its range of bytes exactly, and the ranges cover the file without
/// holes or overlaps.
bool parseSafetensors(llvm::ArrayRef<uint8_t> file,
                      std::vector<WeightTensor> &tensors, std::string &error);

/// Writes the tensors, in this order, as a .safetensors file; their bytes go
/// straight to `out`. False, with one line in `error` and nothing written,
/// where the format cannot hold one. `out` keeps its own errors.
bool writeSafetensors(llvm::raw_ostream &out,
                      llvm::ArrayRef<WeightTensor> tensors, std::string &error);

} // namespace mapsto

#endif // MAPSTO_FRONTENDS_WEIGHTS_WEIGHTS_H
