// Any bytes as an ONNX model that is imported whole: a module that verifies
// comes out, or reasons why not. Half of the mutations are of a model's parts,
// as few of bytes leave a model that is one.

#include "frontends/onnx/ModelFile.h"
#include "frontends/onnx/Onnx.h"

#include "mlir/IR/MLIRContext.h"

#include <cstdlib>
#include <random>
#include <sys/mman.h>
#include <unistd.h>

using namespace mapsto;
using namespace mapsto::onnx;

/// libMLIR is not sanitized: it does not unpoison what our code poisons.
extern "C" const char *__asan_default_options() {
  return "allow_user_poisoning=0:detect_container_overflow=0";
}

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static int memory = memfd_create("model.onnx", 0);
  static const std::string path = "/proc/self/fd/" + std::to_string(memory);
  if (ftruncate(memory, 0) || pwrite(memory, data, size, 0) != ssize_t(size))
    abort();
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  std::string diagnostics;
  context.getDiagEngine().registerHandler([&](mlir::Diagnostic &diagnostic) {
    diagnostics += diagnostic.str() + "\n";
  });
  OnnxOptions options;
  options.mostNodes = 2000;
  std::vector<OnnxError> errors;
  OnnxModel model = importOnnx(context, path, options, errors);
  if (!model.module && errors.empty()) {
    fprintf(stderr, "refused without a reason: %s\n", diagnostics.c_str());
    abort();
  }
  return 0;
}

namespace {

/// Changes parts of a model at random.
class Mutation {
public:
  Mutation(ModelProto &model, unsigned seed) : model(model), random(seed) {
    collect(*model.mutable_graph());
    for (FunctionProto &function : *model.mutable_functions())
      collect(*function.mutable_node());
  }

  void run() {
    switch (below(8)) {
    case 0:
      return changeOp();
    case 1:
    case 2:
      return changeInputs();
    case 3:
    case 4:
      return changeAttribute();
    case 5:
      return changeTensor();
    case 6:
      return changeSize();
    case 7:
      if (model.opset_import_size())
        model.mutable_opset_import(below(model.opset_import_size()))
            ->set_version(1 + below(27));
    }
  }

private:
  ModelProto &model;
  std::mt19937 random;
  std::vector<NodeProto *> nodes;
  std::vector<std::string> names{""};
  std::vector<AttributeProto *> attributes;
  std::vector<TensorProto *> tensors;

  int below(int count) { return int(random() % unsigned(count)); }
  template <typename T> T &any(std::vector<T> &list) {
    return list[size_t(below(int(list.size())))];
  }
  /// Numbers near which mistakes are.
  int64_t number() {
    static const int64_t known[] = {
        INT64_MIN,        INT64_MIN + 1,    INT32_MIN, INT32_MAX,
        int64_t(1) << 32, int64_t(1) << 62, INT64_MAX, 65536};
    return below(4) ? below(12) - 4 : known[below(std::size(known))];
  }

  void collect(GraphProto &graph) {
    for (const ValueInfoProto &input : graph.input())
      names.push_back(input.name());
    for (TensorProto &tensor : *graph.mutable_initializer()) {
      names.push_back(tensor.name());
      tensors.push_back(&tensor);
    }
    collect(*graph.mutable_node());
  }

  void collect(google::protobuf::RepeatedPtrField<NodeProto> &list) {
    for (NodeProto &node : list) {
      nodes.push_back(&node);
      names.insert(names.end(), node.output().begin(), node.output().end());
      for (AttributeProto &attribute : *node.mutable_attribute()) {
        attributes.push_back(&attribute);
        if (attribute.has_g())
          collect(*attribute.mutable_g());
        if (attribute.has_t())
          tensors.push_back(attribute.mutable_t());
      }
    }
  }

  void changeOp() {
    static const std::vector<std::string> ops = onnxOps();
    if (nodes.empty())
      return;
    std::string op = ops[size_t(below(int(ops.size())))];
    size_t dot = op.rfind('.');
    NodeProto &node = *any(nodes);
    node.set_op_type(dot == op.npos ? op : op.substr(dot + 1));
    node.set_domain(dot == op.npos ? "" : op.substr(0, dot));
  }

  void changeInputs() {
    if (nodes.empty())
      return;
    NodeProto &node = *any(nodes);
    if (node.input_size() && below(2))
      node.set_input(below(node.input_size()), any(names));
    else if (node.input_size() && below(3) == 0)
      node.mutable_input()->RemoveLast();
    else if (node.input_size() < 12)
      node.add_input(any(names));
  }

  void changeAttribute() {
    if (attributes.empty())
      return;
    AttributeProto &attribute = *any(attributes);
    if (attribute.ints_size() && below(4) == 0)
      attribute.mutable_ints()->RemoveLast();
    else if (attribute.ints_size() && below(4))
      attribute.set_ints(below(attribute.ints_size()), number());
    else if (attribute.ints_size())
      attribute.add_ints(number());
    else if (attribute.has_i())
      attribute.set_i(number());
    else if (attribute.has_f())
      attribute.set_f(float(number()));
    else
      any(attributes)->CopyFrom(AttributeProto(attribute));
  }

  void changeTensor() {
    if (tensors.empty())
      return;
    TensorProto &tensor = *any(tensors);
    if (tensor.int64_data_size())
      tensor.set_int64_data(below(tensor.int64_data_size()), number());
    else if (tensor.data_type() == TensorProto::INT64 &&
             tensor.raw_data().size() >= 8) {
      int64_t value = number();
      std::string &bytes = *tensor.mutable_raw_data();
      memcpy(&bytes[size_t(below(int(bytes.size() / 8))) * 8], &value, 8);
    } else if (tensor.dims_size()) {
      tensor.set_dims(below(tensor.dims_size()), number());
    }
  }

  /// An input's shape or type.
  void changeSize() {
    GraphProto &graph = *model.mutable_graph();
    if (!graph.input_size())
      return;
    ValueInfoProto &input = *graph.mutable_input(below(graph.input_size()));
    auto &type = *input.mutable_type()->mutable_tensor_type();
    auto &dims = *type.mutable_shape()->mutable_dim();
    if (below(4) == 0)
      type.set_elem_type(1 + below(16));
    else if (dims.empty() || below(4) == 0)
      type.mutable_shape()->add_dim()->set_dim_value(below(5));
    else if (below(3) == 0)
      dims.RemoveLast();
    else if (below(2))
      dims.Mutable(below(dims.size()))
          ->set_dim_param(std::string(1, char('a' + below(3))));
    else
      dims.Mutable(below(dims.size()))->set_dim_value(number());
  }
};

} // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size,
                                          size_t most, unsigned seed) {
  ModelProto model;
  if (seed % 8 == 0 ||
      !parseMessage({reinterpret_cast<const char *>(data), size}, model))
    return LLVMFuzzerMutate(data, size, most);
  Mutation(model, seed).run();
  std::string bytes = model.SerializeAsString();
  if (bytes.size() > most)
    return LLVMFuzzerMutate(data, size, most);
  memcpy(data, bytes.data(), bytes.size());
  return bytes.size();
}
