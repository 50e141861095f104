//===- EmitAttention.cpp - Attention as one kernel ------------------------===//
//
// One grid item is a block of queries of one head. Keys and values stream past
// in blocks; per block:
//
//   raw scores     S = Q Kᵀ on register tiles (or the score region, pair by
//                  pair, lanes over keys)
//   finish         modify and mask; masked pairs become -inf
//   online softmax m' = max(m, rowmax S), P = exp(S - m'), l' = l e^(m-m') + ΣP
//   accumulate     O = O e^(m-m') + P V
//
// and at the end O / l. Nothing of size L x S exists but the weights, if they
// are asked for. (Milakov and Gimelshein, arXiv:1805.02867; Dao et al.,
// arXiv:2205.14135.) Blocks of keys that a causal or windowed mask removes
// altogether are not visited.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernel/GroupEmitter.h"
#include "compiler/kernel/MaskBounds.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace mlir;

namespace mapsto {

namespace {

/// Queries and keys of a block: the scores (96 x 256 f32 = 96 KB) stay in L2,
/// a panel of keys in L1. So many queries share the packing of the keys that it
/// costs 2 % of what is done with them.
constexpr int64_t kQueryBlock = 96;
constexpr int64_t kKeyBlock = 256;

Dim queryBlocks(const Dim &queries) {
  return Dim::ceilDiv(queries, Dim(kQueryBlock));
}

constexpr double kInfinity = std::numeric_limits<double>::infinity();

class AttentionEmitter {
public:
  AttentionEmitter(KernelEmitter &e, AttentionOp op, ArrayRef<Buffer> results)
      : e(e), op(op), normalizer(op.getNormalizer()) {
    Value query = op.getQueries().front();
    type = KernelEmitter::accumulatorType(elementTypeOf(query));
    queryDims = dimsOf(query);
    valueDims = dimsOf(op.getValue());
    batchDims = Dims(ArrayRef(queryDims).drop_back(2));
    queries = queryDims[queryDims.size() - 2];
    keys = valueDims[valueDims.size() - 2];
    features = valueDims.back();
    context = results[0];
    results = results.drop_front();
    if (op.getWeights()) {
      weights = results.front();
      results = results.drop_front();
    }
    if (op.getLogSumExp())
      logSumExp = results.front();
    dotScore = op.getScore().empty();
    inBits =
        dotScore && normalizer == Normalizer::softmax && op.getModify().empty();
    // With the weights asked for, every one of them is written.
    if (!op.getMask().empty() && !weights &&
        normalizer != Normalizer::sparsemax)
      bounds = analyzeMask(op.getMask());
  }

  void emit(Value begin, Value end) {
    allocateBlocks();
    Dims grid = batchDims;
    grid.push_back(queryBlocks(queries));
    // Blocks of one size, so that threads share them evenly, in whole tiles.
    Dim tile = e.tileRows();
    Value step =
        e.dim(Dim::ceilDiv(Dim::ceilDiv(queries, Dim::max(grid.back(), Dim(1))),
                           tile) *
              tile);
    e.loop(begin, end, 1, [&](Value item) {
      Indices at = e.delinearize(e.uniform(item), grid);
      firstQuery = e.mul(at.pop_back_val().value, step);
      rows = e.minIndex(step, e.sub(e.dim(queries), firstQuery));
      batch = at;
      valueBatch = groupedBatch(op.getValue());
      emitQueryBlock();
    });
  }

private:
  KernelEmitter &e;
  AttentionOp op;
  Normalizer normalizer;
  Type type;
  Dims queryDims, valueDims, batchDims;
  Dim queries, keys, features;
  Buffer context;
  std::optional<Buffer> weights, logSumExp;
  bool dotScore;
  /// Scores are in units of log 2, by the queries' scale: 2^s is cheaper than
  /// e^s.
  bool inBits;
  MaskBounds bounds;

  // Blocks in scratch.
  Buffer scores, output, maximum, sum, rescale, best, allScores;
  Buffer scaledQuery, keyPanels;
  SmallVector<Buffer> keyColumns;

  // The item at hand; of the block's keys, a tile's rows see `seenKeys`.
  Value firstQuery, rows, firstKey, keyCount, seenKeys;
  Indices batch, valueBatch;

