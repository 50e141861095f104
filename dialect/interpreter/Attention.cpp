//===- Attention.cpp - Rule: attention ------------------------------------===//
//
// One query at a time: score it against every key, mask, normalize, and sum
// the values. Nothing is hoisted and nothing is online: this is the meaning,
// not the method.
//
//===----------------------------------------------------------------------===//

#include "dialect/interpreter/Rules.h"

#include <cmath>
#include <numeric>

using namespace mlir;

namespace mapsto {

//===----------------------------------------------------------------------===//
// Normalizers: scores of the keys that are left to weights, in place
//===----------------------------------------------------------------------===//

// Scores of pairs that the mask removed are -inf.
static void softmaxOf(std::vector<double> &scores, double &logSumExp) {
  double largest = -INFINITY, sum = 0;
  for (double score : scores)
    largest = combine(ReduceKind::max, largest, score);
  logSumExp = -INFINITY;
  if (largest == -INFINITY) { // no key left
    scores.assign(scores.size(), 0);
    return;
  }
  for (double &score : scores)
    sum += score = std::exp(score - largest);
  for (double &score : scores)
    score /= sum;
  logSumExp = largest + std::log(sum);
}

static void hardOf(std::vector<double> &scores) {
  auto best = llvm::max_element(scores);
  bool noKey = best == scores.end() || *best == -INFINITY;
  size_t winner = best - scores.begin();
  scores.assign(scores.size(), 0);
  if (!noKey)
    scores[winner] = 1;
}

// Projection onto the simplex (Martins and Astudillo, 2016, algorithm 1).
static void sparsemaxOf(std::vector<double> &scores) {
  std::vector<double> sorted;
  for (double score : scores)
    if (score != -INFINITY)
      sorted.push_back(score);
  llvm::sort(sorted, std::greater<double>());
  double sum = 0, threshold = 0;
  for (auto [n, score] : llvm::enumerate(sorted)) {
    sum += score;
    if (1 + (n + 1) * score > sum)
      threshold = (sum - 1) / (n + 1);
  }
  for (double &score : scores)
    score = std::fmax(score - threshold, 0);
}

static void sigmoidOf(std::vector<double> &scores) {
  for (double &score : scores)
    score = 1 / (1 + std::exp(-score));
}

//===----------------------------------------------------------------------===//
// The score of a pair
//===----------------------------------------------------------------------===//

namespace {
class Scorer {
public:
  Scorer(AttentionOp op, Call &call) : op(op), call(call) {
    size_t queries = op.getQueries().size(), keys = op.getKeys().size();
    ArrayRef<const Tensor *> operands(call.operands);
    sides[0] = operands.take_front(queries);
    sides[1] = operands.slice(queries, keys);
    for (const Tensor *side : operands.take_front(queries + keys))
      rows.emplace_back(side->elementType, Shape{side->shape.back()});
    Type index = IntegerType::get(op.getContext(), 64);
    indices.assign(sides[0][0]->rank(), Tensor(index, {}));
    if (!op.getModify().empty())
      score = Tensor(elementTypeOf(op.getModify().getArgument(0)), {});
  }

  /// The score of query row and key row; -inf if the pair is masked. `index` is
  /// (batch..., i, j).
  FailureOr<double> operator()(int64_t queryRow, int64_t keyRow,
                               ArrayRef<int64_t> index) {
    for (auto [tensor, value] : llvm::zip_equal(indices, index))
      tensor.i[0] = value;
    if (!op.getMask().empty()) {
      auto kept = call.run.runRegion(op.getMask(), pointersTo(indices));
      if (failed(kept))
        return failure();
      if (!(*kept)[0].i[0])
        return -INFINITY;
    }
    FailureOr<double> value = op.getScore().empty()
                                  ? dotProduct(queryRow, keyRow)
                                  : scoreRegion(queryRow, keyRow);
    if (failed(value) || op.getModify().empty())
      return value;
    score.f[0] = *value;
    SmallVector<const Tensor *> arguments{&score};
    llvm::append_range(arguments, pointersTo(indices));
    return numberFrom(call.run.runRegion(op.getModify(), arguments));
  }

private:
  static SmallVector<const Tensor *>
  pointersTo(const std::vector<Tensor> &tensors) {
    SmallVector<const Tensor *> pointers;
    for (const Tensor &tensor : tensors)
      pointers.push_back(&tensor);
    return pointers;
  }

  static FailureOr<double>
  numberFrom(const FailureOr<std::vector<Tensor>> &results) {
    if (failed(results))
      return failure();
    return (*results)[0].f[0];
  }

