// What stands beside a model: values in files of their own, and the inputs and
// outputs that they are for.
#include "frontends/onnx/Onnx.h"
#include "frontends/onnx/Value.h"

#include <set>

using namespace llvm;
using namespace mapsto::onnx;

namespace mapsto {

std::string onnxElementName(StringRef sequence, size_t place) {
  return (sequence + "_" + Twine(place)).str();
}

static OnnxValueInfo describe(const ValueInfoProto &value) {
  OnnxValueInfo info;
  info.name = value.name();
  info.form = formOf(value.type());
  if (info.form != OnnxForm::tensor)
    return info;
  const TypeProto::Tensor &type = value.type().tensor_type();
  info.dtype = weightType(type.elem_type());
  for (const TensorShapeProto::Dimension &dim : type.shape().dim())
    info.shape.push_back(dim.has_dim_value() ? dim.dim_value() : -1);
  return info;
}

bool readOnnxSignature(StringRef path, OnnxSignature &signature,
                       std::string &error) {
  auto file = ModelFile::open(path, error);
  if (!file)
    return false;
  const GraphProto &graph = file->proto().graph();
  std::set<std::string> initialised;
  for (const TensorProto &tensor : graph.initializer())
    initialised.insert(tensor.name());
  for (const ValueInfoProto &input : graph.input())
    if (!initialised.count(input.name()))
      signature.inputs.push_back(describe(input));
  for (const ValueInfoProto &output : graph.output())
    signature.outputs.push_back(describe(output));
  return true;
}

namespace {

struct Storage {
  TensorProto tensor;
  SequenceProto sequence;
  OptionalProto optional;
  std::deque<std::vector<uint8_t>> copies;
};

bool addTensor(const TensorProto &proto, Storage &storage, OnnxFileValue &value,
               std::string &error) {
  TensorData data;
  if (!readTensor(proto, data, storage.copies, error))
    return false;
  auto dtype = weightType(data.type);
  if (!dtype) {
    error = "elements of " + nameOf(data.type) + " are not supported";
    return false;
  }
  value.tensors.push_back({proto.name(), *dtype, data.shape, data.bytes});
  return true;
}

} // namespace

bool readOnnxValue(StringRef path, OnnxForm form, OnnxFileValue &value,
                   std::shared_ptr<void> &storage, std::string &error) {
  if (form == OnnxForm::other) {
    error = "maps, and sequences of sequences, are not supported";
    return false;
  }
  auto buffer = MemoryBuffer::getFile(path, /*IsText=*/false,
                                      /*RequiresNullTerminator=*/false);
  if (!buffer) {
    error = "cannot read it: " + buffer.getError().message();
    return false;
  }
  auto kept = std::make_shared<Storage>();
  storage = kept;
  auto parse = [&](google::protobuf::MessageLite &message, const char *what) {
    bool good = parseMessage((*buffer)->getBuffer(), message);
    if (!good)
      error = std::string("it is damaged or no ONNX ") + what;
    return good;
  };
  auto addAll = [&](const SequenceProto &sequence) {
    return llvm::all_of(sequence.tensor_values(), [&](const TensorProto &one) {
      return addTensor(one, *kept, value, error);
    });
  };
  switch (form) {
  case OnnxForm::other:
  case OnnxForm::tensor:
    return parse(kept->tensor, "tensor") &&
           addTensor(kept->tensor, *kept, value, error);
  case OnnxForm::sequence:
    return parse(kept->sequence, "sequence") && addAll(kept->sequence);
  case OnnxForm::optional:
  case OnnxForm::optionalSequence:
    if (!parse(kept->optional, "optional"))
      return false;
    if (kept->optional.has_sequence_value())
      return addAll(kept->optional.sequence_value());
    if (kept->optional.has_tensor_value())
      return addTensor(kept->optional.tensor_value(), *kept, value, error);
    value.isNothing = true;
    return true;
  }
}

} // namespace mapsto
