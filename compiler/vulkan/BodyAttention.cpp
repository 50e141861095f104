//===- BodyAttention.cpp - Attention within a recurrence ------------------===//
//
//   for each query
//     s[key] = score, modified and masked       (the invocations share the
//     keys) p[key] = weight of s[key] barrier context[column] = sum over keys p
//     v       (they share the columns)
//
// A step of a recurrence has few queries, and one workgroup for all of them: no
// tiles, and a row of scores lies in the workgroup's memory.
//
//===----------------------------------------------------------------------===//

#include "compiler/vulkan/BodyAttention.h"

#include "compiler/KernelAttributes.h"
#include "compiler/kernel/AttentionPairs.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;

namespace mapsto {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

class BodyAttention : AttentionPairs {
public:
  /// Every head of queries is one of its own.
  BodyAttention(KernelEmitter &e, AttentionOp op, ArrayRef<Buffer> results)
      : AttentionPairs(e, op, results,
                       AttentionRows(op, std::numeric_limits<int64_t>::max())) {
  }

  void emit(Value begin, Value end) {
    scores = e.allocateForWorkgroup({keys}, type, "scores");
    Dims items = heads.heads;
    items.push_back(heads.rows);
    rows = e.idx(1);
    e.loop(begin, end, 1, [&](Value item) {
      batch = e.delinearize(e.uniform(item), items);
      firstRow = batch.pop_back_val().value;
      valueBatch = groupedBatch(op.getValue());
      place = placeOf(e.uniform(0));
      range = visibleKeys();
      emitRow();
      e.barrier(); // the row's weights have been read
    });
  }

private:
  Buffer scores; ///< of the row at hand, then its weights
  Indices place;
  Range range;

  Value equal(Value l, Value r) {
    return arith::CmpFOp::create(e.b, arith::CmpFPredicate::OEQ, l, r);
  }
  Value greater(Value l, Value r) {
    return arith::CmpFOp::create(e.b, arith::CmpFPredicate::OGT, l, r);
  }
  Value minus(Value l, Value r) { return arith::SubFOp::create(e.b, l, r); }
  Value select(Value condition, Value yes, Value no) {
    return arith::SelectOp::create(e.b, condition, yes, no);
  }

  /// The invocations share the keys, and combine what each carries.
  Value reduce(ReduceKind kind, Value init,
               function_ref<Value(Index key, Value carried)> body) {
    Value own = e.laneLoop(e.sub(range.end, range.begin), init,
                           [&](Index j, ValueRange carried) {
                             Index key = e.addIndex(j, e.uniform(range.begin));
                             return SmallVector<Value>{body(key, carried[0])};
                           })[0];
    return e.combineLanes(kind, own);
  }
  void eachKey(function_ref<void(Index)> body) {
    e.laneLoop(e.sub(range.end, range.begin),
               [&](Index j) { body(e.addIndex(j, e.uniform(range.begin))); });
  }
  Value sumOfScores(function_ref<Value(Value)> map) {
    return reduce(ReduceKind::sum, number(0), [&](Index key, Value sofar) {
      return e.combine(ReduceKind::sum, sofar, map(e.load(scores, {key})));
    });
  }

  void emitRow() {
    Value top =
        reduce(ReduceKind::max, number(-kInfinity), [&](Index key, Value most) {
          Value s = finishedScore(key);
          e.store(s, scores, {key});
          return e.extreme(ReduceKind::max, s, most);
        });
    switch (normalizer) {
    case Normalizer::softmax:
      softmax(top);
      break;
    case Normalizer::sigmoid:
      weigh([&](Index, Value s) { return sigmoid(s); });
      break;
    case Normalizer::sparsemax:
      sparsemax(top);
      break;
    case Normalizer::hard:
      return hard(top);
    }
    e.barrier();
    e.laneLoop(features, [&](Index column) {
      Value o = e.loop(range.begin, range.end, 1, number(0),
                       [&](Value j, ValueRange carried) {
                         Index key = e.uniform(j);
                         Value p = e.load(scores, {key});
                         return SmallVector<Value>{
                             e.fma(p, valueAt(key, column), carried[0])};
                       })[0];
      e.store(o, context, with(place, column));
    });
  }

  Value valueAt(Index key, Index column) {
    return e.convert(e.element(op.getValue(), with(valueBatch, key, column)),
                     type);
  }

  //===--------------------------------------------------------------------===//
  // Scores
  //===--------------------------------------------------------------------===//

  Value finishedScore(Index key) {
    Value s = dotScore ? dot(key) : regionScore(key);
    if (!op.getModify().empty())
      s = modified(s, place, key);
    if (!op.getMask().empty())
      s = select(isKept(place, key), s, number(-kInfinity));
    return s;
  }

  Value dot(Index key) {
    Value query = op.getQueries().front(), of = op.getKeys().front();
    Indices keyBatch = groupedBatch(of);
    Value sum =
        e.loop(e.idx(0), e.dim(queryDims.back()), 1, number(0),
               [&](Value d, ValueRange carried) {
                 Index at = e.uniform(d);
                 Value q = e.convert(e.element(query, with(place, at)), type);
                 Value k =
                     e.convert(e.element(of, with(keyBatch, key, at)), type);
                 return SmallVector<Value>{e.fma(q, k, carried[0])};
               })[0];
    double scale = op.getScale().convertToDouble();
    return arith::MulFOp::create(
        e.b, sum, number(inBits ? scale * llvm::numbers::log2e : scale));
  }