  Value number(double v) { return e.constant(type, v); }
  Value vector(double v) { return e.splat(number(v)); }
  Index rowIndex(Value row) { return e.uniform(row); }
  Index queryIndex(Value row) { return e.uniform(e.add(firstQuery, row)); }
  int64_t panel() const { return 2 * e.lanes; }

  void allocateBlocks() {
    Dim block = kQueryBlock;
    scores = e.allocate({block, Dim(kKeyBlock)}, type);
    output = e.allocate({block, features}, type);
    maximum = e.allocate({block}, type);
    sum = e.allocate({block}, type);
    rescale = e.allocate({block}, type);
    if (normalizer == Normalizer::hard)
      best = e.allocate({block}, e.b.getI64Type());
    if (normalizer == Normalizer::sparsemax)
      allScores = e.allocate({block, keys}, type);
    if (dotScore) {
      Dim d = queryDims.back();
      scaledQuery = e.allocate({block, d}, type);
      keyPanels =
          e.allocate({Dim(kKeyBlock / panel()),
                      packedFeatures(op.getKeys().front()), Dim(panel())},
                     type);
      return;
    }
    for (Value key : op.getKeys())
      keyColumns.push_back(
          e.allocate({packedFeatures(key), Dim(kKeyBlock)}, type));
  }

  /// The batch index of a key or value: with grouped queries several query
  /// heads share a head of theirs.
  Indices groupedBatch(Value operand) {
    Indices at(batch);
    if (at.empty())
      return at;
    Dim heads = batchDims.back();
    Dim own = dimsOf(operand)[at.size() - 1];
    if (own != heads)
      at.back() = e.divIndex(at.back(), Dim::floorDiv(heads, own)).first;
    return at;
  }

  template <typename... Rest> Indices with(const Indices &batch, Rest... rest) {
    Indices at(batch);
    (at.push_back(rest), ...);
    return at;
  }

  void eachRow(function_ref<void(Value)> body) {
    e.loop(e.idx(0), rows, 1, body);
  }

  /// So few rows are done one by one, rather than as a tile of rows that are
  /// mostly not there.
  int64_t fewRows() const { return e.tileRows() / 4; }
  bool isFew() const {
    std::optional<int64_t> known = queries.constant();
    return known && *known <= fewRows();
  }

  /// Rows [0, tiledRows) are done as register tiles, the last one perhaps with
  /// rows past the end, and a few rows after them one by one.
  Value tiledRows() {
    if (isFew())
      return e.idx(0);
    int64_t tile = e.tileRows();
    Value rest = arith::RemUIOp::create(e.b, rows, e.idx(tile));
    Value many = e.less(e.idx(fewRows()), rest);
    Value added = arith::SelectOp::create(e.b, many, e.idx(tile), e.idx(0));
    return e.add(e.sub(rows, rest), added);
  }

  using RowsBody = function_ref<void(Value row, int64_t count)>;
  void eachWholeTile(RowsBody body) {
    if (!isFew())
      e.loop(e.idx(0), tiledRows(), e.tileRows(),
             [&](Value row) { body(row, e.tileRows()); });
  }
  void eachSingleRow(RowsBody body) {
    e.loop(tiledRows(), rows, 1, [&](Value row) { body(row, 1); });
  }
  void eachTile(RowsBody body) {
    eachWholeTile(body);
    eachSingleRow(body);
  }

  /// How many of the block's keys the mask can leave to some of these rows.
  Value keysSeenBy(Value row, int64_t count) {
    Value end = keyCount;
    for (const Dim &ahead : bounds.ahead) {
      Value last = e.add(e.add(firstQuery, row), e.idx(count));
      Value own = e.sub(e.add(last, e.dim(ahead)), firstKey);
      end = e.minIndex(end, arith::MaxSIOp::create(e.b, own, e.idx(0)));
    }
    return end;
  }

  //===--------------------------------------------------------------------===//
  // One block of queries
  //===--------------------------------------------------------------------===//

  void emitQueryBlock() {
    start();
    KeyRange range = visibleKeys();
    e.loop(range.begin, range.end, kKeyBlock, [&](Value key) {
      firstKey = key;
      keyCount = e.minIndex(e.idx(kKeyBlock), e.sub(range.end, key));
      if (dotScore)
        emitDotScores();
      else
        emitRegionScores();
      eachTile([&](Value first, int64_t count) {
        seenKeys = keysSeenBy(first, count);
        Value end = e.minIndex(e.add(first, e.idx(count)), rows);
        e.loop(first, end, 1, [&](Value row) { finishRow(row); });
      });
      if (normalizer == Normalizer::softmax ||
          normalizer == Normalizer::sigmoid)
        accumulate();
    });
    if (normalizer == Normalizer::sparsemax)
      emitSparsemax();
    finish();
  }

