//===- ExpandConvolutions.cpp - Convolutions as products of matrices ------===//
//
// A place's window, all its channels and taps, is a row, and the weight
// [O, C / groups, k] a matrix with a row for each channel that comes out:
//
//   %y = mapsto.conv1d %x, %w {stride = 2, ...} : [B, C, T] to [B, O, P]
// becomes
//   %i = 2 * iota over the P places + iota over the k taps
//   %t = mapsto.take (pad %x), %i {axis = 2}               [B, C, P, k]
//   %r = reshape (transpose %t)                            [B P, C k]
//   %m = mapsto.matmul %r, (reshape %w) {transposed}       [B P, O]
//   %y = transpose (reshape %m)
//
// where the window moves by more than one place, or places are few. Where they
// are many and follow each other, they are the columns: the weight by copies of
// x, each moved by a tap's distance, [C k, P].
//
// The adjoint is such a product too, of x's elements with all taps; what they
// give is then added where it belongs.
//
// Groups are a batch of such products. Those of few channels, depthwise ones
// first of all, stay sums: their matrices would be too narrow for a register.
//
// (Chellapilla, Puri and Simard, "High Performance Convolutional Neural
// Networks for Document Processing", 2006.)
//
//===----------------------------------------------------------------------===//

#include "compiler/Passes.h"
#include "compiler/graph/Build.h"

namespace mapsto {

#define GEN_PASS_DEF_EXPANDCONVOLUTIONS
#include "compiler/Passes.h.inc"

using namespace mlir;

namespace {

/// A group's matrix is not narrower, in either direction.
constexpr int64_t kLeastColumns = 8, kLeastDepth = 3;
/// Fewer places than these are not worth being the columns.
constexpr int64_t kFewPlaces = 32;
/// More taps, or blocks of them, are not written one by one.
constexpr int64_t kMostCopies = 16;

/// As many matrices along an axis before them; of one, the matrix alone.
Dims grouped(const Dim &count, Dims matrix) {
  if (count != Dim(1))
    matrix.insert(matrix.begin(), count);
  return matrix;
}

struct Convolution {
  GraphBuilder &b;
  Conv1dOp op;
  Dims x = dimsOf(op.getX()), weight = dimsOf(op.getWeight());
  Dim batch = x[0], places = dimsOf(op.getResult())[2];
  Dim groups = op.getGroups(), taps = weight[2];
  Dim columns = Dim::floorDiv(weight[0], groups), depth = weight[1] * taps;

  bool isWideEnough() {
    return columns.constant().value_or(0) >= kLeastColumns &&
           depth.constant().value_or(0) >= kLeastDepth;
  }

  Value padded() {
    if (!op.getPadLow() && !op.getPadHigh())
      return op.getX();
    auto around = [&](int64_t size) {
      return DimsAttr::get(op.getContext(), {Dim(0), Dim(0), Dim(size)});
    };
    Value zero = b.splat(0, {}, elementTypeOf(op.getX()));
    return b.create<PadOp>(op.getX(), zero, around(op.getPadLow()),
                           around(op.getPadHigh()));
  }

  /// x's elements that meet tap k at place p: [B, C, P, k], or [B, C, k, P].
  Value windows(bool tapsLast) {
    Type type = b.builder.getI64Type();
    Dims dims = tapsLast ? Dims{places, taps} : Dims{taps, places};
    auto counted = [&](int64_t axis, int64_t step) {
      Value i = b.create<IotaOp>(tensorOf(dims, type), axis);
      return b.mul(i, b.splat(step, dims, type));
    };
    Value at = b.add(counted(tapsLast ? 0 : 1, op.getStride()),
                     counted(tapsLast ? 1 : 0, op.getDilation()));
    return b.create<TakeOp>(padded(), at, 2);
  }

  /// The same, [B, C, k, P], a copy for each tap.
  Value shifted() {
    SmallVector<Value> parts;
    Value x = padded();
    for (int64_t k = 0; k < *taps.constant(); ++k)
      parts.push_back(
          b.reshape(b.slice(x, 2, Dim(k * op.getDilation()), places),
                    {batch, this->x[1], 1, places}));
    return parts.size() == 1 ? parts[0] : b.create<ConcatOp>(parts, 2);
  }

  Value transposed(Value v, ArrayRef<int64_t> order) {
    return mapsto::transpose(b.builder, b.loc, v, order);
  }

  /// Places that follow each other in x, and many of them: they are the
  /// columns, as they lie.
  Value placesAsColumns() {
    Value rhs = *taps.constant() <= kMostCopies ? shifted()
                                                : windows(/*tapsLast=*/false);
    auto all = [&](const Dim &rows, const Dim &columns) {
      return grouped(batch, grouped(groups, {rows, columns}));
    };
    Value lhs = b.reshape(op.getWeight(), grouped(groups, {columns, depth}));
    lhs = b.broadcast(lhs, all(columns, depth));
    Value product = b.matmul(lhs, b.reshape(rhs, all(depth, places)), false);
    return b.reshape(product, dimsOf(op.getResult()));
  }

