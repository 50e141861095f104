//===- runtime_model.h - a small model, made by hand, for runtime tests ---===//
//
// Accumulate: (x: f32[B, T], ids: i64[T]) -> (y: f32[B, T], sum: f32[B])
//   s = table[ids]           (weights: 1, 10, 100, 1000)
//   y = x * s
//   total = total + sum(y, axis=1), kept as state and given as `sum`
//
// Its kernels are in runtime_model_kernels.c.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_TESTS_RUNTIME_MODEL_H
#define MAPSTO_TESTS_RUNTIME_MODEL_H

#include "runtime/manifest_writer.h"

namespace mapsto::test {

enum AccumulateBuffer { X, Ids, Y, Sum, Total, Table, S, Totals };

inline ManifestModel accumulateModel() {
  using runtime::BufferKind;
  ManifestModel m;
  m.name = "accumulate";
  m.doc = "Scales a sequence by looked-up numbers and keeps its sum.";
  m.triple = "test";
  m.cpu = "any";
  m.weightsSize = 16;
  m.symbols = {{"B"}, {"T"}};
  auto symbolB = ManifestExpr::symbol(0, "B");
  auto symbolT = ManifestExpr::symbol(1, "T");
  uint32_t b = m.expr(symbolB), t = m.expr(symbolT), one = m.expr(1);
  uint32_t bt = m.expr(symbolB * symbolT);
  auto four = ManifestExpr::constant(4), eight = ManifestExpr::constant(8);
  uint32_t b4 = m.expr(four * symbolB), t4 = m.expr(four * symbolT);
  uint32_t t8 = m.expr(eight * symbolT), bt4 = m.expr(four * symbolB * symbolT);
  m.inputs = {{"x", "what to scale", MAPSTO_F32, {b, t}, X},
              {"ids", "", MAPSTO_I64, {t}, Ids}};
  m.outputs = {{"y", "", MAPSTO_F32, {b, t}, Y},
               {"sum", "", MAPSTO_F32, {b}, Sum}};
  m.states = {{"total", "", MAPSTO_F32, {b}, Total}};
  m.parameters = {{"table", "", MAPSTO_F32, {4}, 0, 16}};
  m.buffers = {{"x", "f32[B, T]", BufferKind::Input, 0, 0, bt4},
               {"ids", "i64[T]", BufferKind::Input, 1, 0, t8},
               {"y", "f32[B, T]", BufferKind::Output, 0, 0, bt4},
               {"sum", "f32[B]", BufferKind::Output, 1, 0, b4},
               {"total", "f32[B]", BufferKind::State, 0, 0, b4},
               {"table", "f32[4]", BufferKind::Weights, 0, 0, m.expr(16)},
               {"s", "f32[T]", BufferKind::Arena, 0, 0, t4},
               {"totals", "f32[B]", BufferKind::Arena, 0, 0, b4}};
  m.kernels = {{"lookup",
                "gather",
                "accumulate.mto:3:7",
                {"gather"},
                {"accumulate.mto:3:13"},
                2,
                1,
                t,
                one,
                m.expr(0),
                t8},
               {"scale",
                "elementwise",
                "accumulate.mto:4:7",
                {"mul"},
                {},
                2,
                1,
                b,
                t,
                bt,
                bt4},
               {"accumulate",
                "reduction",
                "accumulate.mto:5:7",
                {"sum", "add"},
                {},
                2,
                1,
                b,
                t,
                bt,
                bt4,
                m.expr(64)}};
  m.steps = {ManifestStep::launch(0, {Ids, Table, S}),
             ManifestStep::launch(1, {X, S, Y}),
             ManifestStep::launch(2, {Y, Total, Totals}),
             ManifestStep::copy(Totals, Sum)};
  m.writeBacks = {{0, Totals}};
  m.phases = {{"graph", "module {}", 9}};
  computeLifetimes(m);
  return m;
}

/// The same with a shader for each kernel: words that nobody compiles.
inline ManifestModel shaderModel() {
  ManifestModel m = accumulateModel();
  uint32_t t = m.expr(ManifestExpr::symbol(1, "T"));
  for (const ManifestKernel &kernel : m.kernels) {
    ManifestShader shader;
    shader.variants = {{{0x07230203, 0x00010300}}};
    shader.pushes = {t};
    shader.items = kernel.grid;
    shader.bindingCount = kernel.argumentCount + kernel.resultCount;
    m.shaders.push_back(shader);
  }
  m.shaders[0].bindingCount += 1; // where it reports errors
  m.shaders[2].scratch = t;
  m.shaders[2].bindingCount += 1;
  return m;
}

} // namespace mapsto::test

#endif // MAPSTO_TESTS_RUNTIME_MODEL_H