  double dotProduct(int64_t queryRow, int64_t keyRow) {
    int64_t depth = sides[0][0]->shape.back();
    const double *q = sides[0][0]->f.data() + queryRow * depth;
    const double *k = sides[1][0]->f.data() + keyRow * depth;
    return std::inner_product(q, q + depth, k, 0.0) *
           op.getScale().convertToDouble();
  }

  FailureOr<double> scoreRegion(int64_t queryRow, int64_t keyRow) {
    size_t next = 0;
    for (int side : {0, 1})
      for (const Tensor *feature : sides[side]) {
        Tensor &row = rows[next++];
        int64_t depth = row.shape[0], at = side ? keyRow : queryRow;
        if (row.isFloat())
          row.f.assign(feature->f.begin() + at * depth,
                       feature->f.begin() + (at + 1) * depth);
        else
          row.i.assign(feature->i.begin() + at * depth,
                       feature->i.begin() + (at + 1) * depth);
      }
    return numberFrom(call.run.runRegion(op.getScore(), pointersTo(rows)));
  }

  AttentionOp op;
  Call &call;
  ArrayRef<const Tensor *> sides[2]; // queries, keys
  std::vector<Tensor> rows;          // one of each feature
  std::vector<Tensor> indices;
  Tensor score;
};
} // namespace

//===----------------------------------------------------------------------===//
// Rule
//===----------------------------------------------------------------------===//

static LogicalResult attention(AttentionOp op, Call &call) {
  const Tensor &query = call.in(0);
  const Tensor &key = call.in(op.getQueries().size());
  const Tensor &value = *call.operands.back();
  ArrayRef<int64_t> shape = query.shape;
  ArrayRef<int64_t> batchShape = shape.drop_back(2);
  int64_t L = shape[shape.size() - 2], S = key.shape[key.rank() - 2];
  int64_t width = value.shape.back();
  // Grouped queries: so many query heads in a row share one key head.
  int64_t group = 1;
  if (!batchShape.empty()) {
    int64_t keyHeads = key.shape[key.rank() - 3];
    if (batchShape.back() == 0)
      return success();
    if (keyHeads == 0 || batchShape.back() % keyHeads != 0)
      return call.fail(Twine(batchShape.back()) + " query heads cannot share " +
                       Twine(keyHeads) + " key heads");
    group = batchShape.back() / keyHeads;
  }

  Tensor *output = &call.out(0), *weights = nullptr, *logSumExp = nullptr;
  unsigned next = 1;
  if (op.getWeights())
    weights = &call.out(next++);
  if (op.getLogSumExp())
    logSumExp = &call.out(next++);

  Scorer scoreOf(op, call);
  Shape index(shape.size(), 0); // batch..., i, j
  for (int64_t batch = 0, e = countOf(batchShape); batch != e; ++batch) {
    int64_t rest = batch;
    for (size_t axis = batchShape.size(); axis-- > 0;) {
      index[axis] = rest % batchShape[axis];
      rest /= batchShape[axis];
    }
    int64_t keyBatch = batch / group;
    for (int64_t i = 0; i != L; ++i) {
      index[shape.size() - 2] = i;
      std::vector<double> scores(S);
      for (int64_t j = 0; j != S; ++j) {
        index[shape.size() - 1] = j;
        FailureOr<double> score =
            scoreOf(batch * L + i, keyBatch * S + j, index);
        if (failed(score))
          return failure();
        scores[j] = *score;
      }

      double rowLogSumExp = 0;
      switch (op.getNormalizer()) {
      case Normalizer::softmax:
        softmaxOf(scores, rowLogSumExp);
        break;
      case Normalizer::hard:
        hardOf(scores);
        break;
      case Normalizer::sparsemax:
        sparsemaxOf(scores);
        break;
      case Normalizer::sigmoid:
        sigmoidOf(scores);
        break;
      }

      int64_t row = batch * L + i;
      for (int64_t j = 0; j != S; ++j) {
        // What has no weight has no say, not even if its value is not finite.
        if (scores[j] == 0)
          continue;
        for (int64_t d = 0; d != width; ++d)
          output->f[row * width + d] +=
              scores[j] * value.f[(keyBatch * S + j) * width + d];
      }
      if (weights)
        llvm::copy(scores, weights->f.begin() + row * S);
      if (logSumExp)
        logSumExp->f[row] = rowLogSumExp;
    }
  }
  return success();
}

void addAttentionRules(RuleTable &rules) {
  addRule<AttentionOp>(rules, attention);
}

} // namespace mapsto
