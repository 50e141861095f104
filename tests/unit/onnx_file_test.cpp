// What a damaged or hostile ONNX file may hold, and what is said of it.
#include "frontends/onnx/ModelFile.h"
#include "frontends/onnx/Onnx.h"

#include "mlir/IR/MLIRContext.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <unistd.h>

using namespace mapsto;
using namespace mapsto::onnx;

namespace fs = std::filesystem;

namespace {

class OnnxFile : public testing::Test {
protected:
  void SetUp() override {
    folder = fs::path(testing::TempDir()) /
             ("mapsto-onnx-" + std::to_string(getpid()));
    fs::create_directories(folder / "model" / "sub");
    write(folder / "outside.bin", std::string(64, 'o'));
    write(folder / "model" / "data.bin", std::string(64, 'd'));
    path = (folder / "model" / "m.onnx").string();
  }
  void TearDown() override { fs::remove_all(folder); }

  static void write(const fs::path &file, const std::string &bytes) {
    std::ofstream(file, std::ios::binary) << bytes;
  }

  /// A model with one input and output, y = x + w; changed by the test.
  static ModelProto model() {
    ModelProto m;
    m.add_opset_import()->set_version(17);
    GraphProto &graph = *m.mutable_graph();
    declare(*graph.add_input(), "x");
    declare(*graph.add_output(), "y");
    TensorProto &w = *graph.add_initializer();
    w.set_name("w");
    w.set_data_type(TensorProto::FLOAT);
    w.add_dims(2);
    w.set_raw_data(std::string(8, '\0'));
    node(*graph.add_node(), "Add", {"x", "w"}, "y");
    return m;
  }
  static void declare(ValueInfoProto &value, const char *name) {
    value.set_name(name);
    TypeProto::Tensor &type = *value.mutable_type()->mutable_tensor_type();
    type.set_elem_type(TensorProto::FLOAT);
    type.mutable_shape()->add_dim()->set_dim_value(2);
  }
  static void node(NodeProto &n, const char *op,
                   std::initializer_list<const char *> inputs,
                   const char *output) {
    n.set_op_type(op);
    for (const char *input : inputs)
      n.add_input(input);
    n.add_output(output);
  }

  /// The errors of importing it, one a line.
  std::string errorsOf(const ModelProto &m) {
    write(path, m.SerializeAsString());
    mlir::MLIRContext context;
    std::vector<OnnxError> errors;
    OnnxModel result = importOnnx(context, path, {}, errors);
    EXPECT_EQ(bool(result.module), errors.empty());
    std::string text;
    for (const OnnxError &error : errors)
      text += error.message + "\n";
    return text;
  }
  static TensorProto &weight(ModelProto &m) {
    return *m.mutable_graph()->mutable_initializer(0);
  }

  /// The error of a weight outside of the file, of 8 bytes.
  std::string externalError(
      std::initializer_list<std::pair<const char *, std::string>> entries) {
    ModelProto m = model();
    weight(m).clear_raw_data();
    weight(m).set_data_location(TensorProto::EXTERNAL);
    for (const auto &[key, value] : entries) {
      StringStringEntryProto &entry = *weight(m).add_external_data();
      entry.set_key(key);
      entry.set_value(value);
    }
    return errorsOf(m);
  }

