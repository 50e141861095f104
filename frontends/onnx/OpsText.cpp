//===- OpsText.cpp - Counts of n-grams
//-------------------------------------===//

#include "frontends/onnx/Formula.h"
#include "frontends/onnx/Ops.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

/// The n-grams of one length: each one's elements, and its place in the result.
struct Grams {
  int64_t length = 1;
  SmallVector<SmallVector<int64_t>> grams;
  SmallVector<int64_t> places;
};

/// The pool, by length. It has all n-grams of one element, then those of two,
/// ...; `ngram_counts` says where each length begins.
FailureOr<SmallVector<Grams>> readPool(Node &n) {
  if (n.hasAttribute("pool_strings"))
    return n.fail("n-grams of strings are not supported",
                  "number the words before the model");
  SmallVector<int64_t> pool = n.attrInts("pool_int64s"),
                       starts = n.attrInts("ngram_counts"),
                       places = n.attrInts("ngram_indexes");
  SmallVector<Grams> all;
  size_t next = 0;
  for (size_t i = 0; i < starts.size(); ++i) {
    Grams one;
    one.length = int64_t(i) + 1;
    int64_t end = i + 1 < starts.size() ? starts[i + 1] : int64_t(pool.size());
    if (starts[i] < 0 || end < starts[i] || end > int64_t(pool.size()) ||
        (end - starts[i]) % one.length != 0)
      return n.fail("its `ngram_counts` do not divide its pool");
    for (int64_t at = starts[i]; at < end; at += one.length) {
      if (next >= places.size() || places[next] < 0 || places[next] > (1 << 24))
        return n.fail("its `ngram_indexes` are not one for each n-gram");
      one.grams.emplace_back(
          ArrayRef(pool).slice(size_t(at), size_t(one.length)));
      one.places.push_back(places[next++]);
    }
    all.push_back(std::move(one));
  }
  return all;
}

/// How often each n-gram is in each row of x [B, C], its elements `step` apart:
/// [B, n-grams]. Null where no row has room for one.
mlir::Value countGrams(Node &n, mlir::Value x, const Grams &grams,
                       int64_t step) {
  Dims dims = dimsOf(x);
  Dim starts = dims[1] - Dim((grams.length - 1) * step);
  if (starts.constant().value_or(1) < 1)
    return {};
  Dims all{dims[0], starts, int64_t(grams.grams.size())};
  std::optional<Term> hit;
  for (int64_t i = 0; i < grams.length; ++i) {
    mlir::Value items = slice(n.b, n.loc, x, 1, i * step, starts);
    items = reshape(n.b, n.loc, items, Dims{dims[0], starts, 1});
    SmallVector<int64_t> wanted;
    for (const auto &gram : grams.grams)
      wanted.push_back(gram[size_t(i)]);
    Term equal = Term(n, broadcastTo(n.b, n.loc, items, all)) ==
                 Term(n, broadcastTo(n.b, n.loc, list(n, wanted), all));
    hit = hit ? *hit & equal : equal;
  }
  return mapsto::reduce(n.b, n.loc, ReduceKind::sum,
                        cast(n.b, n.loc, hit->v, n.b.getF32Type()), {1});
}

/// The counts of all n-grams at their places, `size` of them: [B, size].
FailureOr<mlir::Value> countAll(Node &n, mlir::Value x, ArrayRef<Grams> pool,
                                int64_t size) {
  int64_t shortest = n.attr("min_gram_length", 1),
          longest = n.attr("max_gram_length", 1),
          skips = n.attr("max_skip_count", 0);
  if (shortest < 1 || longest < shortest || skips < 0 || skips > 1024)
    return n.fail("n-grams of " + Twine(shortest) + " to " + Twine(longest) +
                  " elements with up to " + Twine(skips) +
                  " between them are none");
  Type f32 = n.b.getF32Type();
  Dim rows = dimsOf(x)[0];
  // Behind the counts, the zero of places that no n-gram has.
  SmallVector<mlir::Value> counts;
  SmallVector<int64_t> from(size_t(size), -1);
  int64_t counted = 0;
  for (const Grams &grams : pool) {
    if (grams.length < shortest || grams.length > longest ||
        grams.grams.empty())
      continue;
    std::optional<Term> sum;
    int64_t steps = grams.length == 1 ? 1 : skips + 1;
    for (int64_t step = 1; step <= steps; ++step)
      if (mlir::Value some = countGrams(n, x, grams, step))
        sum = sum ? *sum + Term(n, some) : Term(n, some);
    if (!sum)
      continue;
    counts.push_back(sum->v);
    for (int64_t place : grams.places)
      from[size_t(place)] = counted++;
  }
  counts.push_back(splat(n.b, n.loc, 0, tensorOf(Dims{rows, 1}, f32)));
  for (int64_t &place : from)
    place = place < 0 ? counted : place;
  mlir::Value all = counts.size() == 1
                        ? counts[0]
                        : mlir::Value(ConcatOp::create(n.b, n.loc, counts, 1));
  return mlir::Value(TakeOp::create(n.b, n.loc, all, list(n, from), 1));
}

/// https://onnx.ai/onnx/operators/onnx__TfIdfVectorizer.html
LogicalResult tfIdfVectorizer(Node &n) {
  std::string mode = n.attrString("mode");
  FailureOr<SmallVector<Grams>> pool = readPool(n);
  if (failed(pool))
    return failure();
  Dims dims = n.dims(0);
  if (dims.size() > 2 || !isa<IntegerType>(n.type(0)))
    return n.fail("its input is " + str(dims) +
                  ", and must be one row of whole numbers, or some");
  int64_t size = 0;
  for (const Grams &grams : *pool)
    for (int64_t place : grams.places)
      size = std::max(size, place + 1);
  Dim rows = dims.size() == 2 ? dims[0] : Dim(1);
  mlir::Value x = cast(n.b, n.loc, n.in(0), n.b.getI64Type());
  x = reshape(n.b, n.loc, x, Dims{rows, dims.empty() ? Dim(1) : dims.back()});
  FailureOr<mlir::Value> counts = countAll(n, x, *pool, size);
  if (failed(counts))
    return failure();
  Term y(n, *counts);
  std::optional<Term> weights;
  if (n.hasAttribute("weights")) {
    SmallVector<double> given = n.attrFloats("weights");
    SmallVector<float> numbers(size_t(size), 0);
    size_t next = 0;
    for (const Grams &grams : *pool)
      for (int64_t place : grams.places)
        if (next < given.size())
          numbers[size_t(place)] = float(given[next++]);
    if (next != n.attrInts("ngram_indexes").size() || next != given.size())
      return n.fail("its `weights` are not one for each n-gram");
    mlir::Value each = ConstantOp::create(
        n.b, n.loc,
        DenseElementsAttr::get(RankedTensorType::get({size}, n.b.getF32Type()),
                               ArrayRef(numbers)));
    weights = Term(n, broadcastTo(n.b, n.loc, each, dimsOf(y.v)));
  }
  if (mode == "IDF")
    y = select(y > 0, weights ? *weights : y(1), 0);
  else if (mode == "TFIDF")
    y = weights ? y * *weights : y;
  else if (mode != "TF")
    return n.fail("`mode` is " + Twine(mode) +
                  ", and must be TF, IDF or TFIDF");
  Dims to{Dim(size)};
  if (dims.size() == 2)
    to.insert(to.begin(), rows);
  return n.result(reshape(n.b, n.loc, y.v, to));
}

} // namespace

void addTextOps(OpTable &table) { table["TfIdfVectorizer"] = tfIdfVectorizer; }

} // namespace mapsto::onnx