  struct KeyRange {
    Value begin, end;
  };

  /// The keys that the mask leaves to any query of the block, from a multiple
  /// of the key block on.
  KeyRange visibleKeys() {
    KeyRange range{e.idx(0), e.dim(keys)};
    Value lastQuery = e.sub(e.add(firstQuery, rows), e.idx(1));
    for (const Dim &ahead : bounds.ahead) {
      Value end = e.add(e.add(lastQuery, e.dim(ahead)), e.idx(1));
      end = arith::MaxSIOp::create(e.b, end, e.idx(0));
      range.end = e.minIndex(range.end, end);
    }
    for (const Dim &behind : bounds.behind) {
      Value begin = e.sub(firstQuery, e.dim(behind));
      begin = arith::MaxSIOp::create(e.b, begin, e.idx(0));
      begin =
          e.sub(begin, arith::RemUIOp::create(e.b, begin, e.idx(kKeyBlock)));
      range.begin = arith::MaxSIOp::create(e.b, range.begin, begin);
    }
    return range;
  }

  void start() {
    eachRow([&](Value row) {
      e.store(number(-kInfinity), maximum, {rowIndex(row)});
      e.store(number(0), sum, {rowIndex(row)});
      if (normalizer == Normalizer::hard)
        e.store(e.constant(e.b.getI64Type(), -1), best, {rowIndex(row)});
      e.laneLoop(features, [&](Index d) {
        e.store(vector(0), output, {rowIndex(row), d});
      });
      if (!dotScore)
        return;
      Value scale = vector(op.getScale().convertToDouble() *
                           (inBits ? llvm::numbers::log2e : 1));
      e.laneLoop(queryDims.back(), [&](Index d) {
        Value q = e.convert(e.elementVector(op.getQueries().front(),
                                            with(batch, queryIndex(row), d)),
                            type);
        e.store(arith::MulFOp::create(e.b, q, scale), scaledQuery,
                {rowIndex(row), d});
      });
    });
  }

  //===--------------------------------------------------------------------===//
  // Scores
  //===--------------------------------------------------------------------===//

  /// The block's keys transposed: a vector of keys from `first` on for each
  /// feature. Past the end the last key is repeated; features past the last are
  /// given too, and have their place.
  void
  eachColumn(Value key,
             function_ref<void(Value first, Value feature, Value column)> put) {
    Value last = e.sub(e.add(firstKey, keyCount), e.idx(1));
    e.loop(e.idx(0), keyCount, e.lanes, [&](Value first) {
      e.laneLoop(dimsOf(key).back(), [&](Index d) {
        SmallVector<Value> square;
        for (int64_t n = 0; n < e.lanes; ++n)
          square.push_back(keyVector(key, e.add(first, e.idx(n)), last, d));
        e.unmasked([&] {
          for (auto [n, column] : llvm::enumerate(e.transpose(square)))
            put(first, e.add(d.value, e.idx(n)), column);
        });
      });
    });
  }

  Value keyVector(Value key, Value inBlock, Value last, Index d) {
    Index at = e.uniform(e.minIndex(e.add(firstKey, inBlock), last));
    return e.convert(e.elementVector(key, with(groupedBatch(key), at, d)),
                     type);
  }

  /// Features as packed: whole vectors.
  Dim packedFeatures(Value key) {
    return Dim::ceilDiv(dimsOf(key).back(), Dim(e.lanes)) * Dim(e.lanes);
  }

  /// Keys of the block as [panel of keys][feature][key].
  void packKeys() {
    eachColumn(
        op.getKeys().front(), [&](Value first, Value feature, Value column) {
          auto [which, within] =
              e.divIndex({first, Index::Lanes, true}, Dim(panel()));
          e.store(column, keyPanels, {which, e.uniform(feature), within});
        });
  }

  void emitDotScores() {
    if (!isFew())
      e.when(e.less(e.idx(fewRows()), rows), [&] { emitTiledDotScores(); });
    e.when(e.less(rows, e.idx(fewRows() + 1)), [&] { emitFewDotScores(); });
  }