  Value regionScore(Index key) {
    Block &region = op.getScore().front();
    size_t next = 0;
    auto give = [&](Value operand, Indices at) {
      e.given[region.getArgument(next++)] = [this, operand,
                                             at](ArrayRef<Index> u) {
        return e.element(operand, with(at, u[0]));
      };
    };
    for (Value query : op.getQueries())
      give(query, place);
    for (Value operand : op.getKeys())
      give(operand, with(groupedBatch(operand), key));
    return e.convert(regionValue(region), type);
  }

  //===--------------------------------------------------------------------===//
  // Normalizers
  //===--------------------------------------------------------------------===//

  /// Scores to weights, which are written where they are asked for.
  void weigh(function_ref<Value(Index, Value)> weight) {
    eachKey([&](Index key) {
      Value p = weight(key, e.load(scores, {key}));
      e.store(p, scores, {key});
      if (weights)
        e.store(p, *weights, with(place, key));
    });
  }

  /// What scores are taken from: their maximum, or 0 where there is none.
  Value referenceOf(Value top) {
    return select(equal(top, number(-kInfinity)), number(0), top);
  }

  void softmax(Value top) {
    Value reference = referenceOf(top);
    auto exponential = [&](Value s) {
      Value x = minus(s, reference);
      Value v = inBits ? math::Exp2Op::create(e.b, x).getResult()
                       : math::ExpOp::create(e.b, x).getResult();
      v.getDefiningOp()->setAttr(kOfSoftmaxAttr, e.b.getUnitAttr());
      return v;
    };
    Value total = sumOfScores(exponential);
    Value factor = arith::DivFOp::create(e.b, number(1), total);
    factor = select(equal(total, number(0)), number(0), factor);
    weigh([&](Index, Value s) {
      return arith::MulFOp::create(e.b, exponential(s), factor).getResult();
    });
    if (logSumExp)
      e.store(e.fma(top, number(inBits ? llvm::numbers::ln2 : 1),
                    math::LogOp::create(e.b, total)),
              *logSumExp, place);
  }

  Value sigmoid(Value s) {
    Value exp = math::ExpOp::create(e.b, arith::NegFOp::create(e.b, s));
    return arith::DivFOp::create(e.b, number(1),
                                 arith::AddFOp::create(e.b, number(1), exp));
  }

  /// tau with sum of max(s - tau, 0) = 1: no weight is above 1, so it is not
  /// below the maximum less 1. From there it is raised to what the scores above
  /// it say, until there are no fewer of them.
  void sparsemax(Value top) {
    auto raised = [&](Value tau, Value before) -> SmallVector<Value> {
      auto above = [&](function_ref<Value(Value)> map) {
        return sumOfScores([&](Value s) {
          return select(greater(s, tau), map(s), number(0));
        });
      };
      Value mass = above([&](Value s) { return minus(s, tau); });
      Value count = above([&](Value) { return number(1); });
      Value fewer = arith::AndIOp::create(e.b, greater(before, count),
                                          greater(count, number(0)));
      Value rest = minus(mass, number(1));
      Value next = arith::AddFOp::create(
          e.b, tau, arith::DivFOp::create(e.b, rest, count));
      return {select(fewer, next, tau), count, fewer};
    };
    SmallVector<Value> first{minus(referenceOf(top), number(1)),
                             number(kInfinity), e.constant(e.b.getI1Type(), 1)};
    // As many steps as there are scores are enough; a few usually are.
    Value tau = e.loop(e.idx(-1), e.dim(keys), 1, first,
                       [&](Value, ValueRange carried) {
                         return e.branch(
                             carried[2], TypeRange(carried),
                             [&] { return raised(carried[0], carried[1]); },
                             [&] { return SmallVector<Value>(carried); });
                       })[0];
    weigh([&](Index, Value s) -> Value {
      return arith::MaximumFOp::create(e.b, minus(s, tau), number(0));
    });
  }

  /// The value of the first key of the highest score.
  void hard(Value top) {
    Type i32 = e.b.getI32Type();
    Value none = e.toInteger(e.uniform(e.dim(keys)), i32);
    Value some = greater(top, number(-kInfinity));
    Value best = reduce(ReduceKind::min, none, [&](Index key, Value least) {
      Value hit =
          arith::AndIOp::create(e.b, equal(e.load(scores, {key}), top), some);
      return e.combine(ReduceKind::min, least,
                       select(hit, e.toInteger(key, i32), none));
    });
    weigh([&](Index key, Value) {
      Value isBest = arith::CmpIOp::create(e.b, arith::CmpIPredicate::eq,
                                           e.toInteger(key, i32), best);
      return select(isBest, number(1), number(0));
    });
    Index key = e.fromInteger(best, /*varies=*/false);
    e.laneLoop(features, [&](Index column) {
      Value o = e.branch(
          some, type, [&] { return SmallVector<Value>{valueAt(key, column)}; },
          [&] { return SmallVector<Value>{number(0)}; })[0];
      e.store(o, context, with(place, column));
    });
  }
};

} // namespace

Dim queriesOfBody(AttentionOp op) {
  return numElements(ArrayRef(dimsOf(op.getQueries().front())).drop_back());
}

void emitBodyAttention(KernelEmitter &e, AttentionOp op,
                       ArrayRef<Buffer> results, Value begin, Value end) {
  BodyAttention(e, op, results).emit(begin, end);
}

} // namespace mapsto
