#include "frontends/onnx/ModelFile.h"

#include "llvm/ADT/Twine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <climits>
#include <cstring>
#include <google/protobuf/io/coded_stream.h>

namespace mapsto::onnx {

int64_t TensorData::numElements() const {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

std::optional<mapsto_dtype> weightType(int32_t dataType) {
  switch (dataType) {
  case TensorProto::FLOAT:
    return MAPSTO_F32;
  case TensorProto::FLOAT16:
    return MAPSTO_F16;
  case TensorProto::BFLOAT16:
    return MAPSTO_BF16;
  case TensorProto::DOUBLE:
    return MAPSTO_F64;
  case TensorProto::INT32:
    return MAPSTO_I32;
  case TensorProto::INT64:
    return MAPSTO_I64;
  case TensorProto::INT2:
  case TensorProto::INT4:
  case TensorProto::INT8:
    return MAPSTO_I8;
  case TensorProto::UINT2:
  case TensorProto::UINT4:
  case TensorProto::UINT8:
  case TensorProto::FLOAT8E4M3FN:
  case TensorProto::FLOAT8E4M3FNUZ:
  case TensorProto::FLOAT8E5M2:
  case TensorProto::FLOAT8E5M2FNUZ:
  case TensorProto::FLOAT8E8M0:
  case TensorProto::FLOAT4E2M1:
    return MAPSTO_U8;
  case TensorProto::BOOL:
    return MAPSTO_BOOL;
  case TensorProto::INT16:
    return MAPSTO_I16;
  case TensorProto::UINT16:
    return MAPSTO_U16;
  case TensorProto::UINT32:
    return MAPSTO_U32;
  case TensorProto::UINT64:
    return MAPSTO_U64;
  default:
    return std::nullopt;
  }
}

size_t sizeOf(int32_t type) {
  std::optional<mapsto_dtype> stored = weightType(type);
  return stored ? mapsto_dtype_size(*stored) : 0;
}

std::string nameOf(int32_t dataType) {
  static constexpr const char *kNames[] = {
      "undefined",      "float",      "uint8",
      "int8",           "uint16",     "int16",
      "int32",          "int64",      "string",
      "bool",           "float16",    "double",
      "uint32",         "uint64",     "complex64",
      "complex128",     "bfloat16",   "float8e4m3fn",
      "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz",
      "uint4",          "int4",       "float4e2m1",
      "float8e8m0",     "uint2",      "int2"};
  if (dataType >= 0 && dataType < int32_t(std::size(kNames)))
    return kNames[dataType];
  return "type " + std::to_string(dataType);
}

bool parseMessage(llvm::StringRef bytes,
                  google::protobuf::MessageLite &message) {
  if (bytes.size() > INT_MAX)
    return false;
  google::protobuf::io::CodedInputStream stream(
      reinterpret_cast<const uint8_t *>(bytes.data()), int(bytes.size()));
  stream.SetTotalBytesLimit(INT_MAX);
  // A graph within a graph is three messages deep: node, attribute, graph.
  stream.SetRecursionLimit(3 * ModelFile::kMostNested + 8);
  return message.ParseFromCodedStream(&stream) &&
         stream.ConsumedEntireMessage();
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

namespace {

/// The bytes that a tensor of this shape has; false where a size is negative
/// or the count overflows.
bool countBytes(const TensorProto &tensor, uint64_t &bytes) {
  bytes = sizeOf(tensor.data_type());
  bool empty = false;
  for (int64_t size : tensor.dims()) {
    if (size < 0)
      return false;
    empty |= size == 0;
    if (size && __builtin_mul_overflow(bytes, uint64_t(size), &bytes))
      return false;
  }
  if (bytes > uint64_t(INT64_MAX))
    return false;
  if (empty)
    bytes = 0;
  return true;
}

/// Elements of one of the typed fields, as bytes of type To.
template <typename To, typename Field>
bool copyField(const Field &field, uint64_t bytes,
               std::deque<std::vector<uint8_t>> &copies, TensorData &data) {
  if (uint64_t(field.size()) * sizeof(To) != bytes)
    return false;
  std::vector<uint8_t> &copy = copies.emplace_back(bytes);
  for (int i = 0; i < field.size(); ++i) {
    To element = static_cast<To>(field.Get(i));
    memcpy(copy.data() + size_t(i) * sizeof(To), &element, sizeof(To));
  }
  data.bytes = copy;
  return true;
}

bool copyTyped(const TensorProto &tensor, uint64_t bytes,
               std::deque<std::vector<uint8_t>> &copies, TensorData &data) {
  switch (data.type) {
  case TensorProto::FLOAT:
    return copyField<float>(tensor.float_data(), bytes, copies, data);
  case TensorProto::DOUBLE:
    return copyField<double>(tensor.double_data(), bytes, copies, data);
  case TensorProto::INT64:
    return copyField<int64_t>(tensor.int64_data(), bytes, copies, data);
  case TensorProto::UINT64:
    return copyField<uint64_t>(tensor.uint64_data(), bytes, copies, data);
  case TensorProto::UINT32:
    return copyField<uint32_t>(tensor.uint64_data(), bytes, copies, data);
  case TensorProto::INT32:
    return copyField<int32_t>(tensor.int32_data(), bytes, copies, data);
  case TensorProto::INT16:
  case TensorProto::UINT16:
  case TensorProto::FLOAT16:
  case TensorProto::BFLOAT16:
    return copyField<uint16_t>(tensor.int32_data(), bytes, copies, data);
  default:
    return copyField<uint8_t>(tensor.int32_data(), bytes, copies, data);
  }
}

/// Elements of a byte in the file.
uint64_t packedIn(int32_t type) {
  switch (type) {
  case TensorProto::UINT4:
  case TensorProto::INT4:
  case TensorProto::FLOAT4E2M1:
    return 2;
  case TensorProto::UINT2:
  case TensorProto::INT2:
    return 4;
  default:
    return 1;
  }
}

/// A byte each of `count` elements that share bytes, the first in the low bits.
void unpack(uint64_t count, std::deque<std::vector<uint8_t>> &copies,
            TensorData &data) {
  uint64_t perByte = packedIn(data.type);
  if (perByte == 1)
    return;
  unsigned bits = unsigned(8 / perByte);
  bool isSigned =
      data.type == TensorProto::INT4 || data.type == TensorProto::INT2;
  std::vector<uint8_t> &wide = copies.emplace_back(count);
  for (uint64_t i = 0; i < count; ++i) {
    unsigned above = 8 - bits - unsigned(i % perByte) * bits;
    auto high = uint8_t(data.bytes[i / perByte] << above);
    wide[i] = isSigned ? uint8_t(int8_t(high) >> (8 - bits))
                       : uint8_t(high >> (8 - bits));
  }
  data.bytes = wide;
}

/// Type and shape; false, with the reason, where no tensor of them is read.
bool readHeader(const TensorProto &tensor, TensorData &data, uint64_t &bytes,
                std::string &error) {
  data.type = TensorProto::DataType(tensor.data_type());
  data.shape.assign(tensor.dims().begin(), tensor.dims().end());
  if (!sizeOf(data.type)) {
    error = "elements of " + nameOf(tensor.data_type()) + " are not supported";
    return false;
  }
  if (!countBytes(tensor, bytes)) {
    error = "its shape is not one";
    return false;
  }
  return true;
}

bool readInside(const TensorProto &tensor, uint64_t bytes,
                std::deque<std::vector<uint8_t>> &copies, TensorData &data,
                std::string &error) {
  uint64_t count = bytes, perByte = packedIn(data.type);
  bytes = bytes / perByte + (bytes % perByte != 0);
  if (tensor.has_raw_data()) {
    const std::string &raw = tensor.raw_data();
    data.bytes = {reinterpret_cast<const uint8_t *>(raw.data()), raw.size()};
    if (raw.size() == bytes) {
      unpack(count, copies, data);
      return true;
    }
  } else if (copyTyped(tensor, bytes, copies, data)) {
    unpack(count, copies, data);
    return true;
  }
  error = "its data do not fill its shape";
  return false;
}

} // namespace

bool readTensor(const TensorProto &tensor, TensorData &data,
                std::deque<std::vector<uint8_t>> &copies, std::string &error) {
  uint64_t bytes;
  if (!readHeader(tensor, data, bytes, error))
    return false;
  if (tensor.data_location() == TensorProto::EXTERNAL) {
    error = "its data are in another file";
    return false;
  }
  return readInside(tensor, bytes, copies, data, error);
}

bool ModelFile::read(const TensorProto &tensor, TensorData &data,
                     std::string &error) {
  uint64_t bytes;
  if (!readHeader(tensor, data, bytes, error))
    return false;
  if (tensor.data_location() != TensorProto::EXTERNAL)
    return readInside(tensor, bytes, copies, data, error);
  if (!external(tensor, data.bytes, error))
    return false;
  uint64_t perByte = packedIn(data.type);
  if (data.bytes.size() != bytes / perByte + (bytes % perByte != 0)) {
    error = "its external data do not fill its shape";
    return false;
  }
  unpack(bytes, copies, data);
  return true;
}

/// The file that holds a tensor must be in the model's folder, links followed;
/// offset and length must be inside it.
bool ModelFile::external(const TensorProto &tensor,
                         llvm::ArrayRef<uint8_t> &bytes, std::string &error) {
  std::string location;
  uint64_t offset = 0, length = 0;
  bool hasLength = false;
  for (const StringStringEntryProto &entry : tensor.external_data()) {
    llvm::StringRef value = entry.value();
    if (entry.key() == "location") {
      location = entry.value();
    } else if (entry.key() == "offset" || entry.key() == "length") {
      uint64_t &number = entry.key() == "offset" ? offset : length;
      hasLength |= entry.key() == "length";
      if (value.getAsInteger(10, number)) {
        error = "the " + entry.key() + " of its external data is no number";
        return false;
      }
    }
  }
  if (location.empty() || location.find('\0') != std::string::npos) {
    error = "the file of its external data is not named";
    return false;
  }
  auto &held = externalFiles[location];
  if (!held) {
    llvm::SmallString<256> folder, path, real;
    folder = llvm::sys::path::parent_path(file);
    if (folder.empty())
      folder = ".";
    path = folder;
    llvm::sys::path::append(path, location);
    if (llvm::sys::path::is_absolute(location)) {
      error = "its external data, `" + location +
              "`, are outside of the model's folder";
      return false;
    }
    if (llvm::sys::fs::real_path(path, real) ||
        llvm::sys::fs::real_path(llvm::Twine(folder), folder)) {
      error = "its external data, `" + location + "`, cannot be read";
      return false;
    }
    folder += llvm::sys::path::get_separator();
    bool isRegular = false;
    if (!real.starts_with(folder)) {
      error = "its external data, `" + location +
              "`, are outside of the model's folder";
      return false;
    }
    if (llvm::sys::fs::is_regular_file(llvm::Twine(real), isRegular) ||
        !isRegular) {
      error = "its external data, `" + location + "`, are no plain file";
      return false;
    }
    auto buffer = llvm::MemoryBuffer::getFile(real, /*IsText=*/false,
                                              /*RequiresNullTerminator=*/false);
    if (!buffer) {
      error = "its external data, `" + location +
              "`, cannot be read: " + buffer.getError().message();
      return false;
    }
    held = std::move(*buffer);
  }
  uint64_t size = held->getBufferSize();
  if (!hasLength && offset <= size)
    length = size - offset;
  if (offset > size || length > size - offset) {
    error = "its external data end outside of `" + location + "`";
    return false;
  }
  bytes = {reinterpret_cast<const uint8_t *>(held->getBufferStart()) + offset,
           size_t(length)};
  return true;
}

//===----------------------------------------------------------------------===//
// The file
//===----------------------------------------------------------------------===//

namespace {

/// Counts nodes and looks how deep graphs nest.
struct Measure {
  int64_t nodes = 0;
  int deepest = 0;

  void graph(const GraphProto &g, int depth) {
    for (const NodeProto &n : g.node())
      node(n, depth);
  }
  void node(const NodeProto &n, int depth) {
    ++nodes;
    deepest = std::max(deepest, depth);
    for (const AttributeProto &attribute : n.attribute()) {
      if (attribute.has_g())
        graph(attribute.g(), depth + 1);
      for (const GraphProto &g : attribute.graphs())
        graph(g, depth + 1);
    }
  }
};

} // namespace

std::unique_ptr<ModelFile> ModelFile::open(llvm::StringRef path,
                                           std::string &error) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer) {
    error = "cannot read it: " + buffer.getError().message();
    return nullptr;
  }
  if ((*buffer)->getBufferSize() > INT_MAX) {
    error = "it is larger than 2 GiB, which no ONNX file may be: larger models "
            "keep their tensors in external files";
    return nullptr;
  }
  auto result = std::make_unique<ModelFile>();
  result->file = path.str();
  if (!parseMessage((*buffer)->getBuffer(), result->model) ||
      !result->model.has_graph()) {
    error = "it is damaged or no ONNX model";
    return nullptr;
  }
  Measure measure;
  measure.graph(result->model.graph(), 0);
  for (const FunctionProto &function : result->model.functions())
    for (const NodeProto &node : function.node())
      measure.node(node, 1);
  if (measure.nodes > kMostNodes || measure.deepest > kMostNested) {
    error = "it has " + std::to_string(measure.nodes) + " nodes, in graphs " +
            std::to_string(measure.deepest) + " deep: at most " +
            std::to_string(kMostNodes) + " and " + std::to_string(kMostNested) +
            " are read";
    return nullptr;
  }
  return result;
}

} // namespace mapsto::onnx