  /// Scores of rows too few to pack the keys for: lanes over the features, and
  /// as many keys at a time as there are lanes.
  void emitFewDotScores() {
    Value key = op.getKeys().front();
    Value last = e.sub(e.add(firstKey, keyCount), e.idx(1));
    e.loop(e.idx(0), keyCount, e.lanes, [&](Value first) {
      eachRow([&](Value row) {
        SmallVector<Value> sums(e.lanes, vector(0));
        sums = e.laneLoop(
            queryDims.back(), sums, [&](Index d, ValueRange carried) {
              SmallVector<Value> next(carried);
              Value q = e.load(scaledQuery, {rowIndex(row), d});
              for (int64_t n = 0; n < e.lanes; ++n) {
                Value k = keyVector(key, e.add(first, e.idx(n)), last, d);
                next[n] = e.fma(q, k, next[n]);
                if (Value mask = e.currentMask())
                  next[n] =
                      arith::SelectOp::create(e.b, mask, next[n], carried[n]);
              }
              return next;
            });
        sums = e.transpose(sums);
        for (size_t n = sums.size() / 2; n > 0; n /= 2)
          for (size_t k = 0; k < n; ++k)
            sums[k] = e.combine(ReduceKind::sum, sums[k], sums[k + n]);
        e.store(sums[0], scores, {rowIndex(row), {first, Index::Lanes, true}});
      });
    });
  }

  void emitTiledDotScores() {
    packKeys();
    int64_t vectors = panel() / e.lanes;
    e.loop(e.idx(0), keyCount, panel(), [&](Value first) {
      Value which = arith::DivUIOp::create(e.b, first, e.idx(panel()));
      eachTile([&](Value row, int64_t count) {
        e.when(e.less(first, keysSeenBy(row, count)), [&] {
          SmallVector<Value> zeros(count * vectors, vector(0));
          SmallVector<Value> tile = e.loop(
              e.idx(0), e.dim(queryDims.back()), 1, zeros,
              [&](Value d, ValueRange carried) {
                SmallVector<Value> next(carried), k;
                for (int64_t v = 0; v < vectors; ++v)
                  k.push_back(e.load(
                      keyPanels, {e.uniform(which),
                                  e.uniform(d),
                                  {e.idx(v * e.lanes), Index::Lanes, true}}));
                for (int64_t r = 0; r < count; ++r) {
                  Value q = e.splat(
                      e.load(scaledQuery,
                             {e.uniform(e.add(row, e.idx(r))), e.uniform(d)}));
                  for (int64_t v = 0; v < vectors; ++v)
                    next[r * vectors + v] =
                        e.fma(q, k[v], next[r * vectors + v]);
                }
                return next;
              });
          for (int64_t r = 0; r < count; ++r)
            for (int64_t v = 0; v < vectors; ++v)
              e.store(tile[r * vectors + v], scores,
                      {e.uniform(e.add(row, e.idx(r))),
                       {e.add(first, e.idx(v * e.lanes)), Index::Lanes, true}});
        });
      });
    });
  }

  /// The score region, one query against a vector of keys.
  void emitRegionScores() {
    for (auto [n, key] : llvm::enumerate(op.getKeys()))
      eachColumn(key, [&](Value first, Value feature, Value column) {
        e.store(column, keyColumns[n],
                {e.uniform(feature), {first, Index::Lanes, true}});
      });

    Block &region = op.getScore().front();
    size_t queryCount = op.getQueries().size();
    eachRow([&](Value row) {
      e.laneLoop(keyCount, [&](Index j) {
        for (auto [n, query] : llvm::enumerate(op.getQueries())) {
          Value q = query;
          e.given[region.getArgument(n)] = [this, q, row](ArrayRef<Index> u) {
            return e.element(q, with(batch, queryIndex(row), u[0]));
          };
        }
        for (size_t n = 0; n < op.getKeys().size(); ++n) {
          Type element = elementTypeOf(op.getKeys()[n]);
          e.given[region.getArgument(queryCount + n)] =
              [this, n, j, element](ArrayRef<Index> u) {
                return e.convert(e.load(keyColumns[n], {u[0], j}), element);
              };
        }
        Value s = e.convert(e.splat(regionValue(region)), type);
        e.store(s, scores, {rowIndex(row), j});
      });
    });
  }

