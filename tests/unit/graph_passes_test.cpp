//===- graph_passes_test.cpp - Passes change the form, not the meaning ----===//
//
// Runs the interpreter before and after each pass on random inputs of random
// sizes: on every graph of the passes' lit tests, and on recurrences of every
// form.
//
//===----------------------------------------------------------------------===//

#include "compiler/Passes.h"
#include "compiler/pipeline.h"
#include "dialect/Builders.h"
#include "dialect/interpreter/Interpreter.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/MemoryBuffer.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

using namespace mlir;
using namespace mapsto;

namespace {

class GraphPasses : public ::testing::Test {
protected:
  GraphPasses() { context.loadDialect<MapstoDialect, func::FuncDialect>(); }

  Tensor random(Type elementType, ArrayRef<int64_t> shape) {
    Tensor tensor(elementType, shape);
    std::uniform_real_distribution<double> reals(-1, 1);
    std::uniform_int_distribution<int64_t> ints(0, 3);
    for (double &x : tensor.f)
      x = roundTo(elementType, reals(generator));
    for (int64_t &x : tensor.i)
      x = wrapTo(elementType, ints(generator));
    return tensor;
  }

  /// Random parameters, of the shapes in which the graph names them first.
  void makeWeights(ModuleOp module) {
    weights.clear();
    module.walk([&](WeightOp op) {
      if (!weights.count(op.getName().str()))
        weights[op.getName().str()] =
            random(op.getType().getElementType(), op.getType().getShape());
    });
  }

  std::vector<Tensor> run(func::FuncOp function, ArrayRef<Tensor> arguments) {
    Interpreter interpreter([&](StringRef name) -> FailureOr<Tensor> {
      auto found = weights.find(name.str());
      if (found == weights.end())
        return failure();
      return found->second;
    });
    std::string error;
    FailureOr<std::vector<Tensor>> results =
        interpreter.run(function, arguments, error);
    EXPECT_TRUE(succeeded(results)) << error;
    return succeeded(results) ? *results : std::vector<Tensor>();
  }

  /// Runs every function before and after the passes.
  void expectSame(ModuleOp module,
                  function_ref<void(OpPassManager &)> addPasses) {
    makeWeights(module);
    OwningOpRef<ModuleOp> changed = module.clone();
    PassManager pm(&context);
    addPasses(pm);
    ASSERT_TRUE(succeeded(pm.run(*changed)));
    ASSERT_TRUE(succeeded(mlir::verify(*changed)));
    for (auto before : module.getOps<func::FuncOp>())
      for (int trial = 0; trial < 4; ++trial)
        compare(before, changed->lookupSymbol<func::FuncOp>(before.getName()));
  }

  void compare(func::FuncOp before, func::FuncOp after) {
    static constexpr int64_t kSizes[] = {1, 2, 3, 5, 7, 0};
    std::uniform_int_distribution<size_t> pick(0, std::size(kSizes) - 1);
    std::map<std::string, int64_t> sizes;
    std::vector<Tensor> arguments;
    for (BlockArgument argument : before.getArguments()) {
      Shape shape;
      for (const Dim &dim : dimsOf(argument))
        shape.push_back(*dim.evaluate([&](StringRef name) {
          auto [it, isNew] = sizes.try_emplace(name.str(), 0);
          if (isNew)
            it->second = kSizes[pick(generator)];
          return std::optional<int64_t>(it->second);
        }));
      arguments.push_back(random(elementTypeOf(argument), shape));
    }
    std::vector<Tensor> expected = run(before, arguments);
    std::vector<Tensor> found = run(after, arguments);
    ASSERT_EQ(expected.size(), found.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(expected[i].shape, found[i].shape);
      for (int64_t at = 0; at < expected[i].size(); ++at) {
        double x = expected[i].number(at), y = found[i].number(at);
        if (std::isnan(x) && std::isnan(y))
          continue;
        ASSERT_NEAR(x, y, tolerance * (1 + std::abs(x))) << "at " << at;
      }
    }
  }

  /// The graphs of a lit test's file.
  std::vector<OwningOpRef<ModuleOp>> graphsOf(StringRef file) {
    std::string path =
        std::string(MAPSTO_SOURCE_DIR) + "/tests/lit/graph/" + file.str();
    auto buffer = llvm::MemoryBuffer::getFile(path);
    EXPECT_TRUE(bool(buffer)) << path;
    std::vector<OwningOpRef<ModuleOp>> modules;
    if (!buffer)
      return modules;
    SmallVector<StringRef> parts;
    (*buffer)->getBuffer().split(parts, "// -----");
    for (StringRef part : parts) {
      modules.push_back(parseSourceString<ModuleOp>(part, &context));
      EXPECT_TRUE(bool(modules.back())) << part.str();
    }
    return modules;
  }

  void expectSameInFile(StringRef file,
                        function_ref<void(OpPassManager &)> addPasses) {
    for (auto &module : graphsOf(file))
      if (module)
        expectSame(*module, addPasses);
  }