  /// Few places: the channels that come out are the columns.
  Value channelsAsColumns() {
    Value rows = b.reshape(windows(/*tapsLast=*/true),
                           {batch, groups, weight[1], places, taps});
    rows = transposed(rows, {1, 0, 3, 2, 4});
    Value product = b.matmul(
        b.reshape(rows, grouped(groups, {batch * places, depth})),
        b.reshape(op.getWeight(), grouped(groups, {columns, depth})), true);
    if (groups == Dim(1))
      return transposed(b.reshape(product, {batch, places, columns}),
                        {0, 2, 1});
    product = b.reshape(product, {groups, batch, places, columns});
    return b.reshape(transposed(product, {1, 0, 3, 2}), dimsOf(op.getResult()));
  }

  Value write() {
    bool few = places.constant().value_or(kFewPlaces) < kFewPlaces;
    return few || op.getStride() != 1 ? channelsAsColumns() : placesAsColumns();
  }
};

/// The adjoint: each element of x adds a product with the weight's taps
/// [C, O / groups, k] to the k places from its own on. Places are split in
/// blocks as long as the stride: what a tap adds to lies taps / stride blocks
/// ahead.
struct TransposedConvolution {
  GraphBuilder &b;
  ConvTranspose1dOp op;
  Dims x = dimsOf(op.getX()), weight = dimsOf(op.getWeight());
  Dim batch = x[0], length = x[2], groups = op.getGroups();
  Dim depth = Dim::floorDiv(weight[0], groups), columns = weight[1];
  int64_t taps = *weight[2].constant(), stride = op.getStride();
  int64_t blocks = llvm::divideCeil(taps, stride);

  bool isWideEnough() {
    return op.getDilation() == 1 && taps > 0 && blocks <= kMostCopies &&
           (columns * weight[2]).constant().value_or(0) >= kLeastColumns &&
           depth.constant().value_or(0) >= kLeastDepth;
  }

  Value write() {
    Value rows = b.reshape(op.getX(), {batch, groups, depth, length});
    rows = mapsto::transpose(b.builder, b.loc, rows, {1, 0, 3, 2});
    Value product =
        b.matmul(b.reshape(rows, grouped(groups, {batch * length, depth})),
                 b.reshape(op.getWeight(),
                           grouped(groups, {depth, columns * weight[2]})),
                 false);
    product = b.reshape(product, {groups, batch, length, columns, weight[2]});

    // What lies behind the last block is output_padding's.
    int64_t behind =
        op.getOutputPadding() - op.getPadding() - (blocks * stride - taps);
    behind = behind > 0 ? llvm::divideCeil(behind, stride) : 0;
    Value sum;
    for (int64_t j = 0; j < blocks; ++j) {
      int64_t width = std::min(stride, taps - j * stride);
      Value block = padded(b.slice(product, 4, Dim(j * stride), Dim(width)), j,
                           blocks - 1 - j + behind, stride - width);
      sum = sum ? b.add(sum, block) : block;
    }
    sum = mapsto::transpose(b.builder, b.loc, sum, {1, 0, 3, 2, 4});
    Dim all = (length + Dim(blocks - 1 + behind)) * Dim(stride);
    Dims result = dimsOf(op.getResult());
    return b.slice(b.reshape(sum, {batch, result[1], all}), 2,
                   Dim(op.getPadding()), result[2]);
  }

  /// [groups, B, T, O, s] with zeros before and after T and after s.
  Value padded(Value v, int64_t before, int64_t after, int64_t right) {
    if (!before && !after && !right)
      return v;
    auto around = [&](int64_t time, int64_t last) {
      return DimsAttr::get(op.getContext(),
                           {Dim(0), Dim(0), Dim(time), Dim(0), Dim(last)});
    };
    return b.create<PadOp>(v, b.splat(0, {}, elementTypeOf(v)),
                           around(before, 0), around(after, right));
  }
};

struct ExpandConvolutions
    : public impl::ExpandConvolutionsBase<ExpandConvolutions> {
  void runOnOperation() override {
    getOperation().walk([](Conv1dOp op) { expand<Convolution>(op); });
    getOperation().walk(
        [](ConvTranspose1dOp op) { expand<TransposedConvolution>(op); });
  }

  template <typename Expansion, typename Op> static void expand(Op op) {
    OpBuilder builder(op);
    GraphBuilder b(builder, op.getLoc());
    Expansion expansion{b, op};
    if (!expansion.isWideEnough())
      return;
    op.replaceAllUsesWith(expansion.write());
    op.erase();
  }
};

} // namespace
} // namespace mapsto