  /// The scalar that a region yields, in the place at hand.
  Value regionValue(Block &region) {
    KernelEmitter::HoistLimit limit(e);
    llvm::SaveAndRestore lanes(e.inLaneRegion, true);
    return e.element(region.getTerminator()->getOperand(0), {});
  }

  /// Tells the emitter what a modify or mask region's indices are.
  void givePositions(Block &region, size_t first, Value row, Index key) {
    auto give = [&](Index index, const Dim &size) {
      Value argument = region.getArgument(first++);
      e.positions[argument] = {index, size};
      e.given[argument] = [this, index](ArrayRef<Index>) {
        return e.toInteger(index, e.b.getI64Type());
      };
    };
    for (auto [index, dim] : llvm::zip_equal(batch, batchDims))
      give(index, dim);
    give(queryIndex(row), queries);
    give(key, keys);
  }

  /// The score of a vector of pairs with modify and mask applied.
  Value finishedScore(Value row, Index j) {
    Value s = e.load(scores, {rowIndex(row), j});
    Index key = e.addIndex(j, e.uniform(firstKey));
    if (!op.getModify().empty()) {
      Block &region = op.getModify().front();
      givePositions(region, 1, row, key);
      Type element = elementTypeOf(region.getArgument(0));
      e.given[region.getArgument(0)] = [this, s, element](ArrayRef<Index>) {
        return e.convert(s, element);
      };
      s = e.convert(e.splat(regionValue(region)), type);
    }
    if (!op.getMask().empty()) {
      Block &region = op.getMask().front();
      givePositions(region, 0, row, key);
      Value keep = e.splat(regionValue(region));
      s = arith::SelectOp::create(e.b, keep, s, vector(-kInfinity));
    }
    if (Value mask = e.currentMask())
      s = arith::SelectOp::create(e.b, mask, s, vector(-kInfinity));
    return s;
  }

  void storeWeights(Value v, Value row, Index key) {
    e.store(v, *weights, with(batch, queryIndex(row), key));
  }

  //===--------------------------------------------------------------------===//
  // Normalizers
  //===--------------------------------------------------------------------===//

  void finishRow(Value row) {
    switch (normalizer) {
    case Normalizer::softmax:
      return softmaxRow(row);
    case Normalizer::hard:
      return hardRow(row);
    case Normalizer::sigmoid:
      return sigmoidRow(row);
    case Normalizer::sparsemax:
      e.laneLoop(seenKeys, [&](Index j) {
        e.store(finishedScore(row, j), allScores,
                {rowIndex(row), e.addIndex(j, e.uniform(firstKey))});
      });
      return;
    }
  }

  /// Finished scores of the block, and their maximum.
  Value finishScores(Value row) {
    Value lanes = e.laneLoop(
        seenKeys, vector(-kInfinity), [&](Index j, ValueRange carried) {
          Value s = finishedScore(row, j);
          e.store(s, scores, {rowIndex(row), j});
          if (weights)
            storeWeights(s, row, e.addIndex(j, e.uniform(firstKey)));
          return SmallVector<Value>{e.combine(ReduceKind::max, carried[0], s)};
        })[0];
    return e.combineLanes(ReduceKind::max, lanes);
  }

  Value isNone(Value m) {
    return arith::CmpFOp::create(e.b, arith::CmpFPredicate::OEQ, m,
                                 number(-kInfinity));
  }

  Value exponential(Value x) {
    if (inBits)
      return math::Exp2Op::create(e.b, x);
    return math::ExpOp::create(e.b, x);
  }

  void softmaxRow(Value row) {
    Value blockMaximum = finishScores(row);
    Value before = e.load(maximum, {rowIndex(row)});
    Value after = e.combine(ReduceKind::max, before, blockMaximum);
    // While no key has been seen every exponential is 0, not exp(-inf + inf).
    Value reference =
        arith::SelectOp::create(e.b, isNone(after), number(0), after);
    Value factor = exponential(arith::SubFOp::create(e.b, before, reference));
    Value shift = e.splat(reference);
    Value total =
        e.laneLoop(seenKeys, vector(0), [&](Index j, ValueRange carried) {
          Value s = e.load(scores, {rowIndex(row), j});
          Value p = exponential(arith::SubFOp::create(e.b, s, shift));
          if (Value mask = e.currentMask())
            p = arith::SelectOp::create(e.b, mask, p, vector(0));
          e.store(p, scores, {rowIndex(row), j});
          return SmallVector<Value>{e.combine(ReduceKind::sum, carried[0], p)};
        })[0];
    Value l = e.fma(e.load(sum, {rowIndex(row)}), factor,
                    e.combineLanes(ReduceKind::sum, total));
    e.store(after, maximum, {rowIndex(row)});
    e.store(l, sum, {rowIndex(row)});
    e.store(factor, rescale, {rowIndex(row)});
  }