  fs::path folder;
  std::string path;
};

void contains(const std::string &text, const std::string &part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST_F(OnnxFile, Imports) { EXPECT_EQ(errorsOf(model()), ""); }

TEST_F(OnnxFile, PrefixesAndFlippedBytesAreRefusedOrRead) {
  std::string bytes = model().SerializeAsString();
  for (size_t length = 0; length < bytes.size(); ++length) {
    write(path, bytes.substr(0, length));
    std::string error;
    EXPECT_EQ(ModelFile::open(path, error) != nullptr, error.empty());
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = char(damaged[i] ^ 0x55);
    ModelProto m;
    if (m.ParseFromString(damaged))
      errorsOf(m);
  }
}

TEST_F(OnnxFile, DataFillTheShape) {
  for (size_t size : {0, 7, 9, 12}) {
    ModelProto m = model();
    weight(m).set_raw_data(std::string(size, '\0'));
    contains(errorsOf(m), "its data do not fill its shape");
  }
  ModelProto m = model();
  weight(m).clear_raw_data();
  weight(m).add_float_data(1);
  contains(errorsOf(m), "its data do not fill its shape");
  weight(m).add_float_data(2);
  EXPECT_EQ(errorsOf(m), "");
}

TEST_F(OnnxFile, ShapesThatAreNone) {
  for (int64_t size : {int64_t(-1), int64_t(1) << 62, INT64_MAX}) {
    ModelProto m = model();
    weight(m).add_dims(size);
    contains(errorsOf(m), "its shape is not one");
  }
  ModelProto m = model(); // 2^80 elements
  weight(m).add_dims(int64_t(1) << 40);
  weight(m).add_dims(int64_t(1) << 40);
  contains(errorsOf(m), "its shape is not one");
}

TEST_F(OnnxFile, ExternalDataInTheFolder) {
  EXPECT_EQ(externalError({{"location", "data.bin"}, {"length", "8"}}), "");
  EXPECT_EQ(
      externalError(
          {{"location", "sub/../data.bin"}, {"offset", "56"}, {"length", "8"}}),
      "");
  EXPECT_EQ(externalError({{"location", "data.bin"}, {"offset", "56"}}), "");
}

TEST_F(OnnxFile, ExternalDataStayInside) {
  fs::create_symlink("../outside.bin", folder / "model" / "link.bin");
  fs::create_directory_symlink("..", folder / "model" / "up");
  const char *outside = "are outside of the model's folder";
  for (const std::string &location :
       {std::string("../outside.bin"), std::string("sub/../../outside.bin"),
        (folder / "outside.bin").string(),
        (folder / "model" / "data.bin").string(), std::string("link.bin"),
        std::string("up/outside.bin")})
    contains(externalError({{"location", location}, {"length", "8"}}), outside);
}

TEST_F(OnnxFile, ExternalDataOutsideOfTheFile) {
  const char *end = "its external data end outside of `data.bin`";
  for (const auto &[offset, length] :
       {std::pair("57", "8"), std::pair("0", "65"), std::pair("65", "0"),
        std::pair("18446744073709551608", "16"),
        std::pair("8", "18446744073709551615")})
    contains(
        externalError(
            {{"location", "data.bin"}, {"offset", offset}, {"length", length}}),
        end);
  contains(externalError({{"location", "data.bin"}}), "do not fill its shape");
  contains(externalError({{"location", "data.bin"}, {"offset", "-8"}}),
           "is no number");
  contains(externalError({{"location", "data.bin"}, {"length", "0x8"}}),
           "is no number");
}

TEST_F(OnnxFile, ExternalDataThatAreNoFile) {
  contains(externalError({}), "is not named");
  contains(externalError({{"location", std::string("data.bin\0x", 10)}}),
           "is not named");
  contains(externalError({{"location", "missing.bin"}}), "cannot be read");
  contains(externalError({{"location", "sub"}, {"length", "8"}}),
           "no plain file");
}

/// Graphs within graphs, so deep.
GraphProto nested(int depth) {
  GraphProto graph;
  GraphProto *at = &graph;
  for (int i = 0; i < depth; ++i) {
    NodeProto &n = *at->add_node();
    n.set_op_type("If");
    AttributeProto &attribute = *n.add_attribute();
    attribute.set_name("then_branch");
    at = attribute.mutable_g();
  }
  at->add_node()->set_op_type("Relu");
  return graph;
}

TEST_F(OnnxFile, Nesting) {
  for (int depth : {ModelFile::kMostNested, ModelFile::kMostNested + 1, 2000}) {
    ModelProto m = model();
    *m.mutable_graph() = nested(depth);
    write(path, m.SerializeAsString());
    std::string error;
    EXPECT_EQ(ModelFile::open(path, error) != nullptr,
              depth <= ModelFile::kMostNested)
        << depth << error;
  }
}

TEST_F(OnnxFile, CyclesAndNamesThatNothingMakes) {
  ModelProto m = model();
  *m.mutable_graph()->mutable_node(0)->mutable_input(0) = "y";
  contains(errorsOf(m), "nothing before it makes its input `y`");
  m = model();
  *m.mutable_graph()->mutable_output(0)->mutable_name() = "z";
  contains(errorsOf(m), "nothing makes the model's output `z`");
}

FunctionProto &function(ModelProto &m, const std::string &name,
                        const std::string &calls, int times) {
  FunctionProto &f = *m.add_functions();
  f.set_name(name);
  f.set_domain("local");
  f.add_input("x");
  f.add_output("y");
  f.add_opset_import()->set_version(17);
  for (int i = 0; i < times; ++i) {
    NodeProto &n = *f.add_node();
    n.set_op_type(calls);
    n.set_domain("local");
    n.add_input(i ? "y" : "x");
    n.add_output("y");
  }
  return f;
}

TEST_F(OnnxFile, FunctionsThatNeverEnd) {
  ModelProto m = model();
  function(m, "f", "f", 1);
  NodeProto &call = *m.mutable_graph()->mutable_node(0);
  call.set_op_type("f");
  call.set_domain("local");
  call.mutable_input()->RemoveLast();
  contains(errorsOf(m), "functions call each other more than");

  // Each calls the next twice: 2^40 nodes.
  m.clear_functions();
  for (int i = 0; i < 40; ++i)
    function(m, i ? "f" + std::to_string(i) : "f", "f" + std::to_string(i + 1),
             2);
  contains(errorsOf(m), "the model's functions and loops make more than");
}

TEST_F(OnnxFile, AllErrorsAtOnce) {
  ModelProto m = model();
  GraphProto &graph = *m.mutable_graph();
  graph.mutable_node(0)->set_name("sum");
  graph.mutable_node(0)->add_attribute()->set_name("surprise");
  node(*graph.add_node(), "NoSuchOp", {"x"}, "a");
  node(*graph.add_node(), "NoSuchOp", {"x"}, "b");
  node(*graph.add_node(), "AnotherOne", {"x"}, "c");
  graph.mutable_node(3)->set_domain("their.own");
  std::string errors = errorsOf(m);
  contains(errors, "node `sum` (Add, opset 17): attribute `surprise` is not "
                   "supported");
  contains(errors, "op NoSuchOp (opset 17) is not supported");
  contains(errors, "and 1 more");
  contains(errors, "op their.own.AnotherOne");
}

TEST_F(OnnxFile, OperandsThatDoNotFit) {
  auto errorsOfNode = [&](const char *op,
                          std::initializer_list<const char *> inputs) {
    ModelProto m = model();
    NodeProto &n = *m.mutable_graph()->mutable_node(0);
    n.clear_input();
    n.clear_output();
    n.set_name("wrong");
    node(n, op, inputs, "y");
    return errorsOf(m);
  };
  contains(errorsOfNode("GatherElements", {"x"}),
           "node `wrong` (GatherElements, opset 17): its input 1 is left out");
  contains(errorsOfNode("GatherElements", {"x", "w"}), "node `wrong`");
  contains(errorsOfNode("GRU", {"x", "w", "w"}), "node `wrong` (GRU");
  contains(errorsOfNode("ConvTranspose", {"x", "w"}), "node `wrong` (Conv");
  contains(errorsOfNode("BatchNormalization", {"x", "w", "w", "w", "w"}),
           "node `wrong`");
}

TEST_F(OnnxFile, Inputs) {
  ModelProto m = model();
  declare(*m.mutable_graph()->add_input(), "w"); // as before IR version 4
  write(path, m.SerializeAsString());
  OnnxSignature signature;
  std::string error;
  ASSERT_TRUE(readOnnxSignature(path, signature, error)) << error;
  const std::vector<OnnxValueInfo> &inputs = signature.inputs;
  ASSERT_EQ(inputs.size(), 1u);
  EXPECT_EQ(inputs[0].form, OnnxForm::tensor);
  EXPECT_EQ(signature.outputs.size(), 1u);
  EXPECT_EQ(inputs[0].name, "x");
  EXPECT_EQ(inputs[0].dtype, MAPSTO_F32);
  EXPECT_EQ(inputs[0].shape, std::vector<int64_t>{2});
}

TEST_F(OnnxFile, ValuesAlone) {
  TensorProto tensor = weight(*std::make_unique<ModelProto>(model()));
  write(path, tensor.SerializeAsString());
  std::shared_ptr<void> storage;
  std::string error;
  auto read = [&](OnnxForm form, OnnxFileValue &value) {
    value = {};
    return readOnnxValue(path, form, value, storage, error);
  };
  OnnxFileValue value;
  ASSERT_TRUE(read(OnnxForm::tensor, value)) << error;
  ASSERT_EQ(value.tensors.size(), 1u);
  EXPECT_EQ(value.tensors[0].name, "w");
  EXPECT_EQ(value.tensors[0].bytes.size(), 8u);

  SequenceProto sequence;
  *sequence.add_tensor_values() = tensor;
  *sequence.add_tensor_values() = tensor;
  write(path, sequence.SerializeAsString());
  ASSERT_TRUE(read(OnnxForm::sequence, value)) << error;
  EXPECT_EQ(value.tensors.size(), 2u);
  OptionalProto optional;
  write(path, optional.SerializeAsString());
  ASSERT_TRUE(read(OnnxForm::optionalSequence, value)) << error;
  EXPECT_TRUE(value.isNothing);
  *optional.mutable_sequence_value() = sequence;
  write(path, optional.SerializeAsString());
  ASSERT_TRUE(read(OnnxForm::optionalSequence, value)) << error;
  EXPECT_FALSE(value.isNothing);
  EXPECT_EQ(value.tensors.size(), 2u);
  EXPECT_FALSE(read(OnnxForm::other, value));

  tensor.set_data_location(TensorProto::EXTERNAL);
  write(path, tensor.SerializeAsString());
  EXPECT_FALSE(read(OnnxForm::tensor, value));
  *sequence.add_tensor_values() = tensor;
  write(path, sequence.SerializeAsString());
  EXPECT_FALSE(read(OnnxForm::sequence, value));
  write(path, "\x08");
  for (OnnxForm form : {OnnxForm::tensor, OnnxForm::sequence,
                        OnnxForm::optional, OnnxForm::optionalSequence})
    EXPECT_FALSE(read(form, value));
  path += ".none";
  EXPECT_FALSE(read(OnnxForm::tensor, value));
}

} // namespace
