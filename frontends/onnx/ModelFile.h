//===- ModelFile.h - A .onnx file, read and checked -------------*- C++ -*-===//
//
// The file's structure as protobuf reads it, and its tensors as views: of the
// parsed message, of external files (mapped), or, where the format has no bytes
// to point at, of a copy. Files are untrusted: nothing is allocated from a size
// that the file declares before it was compared with the file.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_FRONTENDS_ONNX_MODELFILE_H
#define MAPSTO_FRONTENDS_ONNX_MODELFILE_H

#include "frontends/onnx/onnx.pb.h"
#include "runtime/mapsto.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MemoryBuffer.h"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace mapsto::onnx {

/// The elements of a tensor: dense, row-major, little-endian; those of 2 or 4
/// bits a byte each, widened.
struct TensorData {
  TensorProto::DataType type = TensorProto::UNDEFINED;
  llvm::SmallVector<int64_t, 4> shape;
  llvm::ArrayRef<uint8_t> bytes; ///< not necessarily aligned to its elements

  int64_t numElements() const;
};

/// What a weight of that data type is stored as; nothing for those that are not
/// stored.
std::optional<mapsto_dtype> weightType(int32_t dataType);
/// Bytes of an element; 0 for types that have no size of their own.
size_t sizeOf(int32_t type);
/// "float", "uint8", ... as ONNX spells it; "type 99" for what is none.
std::string nameOf(int32_t dataType);

class ModelFile {
public:
  /// Null, with what is wrong in `error`, for a file that is damaged or beyond
  /// the limits below.
  static std::unique_ptr<ModelFile> open(llvm::StringRef path,
                                         std::string &error);

  const ModelProto &proto() const { return model; }
  const std::string &path() const { return file; }

  /// The elements of a tensor of this model. False, with the reason, where they
  /// do not fit its shape or are not in the model's folder. Views live as long
  /// as this.
  bool read(const TensorProto &tensor, TensorData &data, std::string &error);
  /// Bytes that were made of the file's, kept as long as this.
  llvm::ArrayRef<uint8_t> keep(std::vector<uint8_t> bytes) {
    return copies.emplace_back(std::move(bytes));
  }

  /// Nodes in all graphs and functions, and graphs within graphs.
  static constexpr int64_t kMostNodes = 1'000'000;
  static constexpr int kMostNested = 24;

private:
  bool external(const TensorProto &tensor, llvm::ArrayRef<uint8_t> &bytes,
                std::string &error);

  std::string file;
  ModelProto model;
  llvm::StringMap<std::unique_ptr<llvm::MemoryBuffer>> externalFiles;
  std::deque<std::vector<uint8_t>> copies;
};

/// Parses one message from bytes. False where they are not one, or nest deeper
/// than any model.
bool parseMessage(llvm::StringRef bytes,
                  google::protobuf::MessageLite &message);

/// As ModelFile::read, of a tensor that stands alone: its bytes are inside it
/// or in `copies`.
bool readTensor(const TensorProto &tensor, TensorData &data,
                std::deque<std::vector<uint8_t>> &copies, std::string &error);

} // namespace mapsto::onnx

#endif // MAPSTO_FRONTENDS_ONNX_MODELFILE_H