  MLIRContext context;
  std::map<std::string, Tensor> weights;
  std::mt19937 generator{7};
  /// Sums may be taken in another order, in double.
  double tolerance = 1e-9;
};

TEST_F(GraphPasses, ExpandRecurrences) {
  expectSameInFile("expand-recurrences.mlir", [](OpPassManager &pm) {
    pm.addPass(createExpandRecurrences());
  });
}

TEST_F(GraphPasses, ExpandSoftmax) {
  expectSameInFile("expand-softmax.mlir", [](OpPassManager &pm) {
    pm.addPass(createExpandSoftmax());
  });
}

TEST_F(GraphPasses, HoistFromScan) {
  expectSameInFile("hoist-from-scan.mlir", [](OpPassManager &pm) {
    pm.addPass(createHoistFromScan());
  });
}

TEST_F(GraphPasses, HoistFromAttention) {
  expectSameInFile("hoist-from-attention.mlir", [](OpPassManager &pm) {
    pm.addPass(createHoistFromAttention());
  });
}

TEST_F(GraphPasses, PackWeights) {
  expectSameInFile("pack-weights.mlir",
                   [](OpPassManager &pm) { pm.addPass(createPackWeights()); });
  expectSameInFile("hoist-from-scan.mlir", [](OpPassManager &pm) {
    pm.addPass(createHoistFromScan());
    PackWeightsOptions options;
    options.panel = 3;
    pm.addPass(createPackWeights(options));
  });
}

/// graph -> optimized -> kernels, as the compiler does it.
void addPhases(OpPassManager &pm) {
  Target target;
  target.vectorBits = 256;
  addOptimizePasses(pm);
  addKernelPasses(pm, target);
}

TEST_F(GraphPasses, WholePhases) {
  // What is copied in a schedule is rounded to f32.
  tolerance = 1e-6;
  for (StringRef file : {"expand-recurrences.mlir", "expand-softmax.mlir",
                         "hoist-from-attention.mlir", "hoist-from-scan.mlir"})
    expectSameInFile(file, addPhases);
}

/// One layer of a kind, with or without each of its parts.
struct Layer {
  StringRef kind;
  int64_t gates;
  bool batchFirst, reverse, lengths, bias, initial, special;
};

std::string textOf(const Layer &layer) {
  std::string text;
  llvm::raw_string_ostream out(text);
  std::string x = layer.batchFirst ? "\"B\", \"T\"" : "\"T\", \"B\"";
  std::string xType = "tensor<?x?x3xf32, #mapsto.dims<" + x + ", \"3\">>";
  std::string outType = "tensor<?x?x4xf32, #mapsto.dims<" + x + ", \"4\">>";
  std::string state = "tensor<?x4xf32, #mapsto.dims<\"B\", \"4\">>";
  std::string lengths = "tensor<?xi64, #mapsto.dims<\"B\">>";
  std::string rows = std::to_string(layer.gates * 4);
  bool isLstm = layer.kind == "lstm";
  out << "func.func @main(%x: " << xType << ", %h0: " << state
      << ", %c0: " << state << ", %n: " << lengths << ") -> (" << outType
      << ", " << state << ") {\n"
      << "  %w_ih = mapsto.weight \"w_ih\" : tensor<" << rows << "x3xf32>\n"
      << "  %w_hh = mapsto.weight \"w_hh\" : tensor<" << rows << "x4xf32>\n"
      << "  %b_ih = mapsto.weight \"b_ih\" : tensor<" << rows << "xf32>\n"
      << "  %b_hh = mapsto.weight \"b_hh\" : tensor<" << rows << "xf32>\n"
      << "  %out, %hn" << (isLstm ? ", %cn" : "") << " = mapsto." << layer.kind
      << " %x, %w_ih, %w_hh";
  std::string types =
      xType + ", tensor<" + rows + "x3xf32>, tensor<" + rows + "x4xf32>";
  if (layer.bias) {
    out << " bias_ih(%b_ih) bias_hh(%b_hh)";
    types += ", tensor<" + rows + "xf32>, tensor<" + rows + "xf32>";
  }
  if (layer.initial) {
    out << " h0(%h0)" << (isLstm ? " c0(%c0)" : "");
    types += ", " + state + (isLstm ? ", " + state : "");
  }
  if (layer.lengths) {
    out << " lengths(%n)";
    types += ", " + lengths;
  }
  out << " {axis = " << (layer.batchFirst ? 1 : 0) << " : i64"
      << (layer.reverse ? ", reverse" : "");
  if (layer.special)
    out << (layer.kind == "gru"
                ? ", reset_before"
                : ", nonlinearity = #mapsto.nonlinearity<relu>");
  out << "} : (" << types << ") -> (" << outType << ", " << state
      << (isLstm ? ", " + state : "") << ")\n"
      << "  return %out, %hn : " << outType << ", " << state << "\n}\n";
  return text;
}

TEST_F(GraphPasses, RecurrencesOfEveryForm) {
  tolerance = 1e-6;
  for (int bits = 0; bits < 64; ++bits)
    for (auto [kind, gates] :
         {std::pair("rnn", 1), std::pair("lstm", 4), std::pair("gru", 3)}) {
      bool special = bits & 32;
      if (special && StringRef(kind) == "lstm")
        continue;
      Layer layer{
          kind,           gates,          bool(bits & 1),  bool(bits & 2),
          bool(bits & 4), bool(bits & 8), bool(bits & 16), special};
      std::string text = textOf(layer);
      auto module = parseSourceString<ModuleOp>(text, &context);
      ASSERT_TRUE(bool(module)) << text;
      SCOPED_TRACE(text);
      expectSame(*module, [](OpPassManager &pm) { addPhases(pm); });
    }
}

} // namespace
