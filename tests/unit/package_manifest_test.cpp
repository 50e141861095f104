//===- package_manifest_test.cpp - Weights' bytes, and the manifest -------===//

#include "compiler/package/BuildManifest.h"
#include "runtime/dtype.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <cmath>
#include <gtest/gtest.h>

#include <cstring>

using namespace mlir;
using namespace mapsto;

namespace {

class Package : public ::testing::Test {
protected:
  Package() { context.loadDialect<MapstoDialect, func::FuncDialect>(); }

  OwningOpRef<ModuleOp> parse(StringRef text) {
    auto module = parseSourceString<ModuleOp>(text, &context);
    EXPECT_TRUE(bool(module));
    return module;
  }

  template <typename T>
  void give(std::string name, mapsto_dtype dtype, std::vector<int64_t> shape,
            std::vector<T> elements) {
    std::vector<char> bytes(elements.size() * sizeof(T));
    std::memcpy(bytes.data(), elements.data(), bytes.size());
    files[name] = {dtype, shape, bytes};
  }

  WeightSource source() {
    WeightSource result;
    for (auto &[name, file] : files)
      result.names.push_back(name);
    result.find = [this](StringRef name) -> std::optional<WeightView> {
      auto it = files.find(name.str());
      if (it == files.end())
        return std::nullopt;
      return WeightView{it->second.dtype, it->second.shape, it->second.bytes};
    };
    return result;
  }

  std::vector<float> floatsAt(const std::string &blob, uint64_t offset,
                              size_t count) {
    std::vector<float> values(count);
    std::memcpy(values.data(), blob.data() + offset, count * sizeof(float));
    return values;
  }

  std::string blobOf(WeightTable &table) {
    table.setSource(source());
    std::string blob, error;
    llvm::raw_string_ostream out(blob);
    EXPECT_TRUE(table.write(out, error)) << error;
    EXPECT_EQ(blob.size(), table.size());
    std::string memory(table.size(), '?');
    EXPECT_TRUE(table.writeTo(memory.data(), error)) << error;
    EXPECT_EQ(memory, blob);
    return blob;
  }