  void sigmoidRow(Value row) {
    e.laneLoop(seenKeys, [&](Index j) {
      Value s = finishedScore(row, j);
      Value exp = math::ExpOp::create(e.b, arith::NegFOp::create(e.b, s));
      Value p = arith::DivFOp::create(
          e.b, vector(1), arith::AddFOp::create(e.b, vector(1), exp));
      e.store(p, scores, {rowIndex(row), j});
      if (weights)
        storeWeights(p, row, e.addIndex(j, e.uniform(firstKey)));
    });
    e.store(number(1), rescale, {rowIndex(row)});
  }

  /// The first key of the highest score so far.
  void hardRow(Value row) {
    Value blockMaximum = finishScores(row);
    Value before = e.load(maximum, {rowIndex(row)});
    Value higher = arith::CmpFOp::create(e.b, arith::CmpFPredicate::OGT,
                                         blockMaximum, before);
    e.when(higher, [&] {
      Value none = e.dim(keys);
      Value wanted = e.splat(blockMaximum);
      Value nones = e.splat(none);
      Value lanes =
          e.laneLoop(seenKeys, nones, [&](Index j, ValueRange carried) {
            Value s = e.load(scores, {rowIndex(row), j});
            Value hit = arith::CmpFOp::create(e.b, arith::CmpFPredicate::OEQ, s,
                                              wanted);
            if (Value mask = e.currentMask())
              hit = arith::AndIOp::create(e.b, hit, mask);
            Value key = e.indexVector(e.addIndex(j, e.uniform(firstKey)));
            Value at = arith::SelectOp::create(e.b, hit, key, nones);
            return SmallVector<Value>{
                arith::MinSIOp::create(e.b, carried[0], at)};
          })[0];
      Value first =
          vector::ReductionOp::create(e.b, vector::CombiningKind::MINSI, lanes);
      e.store(arith::IndexCastOp::create(e.b, e.b.getI64Type(), first), best,
              {rowIndex(row)});
      e.store(blockMaximum, maximum, {rowIndex(row)});
    });
  }

