#include "runtime/expr.h"
#include "runtime/manifest_writer.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace mapsto;
using runtime::ExprError;
using runtime::Opcode;

namespace {

struct Expr : testing::Test {
  ManifestModel model;
  std::vector<uint64_t> blob;
  runtime::Manifest manifest;

  Expr() { model.symbols = {{"B"}, {"T"}}; }

  uint32_t open(const ManifestExpr &e) {
    uint32_t id = model.expr(e);
    std::vector<uint8_t> bytes = serialize(model);
    blob.assign(bytes.size() / 8, 0);
    memcpy(blob.data(), bytes.data(), bytes.size());
    EXPECT_STREQ(manifest.open(blob.data(), bytes.size()), nullptr);
    return id;
  }
  ExprError eval(const ManifestExpr &e, std::vector<int64_t> symbols,
                 int64_t &value) {
    return evaluate(manifest, open(e), symbols.data(), value);
  }
  int64_t binary(Opcode op, int64_t a, int64_t b) {
    int64_t value = -999;
    EXPECT_EQ(eval(ManifestExpr::binary(op, ManifestExpr::constant(a),
                                        ManifestExpr::constant(b)),
                   {0, 0}, value),
              ExprError::None);
    return value;
  }
};

TEST_F(Expr, EvaluatesPolynomials) {
  auto e = ManifestExpr::constant(2) * ManifestExpr::symbol(0, "B") *
               ManifestExpr::symbol(1, "T") +
           ManifestExpr::constant(1);
  int64_t value;
  EXPECT_EQ(eval(e, {3, 5}, value), ExprError::None);
  EXPECT_EQ(value, 31);
}

TEST_F(Expr, ConstantsOfAllWidths) {
  for (int bit = 0; bit < 63; ++bit)
    for (int64_t c : {int64_t(1) << bit, -(int64_t(1) << bit), INT64_MAX >> bit,
                      INT64_MIN >> bit})
      EXPECT_EQ(binary(Opcode::Min, c, c), c);
}

TEST_F(Expr, DivisionRoundsAsItSays) {
  for (int64_t a : {7, -7, 6, -6, 0})
    for (int64_t b : {2, -2, 3, -3, 1, -1}) {
      double q = double(a) / double(b);
      EXPECT_EQ(binary(Opcode::FloorDiv, a, b), int64_t(std::floor(q)));
      EXPECT_EQ(binary(Opcode::CeilDiv, a, b), int64_t(std::ceil(q)));
      EXPECT_EQ(binary(Opcode::Mod, a, b), a - b * int64_t(std::floor(q)));
    }
  EXPECT_EQ(binary(Opcode::Min, 3, -4), -4);
  EXPECT_EQ(binary(Opcode::Max, 3, -4), 3);
  EXPECT_EQ(binary(Opcode::Mod, INT64_MIN, -1), 0);
}

TEST_F(Expr, OverflowAndZeroAreErrors) {
  auto large = ManifestExpr::constant(INT64_MAX);
  auto one = ManifestExpr::constant(1), zero = ManifestExpr::constant(0);
  auto least = ManifestExpr::constant(INT64_MIN);
  int64_t v;
  EXPECT_EQ(eval(large + one, {0, 0}, v), ExprError::Overflow);
  EXPECT_EQ(eval(large * large, {0, 0}, v), ExprError::Overflow);
  EXPECT_EQ(eval(least - one, {0, 0}, v), ExprError::Overflow);
  for (Opcode op : {Opcode::FloorDiv, Opcode::CeilDiv, Opcode::Mod})
    EXPECT_EQ(eval(ManifestExpr::binary(op, one, zero), {0, 0}, v),
              ExprError::DivisionByZero);
  EXPECT_EQ(eval(ManifestExpr::binary(Opcode::FloorDiv, least,
                                      ManifestExpr::constant(-1)),
                 {0, 0}, v),
            ExprError::Overflow);
}

TEST_F(Expr, KnowsItsSymbols) {
  uint32_t sole = open(ManifestExpr::symbol(1, "T"));
  uint32_t sum = open(ManifestExpr::symbol(1, "T") + ManifestExpr::constant(1));
  EXPECT_EQ(soleSymbol(manifest, sole), 1u);
  EXPECT_EQ(soleSymbol(manifest, sum), runtime::kNone);
  EXPECT_TRUE(mentions(manifest, sum, 1));
  EXPECT_FALSE(mentions(manifest, sum, 0));
}

TEST_F(Expr, WritesItself) {
  auto b = ManifestExpr::symbol(0, "B"), one = ManifestExpr::constant(1);
  EXPECT_EQ((b + one).text, "B + 1");
  EXPECT_EQ(((b + one) * b).text, "(B + 1)*B");
  EXPECT_EQ(ManifestExpr::binary(Opcode::CeilDiv, b + one, one).text,
            "ceildiv(B + 1, 1)");
}

} // namespace
