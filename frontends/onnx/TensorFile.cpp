// What stands beside a model: tensors in files of their own, and the inputs
// that they are for.
#include "frontends/onnx/Onnx.h"
#include "frontends/onnx/Value.h"

#include <set>

using namespace llvm;
using namespace mapsto::onnx;

namespace mapsto {

bool listOnnxInputs(StringRef path, std::vector<OnnxInput> &inputs,
                    std::string &error) {
  auto file = ModelFile::open(path, error);
  if (!file)
    return false;
  const GraphProto &graph = file->proto().graph();
  std::set<std::string> initialised;
  for (const TensorProto &tensor : graph.initializer())
    initialised.insert(tensor.name());
  for (const ValueInfoProto &input : graph.input()) {
    if (initialised.count(input.name()))
      continue;
    OnnxInput &entry = inputs.emplace_back();
    entry.name = input.name();
    if (!input.type().has_tensor_type())
      continue;
    const TypeProto::Tensor &type = input.type().tensor_type();
    entry.dtype = weightType(type.elem_type());
    for (const TensorShapeProto::Dimension &dim : type.shape().dim())
      entry.shape.push_back(dim.has_dim_value() ? dim.dim_value() : -1);
  }
  return true;
}

bool readOnnxTensor(StringRef path, WeightTensor &tensor,
                    std::shared_ptr<void> &storage, std::string &error) {
  struct Storage {
    TensorProto proto;
    std::deque<std::vector<uint8_t>> copies;
  };
  auto buffer = MemoryBuffer::getFile(path, /*IsText=*/false,
                                      /*RequiresNullTerminator=*/false);
  if (!buffer) {
    error = "cannot read it: " + buffer.getError().message();
    return false;
  }
  auto kept = std::make_shared<Storage>();
  if (!parseMessage((*buffer)->getBuffer(), kept->proto)) {
    error = "it is damaged or no ONNX tensor";
    return false;
  }
  TensorData data;
  if (!readTensor(kept->proto, data, kept->copies, error))
    return false;
  auto dtype = weightType(data.type);
  if (!dtype) {
    error = "elements of " + nameOf(data.type) + " are not supported";
    return false;
  }
  tensor = {kept->proto.name(), *dtype, data.shape, data.bytes};
  storage = kept;
  return true;
}

} // namespace mapsto