  struct File {
    mapsto_dtype dtype;
    std::vector<int64_t> shape;
    std::vector<char> bytes;
  };
  MLIRContext context;
  std::map<std::string, File> files;
};

TEST_F(Package, LaysWeightsOutOnceInPanelsAndRows) {
  auto module = parse(R"ir(
    func.func @main() {
      %p = mapsto.weight "w" {panel = 2 : i64, transposed, source_shape = array<i64: 3, 2>} : tensor<2x2x2xf32>
      %q = mapsto.weight "w" {panel = 2 : i64, transposed, source_shape = array<i64: 3, 2>} : tensor<2x2x2xf32>
      %n = mapsto.weight "w" {panel = 2 : i64, source_shape = array<i64: 3, 2>} : tensor<1x3x2xf32>
      %r = mapsto.weight "w" {row_start = 1 : i64} : tensor<2x2xf32>
      %c = mapsto.constant dense<[1.0, -2.0]> : tensor<2xf32>
      %b = mapsto.constant dense<[true, false]> : tensor<2xi1>
      return
    })ir");
  give<float>("w", MAPSTO_F32, {3, 2}, {1, 2, 3, 4, 5, 6});
  WeightTable table(*module);
  ASSERT_EQ(table.entries().size(), 5u);
  for (const WeightTable::Entry &entry : table.entries())
    EXPECT_EQ(entry.offset % WeightTable::kAlignment, 0u);
  std::string blob = blobOf(table);
  auto at = [&](size_t i, size_t count) {
    return floatsAt(blob, table.entries()[i].offset, count);
  };
  // Columns of the matrix are rows of the file: panels (1 3 / 2 4) (5 0 / 6 0).
  EXPECT_EQ(at(0, 8), (std::vector<float>{1, 3, 2, 4, 5, 0, 6, 0}));
  EXPECT_EQ(at(1, 6), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(at(2, 4), (std::vector<float>{3, 4, 5, 6}));
  EXPECT_EQ(at(3, 2), (std::vector<float>{1, -2}));
  EXPECT_EQ(blob.substr(table.entries()[4].offset, 2), std::string("\1\0", 2));
}

TEST_F(Package, ConvertsElementTypes) {
  auto module = parse(R"ir(
    func.func @main() {
      %h = mapsto.weight "half" : tensor<2xf32>
      %d = mapsto.weight "double" {panel = 2 : i64, source_shape = array<i64: 1, 2>} : tensor<1x1x2xf32>
      %i = mapsto.weight "int" : tensor<2xf32>
      %f = mapsto.weight "float" : tensor<2xf16>
      return
    })ir");
  give<uint16_t>("half", MAPSTO_F16, {2}, {0x3c00, 0xc000});
  give<double>("double", MAPSTO_F64, {1, 2}, {0.5, -0.25});
  give<int64_t>("int", MAPSTO_I64, {2}, {7, -9});
  give<float>("float", MAPSTO_F32, {2}, {1.0f, -2.0f});
  EXPECT_TRUE(checkWeights(*module, source()).mismatched.empty());
  WeightTable table(*module);
  std::string blob = blobOf(table);
  auto at = [&](size_t i) {
    return floatsAt(blob, table.entries()[i].offset, 2);
  };
  EXPECT_EQ(at(0), (std::vector<float>{1, -2}));
  EXPECT_EQ(at(1), (std::vector<float>{0.5, -0.25}));
  EXPECT_EQ(at(2), (std::vector<float>{7, -9}));
  uint16_t halves[2];
  std::memcpy(halves, blob.data() + table.entries()[3].offset, 4);
  EXPECT_EQ(halves[0], 0x3c00);
  EXPECT_EQ(halves[1], 0xc000);
}

TEST_F(Package, StoresMatricesInFewerBits) {
  auto module = parse(R"ir(
    func.func @main() {
      %p = mapsto.weight "w" {panel = 2 : i64, transposed, source_shape = array<i64: 3, 2>, stored = #mapsto.storage<i8, channels = 0>} : tensor<2x2x2xi8>
      %s = mapsto.weight "w" {stored = #mapsto.storage<i8, channels = 0>, scales} : tensor<3xf32>
      %r = mapsto.weight "w" {row_start = 1 : i64, stored = #mapsto.storage<i8, channels = 0>} : tensor<2x2xi8>
      %t = mapsto.weight "w" {row_start = 1 : i64, stored = #mapsto.storage<i8, channels = 0>, scales} : tensor<2xf32>
      %c = mapsto.weight "v" {row_start = 1 : i64, stored = #mapsto.storage<i8, channels = 1>} : tensor<1x2xi8>
      %d = mapsto.weight "v" {stored = #mapsto.storage<i8, channels = 1>, scales} : tensor<2xf32>
      %b = mapsto.weight "v" {stored = #mapsto.storage<bf16>} : tensor<2x2xbf16>
      return
    })ir");
  // Rows with the scales 1, 0 and 2; columns with the scales 1 and 4.
  give<float>("w", MAPSTO_F32, {3, 2}, {127, -63.5, 0, 0, 3, -254});
  give<double>("v", MAPSTO_F64, {2, 2}, {127, 508, -1.5, 10});
  WeightTable table(*module);
  std::string blob = blobOf(table);
  auto bytesAt = [&](size_t i, size_t count) {
    auto *from = reinterpret_cast<const int8_t *>(blob.data()) +
                 table.entries()[i].offset;
    return std::vector<int>(from, from + count);
  };
  auto floats = [&](size_t i, size_t count) {
    return floatsAt(blob, table.entries()[i].offset, count);
  };
  EXPECT_EQ(bytesAt(0, 8), (std::vector<int>{127, 0, -64, 0, 2, 0, -127, 0}));
  EXPECT_EQ(floats(1, 3), (std::vector<float>{1, 0, 2}));
  EXPECT_EQ(bytesAt(2, 4), (std::vector<int>{0, 0, 2, -127}));
  EXPECT_EQ(floats(3, 2), (std::vector<float>{0, 2}));
  EXPECT_EQ(bytesAt(4, 2), (std::vector<int>{-2, 2}));
  EXPECT_EQ(floats(5, 2), (std::vector<float>{1, 4}));
  EXPECT_EQ(bytesAt(6, 4), (std::vector<int>{-2, 0x42, -2, 0x43}));

  // 1.5 and 2.5 are halves: to even. Of w, -63.5 and 3 are rounded.
  auto storage = StorageAttr::get(&context, IntegerType::get(&context, 8), 0);
  StorageLoss loss = measureStorage(*source().find("w"), storage);
  EXPECT_EQ(loss.bytes, 6 + 3 * 4);
  EXPECT_EQ(loss.largest, 1);
  EXPECT_EQ(loss.difference, 0.25 + 1);
  give<float>("w", MAPSTO_F32, {1, 2}, {1, INFINITY});
  EXPECT_EQ(measureStorage(*source().find("w"), storage).impossible, INFINITY);
}

TEST_F(Package, ListsAllThatDoesNotFit) {
  auto module = parse(R"ir(
    func.func @main() {
      %a = mapsto.weight "fc.weight" : tensor<4x2xf32>
      %b = mapsto.weight "fc.bias" : tensor<4xf32>
      %c = mapsto.weight "scale" : tensor<1xf32>
      %d = mapsto.weight "table" : tensor<2xi64>
      %e = mapsto.weight "big" : tensor<1xf32>
      %f = mapsto.weight "rows" {row_start = 2 : i64} : tensor<2x1xf32>
      return
    })ir");
  give<float>("fc.weights", MAPSTO_F32, {4, 2}, std::vector<float>(8));
  give<float>("fc.bias", MAPSTO_F32, {3}, std::vector<float>(3));
  give<float>("table", MAPSTO_F32, {2}, {0, 1});
  give<int64_t>("big", MAPSTO_I64, {1}, {(1ll << 24) + 1});
  give<float>("rows", MAPSTO_F32, {3, 1}, std::vector<float>(3));
  WeightProblems problems = checkWeights(*module, source());
  EXPECT_EQ(problems.missing,
            (std::vector<std::string>{
                "`fc.weight` f32[4, 2]; did you mean `fc.weights`?",
                "`scale` f32[1]"}));
  EXPECT_EQ(problems.mismatched,
            (std::vector<std::string>{
                "`fc.bias` f32[4] is [3] in the file",
                "`table` i64[2] is of f32 in the file, which it cannot hold",
                "`big` f32[1] is of i64 in the file, which it cannot hold",
                "`rows` f32[4, 1] is [3, 1] in the file"}));
  EXPECT_EQ(problems.extra, (std::vector<std::string>{"`fc.weights` [4, 2]"}));
}

//===----------------------------------------------------------------------===//
// The manifest
//===----------------------------------------------------------------------===//

/// The manifest of a module, checked by the reader that the runtime uses.
class Manifests : public Package {
protected:
  ManifestModel build(StringRef text) {
    module = parse(text);
    if (!module)
      return {};
    table = std::make_unique<WeightTable>(*module);
    FailureOr<ManifestModel> model = buildManifest(*module, *table);
    EXPECT_TRUE(succeeded(model));
    if (failed(model))
      return {};
    blob = serialize(*model);
    runtime::Manifest manifest;
    const char *problem = manifest.open(blob.data(), blob.size());
    EXPECT_EQ(problem, nullptr) << problem;
    return *model;
  }

  OwningOpRef<ModuleOp> module;
  std::unique_ptr<WeightTable> table;
  std::vector<uint8_t> blob;
};

constexpr const char *kKernels = R"ir(
  mapsto.kernel @twice map attributes {mapsto.grid = "ceildiv(T, 8)", mapsto.flops = "T", mapsto.bytes = "8*T", mapsto.fused = ["add"]} : (tensor<?xf32, #mapsto.dims<"T">>) -> tensor<?xf32, #mapsto.dims<"T">> {
  ^bb0(%x: tensor<?xf32, #mapsto.dims<"T">>):
    %0 = mapsto.add %x, %x : tensor<?xf32, #mapsto.dims<"T">>
    mapsto.yield %0 : tensor<?xf32, #mapsto.dims<"T">>
  }
  mapsto.kernel @put update attributes {mapsto.in_place} : (tensor<?xf32, #mapsto.dims<"T">>, tensor<1xf32>, tensor<i64>) -> tensor<?xf32, #mapsto.dims<"T">> {
  ^bb0(%x: tensor<?xf32, #mapsto.dims<"T">>, %v: tensor<1xf32>, %i: tensor<i64>):
    %0 = mapsto.update %x, %v, %i {axis = 0 : i64} : (tensor<?xf32, #mapsto.dims<"T">>, tensor<1xf32>, tensor<i64>) -> tensor<?xf32, #mapsto.dims<"T">>
    mapsto.yield %0 : tensor<?xf32, #mapsto.dims<"T">>
  }
)ir";

std::string withMain(std::string main) {
  return "#T = #mapsto.dims<\"T\">\nmodule attributes {mapsto.model = \"M\", "
         "mapsto.symbols = [\"T\"]} {\n" +
         std::string(kKernels) + main + "\n}";
}

using runtime::BufferKind;

TEST_F(Manifests, LaunchesAndOutputs) {
  ManifestModel m = build(withMain(R"ir(
    func.func @main(%x: tensor<?xf32, #T> {mapsto.name = "x"}) -> (tensor<1x?xf32, #mapsto.dims<"1", "T">> {mapsto.name = "y"}, tensor<?xf32, #T> {mapsto.name = "same"}) {
      %0 = mapsto.launch @twice(%x) : (tensor<?xf32, #T>) -> tensor<?xf32, #T>
      %1 = mapsto.launch @twice(%0) : (tensor<?xf32, #T>) -> tensor<?xf32, #T>
      %2 = mapsto.reshape %1 : tensor<?xf32, #T> to tensor<1x?xf32, #mapsto.dims<"1", "T">>
      return %2, %x : tensor<1x?xf32, #mapsto.dims<"1", "T">>, tensor<?xf32, #T>
    })ir"));
  ASSERT_EQ(m.inputs.size(), 1u);
  ASSERT_EQ(m.outputs.size(), 2u);
  EXPECT_EQ(m.name, "M");
  EXPECT_EQ(m.inputs[0].name, "x");
  EXPECT_EQ(m.outputs[0].name, "y");
  EXPECT_EQ(m.outputs[0].dims.size(), 2u);
  ASSERT_EQ(m.kernels.size(), 1u); // one that is launched twice
  EXPECT_EQ(m.kernels[0].symbol, "twice");
  EXPECT_EQ(m.kernels[0].kind, "map");
  EXPECT_EQ(m.exprs[m.kernels[0].grid].text, "floordiv(T + 7, 8)");
  EXPECT_EQ(m.kernels[0].ops, std::vector<std::string>{"add"});
  // The last launch writes the output itself; the input returned is copied.
  ASSERT_EQ(m.steps.size(), 3u);
  EXPECT_EQ(m.steps[0].buffers[0], m.inputs[0].buffer);
  EXPECT_EQ(m.steps[1].buffers, (std::vector<uint32_t>{m.steps[0].buffers[1],
                                                       m.outputs[0].buffer}));
  EXPECT_EQ(m.steps[2].kind, runtime::StepKind::Copy);
  EXPECT_EQ(m.steps[2].buffers,
            (std::vector<uint32_t>{m.inputs[0].buffer, m.outputs[1].buffer}));
}

TEST_F(Manifests, StatesAreUpdatedInPlace) {
  ManifestModel m = build(withMain(R"ir(
    func.func @main(%v: tensor<1xf32>, %i: tensor<i64>, %cache: tensor<?xf32, #T> {mapsto.state = "cache"}) -> (tensor<?xf32, #T>, tensor<?xf32, #T> {mapsto.state = "cache"}) {
      %0 = mapsto.launch @put(%cache, %v, %i) : (tensor<?xf32, #T>, tensor<1xf32>, tensor<i64>) -> tensor<?xf32, #T>
      %1 = mapsto.launch @twice(%0) : (tensor<?xf32, #T>) -> tensor<?xf32, #T>
      return %1, %0 : tensor<?xf32, #T>, tensor<?xf32, #T>
    })ir"));
  ASSERT_EQ(m.states.size(), 1u);
  uint32_t cache = m.states[0].buffer;
  EXPECT_EQ(m.buffers[cache].kind, BufferKind::State);
  EXPECT_EQ(m.steps[0].buffers[0], cache);
  EXPECT_EQ(m.steps[0].buffers[3], cache);
  EXPECT_EQ(m.steps[1].buffers[0], cache);
  EXPECT_TRUE(m.writeBacks.empty());
}

TEST_F(Manifests, AStateReadLaterIsNotOverwritten) {
  ManifestModel m = build(withMain(R"ir(
    func.func @main(%v: tensor<1xf32>, %i: tensor<i64>, %cache: tensor<?xf32, #T> {mapsto.state = "cache"}) -> (tensor<?xf32, #T>, tensor<?xf32, #T> {mapsto.state = "cache"}) {
      %0 = mapsto.launch @put(%cache, %v, %i) : (tensor<?xf32, #T>, tensor<1xf32>, tensor<i64>) -> tensor<?xf32, #T>
      %1 = mapsto.launch @twice(%cache) : (tensor<?xf32, #T>) -> tensor<?xf32, #T>
      return %1, %0 : tensor<?xf32, #T>, tensor<?xf32, #T>
    })ir"));
  uint32_t cache = m.states[0].buffer;
  uint32_t next = m.steps[0].buffers[3];
  EXPECT_NE(next, cache);
  ASSERT_EQ(m.writeBacks.size(), 1u);
  EXPECT_EQ(m.writeBacks[0], (std::pair<uint32_t, uint32_t>(0, next)));
}

TEST_F(Manifests, SwappedStatesKeepTheirOldValues) {
  ManifestModel m = build(withMain(R"ir(
    func.func @main(%a: tensor<2xf32> {mapsto.state = "a"}, %b: tensor<2xf32> {mapsto.state = "b"}) -> (tensor<2xf32> {mapsto.state = "a"}, tensor<2xf32> {mapsto.state = "b"}) {
      return %b, %a : tensor<2xf32>, tensor<2xf32>
    })ir"));
  ASSERT_EQ(m.steps.size(), 2u);
  ASSERT_EQ(m.writeBacks.size(), 2u);
  for (auto [state, buffer] : m.writeBacks)
    EXPECT_EQ(m.buffers[buffer].kind, BufferKind::Arena);
}

TEST_F(Manifests, ARepeatIsALoopOverItsCarriedValues) {
  ManifestModel m = build(withMain(R"ir(
    func.func @main(%x: tensor<?xf32, #T>) -> tensor<?xf32, #T> {
      %never = mapsto.constant dense<false> : tensor<i1>
      %one = mapsto.weight "one" : tensor<1xf32>
      %0 = mapsto.launch @twice(%x) : (tensor<?xf32, #T>) -> tensor<?xf32, #T>
      %1:2 = mapsto.repeat init(%0, %x : tensor<?xf32, #T>, tensor<?xf32, #T>) attributes {axis = 0 : i64, count = "T"} -> (tensor<?xf32, #T>, tensor<?xf32, #T>) {
      ^bb0(%i: tensor<i64>, %a: tensor<?xf32, #T>, %b: tensor<?xf32, #T>):
        %2 = mapsto.launch @put(%a, %one, %i) : (tensor<?xf32, #T>, tensor<1xf32>, tensor<i64>) -> tensor<?xf32, #T>
        %3 = mapsto.launch @twice(%b) : (tensor<?xf32, #T>) -> tensor<?xf32, #T>
        mapsto.yield %never, %2, %3 : tensor<i1>, tensor<?xf32, #T>, tensor<?xf32, #T>
      }
      return %1#0 : tensor<?xf32, #T>
    })ir"));
  // The first launch, the loop and the update all work on the output itself;
  // the input is copied before the loop overwrites it.
  ASSERT_EQ(m.steps.size(), 3u);
  uint32_t output = m.outputs[0].buffer;
  EXPECT_EQ(m.steps[0].buffers[1], output);
  EXPECT_EQ(m.steps[1].kind, runtime::StepKind::Copy);
  const ManifestStep &loop = m.steps[2];
  ASSERT_EQ(loop.kind, runtime::StepKind::Loop);
  EXPECT_EQ(m.exprs[loop.count].text, "T");
  EXPECT_EQ(loop.stop, kNoId);
  ASSERT_EQ(loop.body.size(), 2u);
  EXPECT_EQ(loop.body[0].buffers[0], output);
  EXPECT_EQ(loop.body[0].buffers[2], loop.counter);
  EXPECT_EQ(loop.body[0].buffers[3], output);
  ASSERT_EQ(loop.carries.size(), 1u);
  EXPECT_EQ(loop.carries[0].second, m.steps[1].buffers[1]);
}

TEST_F(Manifests, SizesAreEvaluatedByTheRuntime) {
  std::vector<ManifestSymbol> symbols{{"B"}, {"T"}};
  Dim size = Dim(2) * Dim::symbol("B") * Dim::symbol("T") - Dim(3) +
             Dim::ceilDiv(Dim::symbol("T"), Dim(8));
  ManifestExpr expr = manifestExpr(size, symbols);
  EXPECT_EQ(expr.text, size.str());
  int64_t values[] = {3, 20};
  // As postfix code, by hand.
  std::vector<int64_t> stack;
  for (const ManifestExpr::Op &op : expr.code) {
    using runtime::Opcode;
    if (op.opcode == Opcode::Constant) {
      stack.push_back(op.value);
      continue;
    }
    if (op.opcode == Opcode::Symbol) {
      stack.push_back(values[op.value]);
      continue;
    }
    int64_t right = stack.back();
    stack.pop_back();
    int64_t &left = stack.back();
    left = op.opcode == Opcode::Add        ? left + right
           : op.opcode == Opcode::Mul      ? left * right
           : op.opcode == Opcode::FloorDiv ? left / right
                                           : INT64_MIN;
  }
  ASSERT_EQ(stack.size(), 1u);
  EXPECT_EQ(stack[0], 2 * 3 * 20 - 3 + 3);
}

} // namespace
