//===- Reductions.cpp - Rules: axes combined ------------------------------===//

#include "dialect/interpreter/Rules.h"

#include <cmath>
#include <numeric>

using namespace mlir;

namespace mapsto {

//===----------------------------------------------------------------------===//
// How two elements combine
//===----------------------------------------------------------------------===//

double combine(ReduceKind kind, double a, double b) {
  switch (kind) {
  case ReduceKind::sum:
    return a + b;
  case ReduceKind::prod:
    return a * b;
  case ReduceKind::max:
    return std::isnan(a) || std::isnan(b) ? NAN : std::fmax(a, b);
  case ReduceKind::min:
    return std::isnan(a) || std::isnan(b) ? NAN : std::fmin(a, b);
  case ReduceKind::any:
    return a != 0 || b != 0;
  case ReduceKind::all:
    return a != 0 && b != 0;
  }
  return a;
}

int64_t combine(ReduceKind kind, int64_t a, int64_t b) {
  switch (kind) {
  case ReduceKind::sum:
    return static_cast<int64_t>(static_cast<uint64_t>(a) +
                                static_cast<uint64_t>(b));
  case ReduceKind::prod:
    return static_cast<int64_t>(static_cast<uint64_t>(a) *
                                static_cast<uint64_t>(b));
  case ReduceKind::max:
    return std::max(a, b);
  case ReduceKind::min:
    return std::min(a, b);
  case ReduceKind::any:
    return a || b;
  case ReduceKind::all:
    return a && b;
  }
  return a;
}

double initialFloat(ReduceKind kind) {
  switch (kind) {
  case ReduceKind::max:
    return -INFINITY;
  case ReduceKind::min:
    return INFINITY;
  case ReduceKind::prod:
  case ReduceKind::all:
    return 1;
  case ReduceKind::sum:
  case ReduceKind::any:
    break;
  }
  return 0;
}

int64_t initialInteger(ReduceKind kind, Type elementType) {
  unsigned width = elementType.getIntOrFloatBitWidth();
  switch (kind) {
  case ReduceKind::max:
    return llvm::minIntN(width);
  case ReduceKind::min:
    return llvm::maxIntN(width);
  case ReduceKind::prod:
  case ReduceKind::all:
    return 1;
  case ReduceKind::sum:
  case ReduceKind::any:
    break;
  }
  return 0;
}

//===----------------------------------------------------------------------===//
// Rules
//===----------------------------------------------------------------------===//

static LogicalResult reduce(ReduceOp op, Call &call) {
  const Tensor &x = call.in(0);
  Tensor &result = call.out();
  ReduceKind kind = op.getKind();
  result.f.assign(result.f.size(), initialFloat(kind));
  result.i.assign(result.i.size(), initialInteger(kind, x.elementType));

  // The result's position moves along the axes that stay.
  Shape own = stridesOf(result.shape), strides;
  size_t kept = 0;
  for (int64_t axis = 0; axis != x.rank(); ++axis)
    strides.push_back(llvm::is_contained(op.getAxes(), axis) ? 0 : own[kept++]);
  size_t from = 0;
  forEachPosition(x.shape, strides, 0, [&](int64_t to) {
    if (x.isFloat())
      result.f[to] = combine(kind, result.f[to], x.f[from++]);
    else
      result.i[to] = combine(kind, result.i[to], x.i[from++]);
  });
  return success();
}

// Whether element a takes the place of the best so far; NaN does, once.
static bool isBetter(bool largest, double a, double best) {
  if (std::isnan(a) || std::isnan(best))
    return std::isnan(a) && !std::isnan(best);
  return largest ? a > best : a < best;
}
static bool isBetter(bool largest, int64_t a, int64_t best) {
  return largest ? a > best : a < best;
}

static LogicalResult argReduce(ArgReduceOp op, Call &call) {
  const Tensor &x = call.in(0);
  AxisView view(x.shape, op.getAxis());
  if (view.length == 0 && call.out().size() != 0)
    return call.fail("there is no largest or smallest of no elements");
  bool largest = op.getKind() == ReduceKind::max;
  withElements(x, [&](const auto &elements) {
    for (int64_t o = 0; o != view.outer; ++o)
      for (int64_t i = 0; i != view.inner; ++i) {
        int64_t best = 0;
        for (int64_t a = 1; a < view.length; ++a)
          if (isBetter(largest, elements[view.at(o, a, i)],
                       elements[view.at(o, best, i)]))
            best = a;
        if (view.length)
          call.out().i[o * view.inner + i] = best;
      }
  });
  return success();
}

static LogicalResult softmax(SoftmaxOp op, Call &call) {
  const Tensor &x = call.in(0);
  Tensor &result = call.out();
  AxisView view(x.shape, op.getAxis());
  for (int64_t o = 0; o != view.outer; ++o)
    for (int64_t i = 0; i != view.inner; ++i) {
      double largest = -INFINITY, sum = 0;
      for (int64_t a = 0; a != view.length; ++a)
        largest = std::fmax(largest, x.f[view.at(o, a, i)]);
      for (int64_t a = 0; a != view.length; ++a)
        sum += result.f[view.at(o, a, i)] =
            std::exp(x.f[view.at(o, a, i)] - largest);
      for (int64_t a = 0; a != view.length; ++a)
        result.f[view.at(o, a, i)] /= sum;
    }
  return success();
}

static LogicalResult cumulative(CumulativeOp op, Call &call) {
  const Tensor &x = call.in(0);
  Tensor &result = call.out();
  AxisView view(x.shape, op.getAxis());
  ReduceKind kind = op.getKind();
  auto walk = [&](const auto &from, auto &to, auto initial) {
    for (int64_t o = 0; o != view.outer; ++o)
      for (int64_t i = 0; i != view.inner; ++i) {
        auto running = initial;
        for (int64_t n = 0; n != view.length; ++n) {
          int64_t at = view.at(o, op.getReverse() ? view.length - 1 - n : n, i);
          auto before = running;
          running = combine(kind, running, from[at]);
          to[at] = op.getExclusive() ? before : running;
        }
      }
  };
  if (x.isFloat())
    walk(x.f, result.f, initialFloat(kind));
  else
    walk(x.i, result.i, initialInteger(kind, x.elementType));
  return success();
}

static LogicalResult topk(TopKOp op, Call &call) {
  const Tensor &x = call.in(0);
  int64_t length = x.shape.back(), k = op.getK();
  if (k > length)
    return call.fail("the " + Twine(k) + " best of " + Twine(length) +
                     " elements");
  int64_t rows = length ? x.size() / length : 0;
  withElements(x, [&](const auto &elements) {
    for (int64_t row = 0; row != rows; ++row) {
      std::vector<int64_t> order(length);
      std::iota(order.begin(), order.end(), 0);
      llvm::sort(order, [&](int64_t a, int64_t b) {
        auto left = elements[row * length + a];
        auto right = elements[row * length + b];
        if (isBetter(!op.getSmallest(), left, right))
          return true;
        return !isBetter(!op.getSmallest(), right, left) && a < b;
      });
      for (int64_t n = 0; n != k; ++n) {
        call.out(1).i[row * k + n] = order[n];
        withElements(call.out(0), [&](auto &best) {
          best[row * k + n] = elements[row * length + order[n]];
        });
      }
    }
  });
  return success();
}

void addReductionRules(RuleTable &rules) {
  addRule<ReduceOp>(rules, reduce);
  addRule<ArgReduceOp>(rules, argReduce);
  addRule<SoftmaxOp>(rules, softmax);
  addRule<CumulativeOp>(rules, cumulative);
  addRule<TopKOp>(rules, topk);
}

} // namespace mapsto