  /// tau with sum of max(s - tau, 0) = 1: bisection, then the closed form on
  /// the support it found (Martins and Astudillo, arXiv:1602.02068).
  void emitSparsemax() {
    constexpr int64_t kBisections = 30; // of an interval of length 1
    eachRow([&](Value row) {
      auto reduceRow = [&](ReduceKind kind, Value init,
                           function_ref<Value(Value)> map) {
        Value lanes =
            e.laneLoop(keys, e.splat(init), [&](Index j, ValueRange carried) {
              Value v = map(e.load(allScores, {rowIndex(row), j}));
              Value next = e.combine(kind, carried[0], v);
              if (Value mask = e.currentMask())
                next = arith::SelectOp::create(e.b, mask, next, carried[0]);
              return SmallVector<Value>{next};
            })[0];
        return e.combineLanes(kind, lanes);
      };
      Value top = reduceRow(ReduceKind::max, number(-kInfinity),
                            [](Value s) { return s; });
      Value above = arith::SelectOp::create(e.b, isNone(top), number(0), top);
      SmallVector<Value> interval = e.loop(
          e.idx(0), e.idx(kBisections), 1,
          {arith::SubFOp::create(e.b, above, number(1)), above},
          [&](Value, ValueRange ends) {
            Value middle = arith::MulFOp::create(
                e.b, arith::AddFOp::create(e.b, ends[0], ends[1]), number(0.5));
            Value tau = e.splat(middle);
            Value mass = reduceRow(ReduceKind::sum, number(0), [&](Value s) {
              return arith::MaximumFOp::create(
                         e.b, arith::SubFOp::create(e.b, s, tau), vector(0))
                  .getResult();
            });
            Value tooMuch = arith::CmpFOp::create(
                e.b, arith::CmpFPredicate::OGE, mass, number(1));
            return SmallVector<Value>{
                arith::SelectOp::create(e.b, tooMuch, middle, ends[0]),
                arith::SelectOp::create(e.b, tooMuch, ends[1], middle)};
          });
      Value low = e.splat(interval[0]);
      auto inSupport = [&](Value s) {
        return arith::CmpFOp::create(e.b, arith::CmpFPredicate::OGT, s, low)
            .getResult();
      };
      Value count = reduceRow(ReduceKind::sum, number(0), [&](Value s) {
        return arith::SelectOp::create(e.b, inSupport(s), vector(1), vector(0))
            .getResult();
      });
      Value mass = reduceRow(ReduceKind::sum, number(0), [&](Value s) {
        return arith::SelectOp::create(e.b, inSupport(s), s, vector(0))
            .getResult();
      });
      Value tau = arith::DivFOp::create(
          e.b, arith::SubFOp::create(e.b, mass, number(1)), count);
      tau = arith::SelectOp::create(e.b, isNone(top), number(0), tau);
      e.store(tau, maximum, {rowIndex(row)});
      e.store(number(1), rescale, {rowIndex(row)});
    });
    e.loop(e.idx(0), e.dim(keys), kKeyBlock, [&](Value key) {
      firstKey = key;
      keyCount = e.minIndex(e.idx(kKeyBlock), e.sub(e.dim(keys), key));
      eachRow([&](Value row) {
        Value tau = e.splat(e.load(maximum, {rowIndex(row)}));
        e.laneLoop(keyCount, [&](Index j) {
          Index at = e.addIndex(j, e.uniform(firstKey));
          Value s = e.load(allScores, {rowIndex(row), at});
          Value p = arith::MaximumFOp::create(
              e.b, arith::SubFOp::create(e.b, s, tau), vector(0));
          e.store(p, scores, {rowIndex(row), j});
          if (weights)
            storeWeights(p, row, at);
        });
      });
      accumulate();
    });
  }

  //===--------------------------------------------------------------------===//
  // Output
  //===--------------------------------------------------------------------===//

  /// O = O * rescale + P V.
  void accumulate() {
    auto tile = [&](ArrayRef<Index> columns) {
      return [=, this](Value row, int64_t count) {
        accumulateTile(row, count, columns);
      };
    };
    int64_t pair = panel() / e.lanes;
    if (!isFew())
      eachColumns(
          pair, [&](ArrayRef<Index> columns) { eachWholeTile(tile(columns)); });
    // A single row wants enough sums to hide how long one addition takes.
    eachColumns(4 * pair,
                [&](ArrayRef<Index> columns) { eachSingleRow(tile(columns)); });
  }

  /// Walks the features, up to so many vectors at a time where their number is
  /// known to allow it.
  void eachColumns(int64_t most, function_ref<void(ArrayRef<Index>)> body) {
    std::optional<int64_t> known = features.constant();
    int64_t vectors = std::min(most, known ? *known / e.lanes : 0);
    int64_t step = vectors * e.lanes;
    int64_t whole = vectors > 0 ? *known / step * step : 0;
    if (whole > 0)
      e.loop(e.idx(0), e.idx(whole), step, [&](Value d) {
        Indices columns;
        for (int64_t v = 0; v < vectors; ++v)
          columns.push_back({e.add(d, e.idx(v * e.lanes)), Index::Lanes, true});
        body(columns);
      });
    if (known && whole == *known)
      return;
    e.laneLoop(features - Dim(whole), [&](Index d) {
      body({{e.add(d.value, e.idx(whole)), Index::Lanes, true}});
    });
  }

  void accumulateTile(Value row, int64_t count, ArrayRef<Index> columns) {
    SmallVector<Value> sums;
    for (int64_t r = 0; r < count; ++r) {
      Index at = e.uniform(e.add(row, e.idx(r)));
      Value factor = e.splat(e.load(rescale, {at}));
      for (Index d : columns)
        sums.push_back(arith::MulFOp::create(
            e.b, e.splat(e.load(output, {at, d})), factor));
    }
    sums = e.loop(
        e.idx(0), keysSeenBy(row, count), 1, sums,
        [&](Value j, ValueRange carried) {
          SmallVector<Value> next(carried), values;
          Index key = e.uniform(e.add(firstKey, j));
          for (Index d : columns)
            values.push_back(e.convert(
                e.elementVector(op.getValue(), with(valueBatch, key, d)),
                type));
          for (int64_t r = 0; r < count; ++r) {
            Value p = e.splat(e.load(
                scores, {e.uniform(e.add(row, e.idx(r))), e.uniform(j)}));
            for (size_t v = 0; v < columns.size(); ++v) {
              Value &sum = next[r * columns.size() + v];
              sum = e.fma(p, values[v], sum);
            }
          }
          return next;
        });
    for (int64_t r = 0; r < count; ++r)
      for (auto [v, d] : llvm::enumerate(columns))
        e.store(sums[r * columns.size() + v], output,
                {e.uniform(e.add(row, e.idx(r))), d});
  }

  void finish() {
    eachRow([&](Value row) {
      if (normalizer == Normalizer::hard)
        return finishHard(row);
      Value factor = number(1);
      Value l = e.load(sum, {rowIndex(row)});
      if (normalizer == Normalizer::softmax) {
        Value none =
            arith::CmpFOp::create(e.b, arith::CmpFPredicate::OEQ, l, number(0));
        factor = arith::SelectOp::create(
            e.b, none, number(0), arith::DivFOp::create(e.b, number(1), l));
      }
      Value factors = e.splat(factor);
      e.laneLoop(features, [&](Index d) {
        Value o = arith::MulFOp::create(
            e.b, e.splat(e.load(output, {rowIndex(row), d})), factors);
        e.store(o, context, with(batch, queryIndex(row), d));
      });
      Value m = e.load(maximum, {rowIndex(row)});
      if (logSumExp)
        e.store(e.fma(m, number(inBits ? llvm::numbers::ln2 : 1),
                      math::LogOp::create(e.b, l)),
                *logSumExp, with(batch, queryIndex(row)));
      if (weights && normalizer == Normalizer::softmax) {
        // The scores are there already; m and l are known only now.
        Value reference = arith::SelectOp::create(e.b, isNone(m), number(0), m);
        Value shift = e.splat(reference);
        e.laneLoop(keys, [&](Index j) {
          Indices at = with(batch, queryIndex(row), j);
          Value s = e.convert(e.splat(e.load(*weights, at)), type);
          Value p = exponential(arith::SubFOp::create(e.b, s, shift));
          e.store(arith::MulFOp::create(e.b, p, factors), *weights, at);
        });
      }
    });
  }

  void finishHard(Value row) {
    Value key = e.load(best, {rowIndex(row)});
    Value found = arith::CmpIOp::create(e.b, arith::CmpIPredicate::sge, key,
                                        e.constant(e.b.getI64Type(), 0));
    e.when(found, [&] {
      Index at = e.fromInteger(key);
      e.laneLoop(features, [&](Index d) {
        Value v = e.elementVector(op.getValue(), with(valueBatch, at, d));
        e.store(e.convert(v, type), output, {rowIndex(row), d});
      });
    });
    e.laneLoop(features, [&](Index d) {
      e.store(e.load(output, {rowIndex(row), d}), context,
              with(batch, queryIndex(row), d));
    });
    if (logSumExp)
      e.store(e.load(maximum, {rowIndex(row)}), *logSumExp,
              with(batch, queryIndex(row)));
    if (!weights)
      return;
    Value wanted = e.splat(key);
    e.laneLoop(keys, [&](Index j) {
      Value at = e.toInteger(j, e.b.getI64Type());
      Value hit = arith::CmpIOp::create(e.b, arith::CmpIPredicate::eq,
                                        e.splat(at), wanted);
      storeWeights(arith::SelectOp::create(e.b, hit, vector(1), vector(0)), row,
                   j);
    });
  }
};

} // namespace

Dim gridOfAttention(AttentionOp op) {
  Dims dims = dimsOf(op.getQueries().front());
  return numElements(ArrayRef(dims).drop_back(2)) *
         queryBlocks(dims[dims.size() - 2]);
}

void emitAttention(KernelEmitter &e, AttentionOp op, ArrayRef<Buffer> results,
                   Value begin, Value end) {
  AttentionEmitter(e, op, results).emit(begin, end);
}

} // namespace mapsto
