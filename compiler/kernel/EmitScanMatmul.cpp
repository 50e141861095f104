//===- EmitScanMatmul.cpp - A matmul with the gates that read it ----------===//
//
// The columns are walked a few units at a time. For these, register tiles of
// rows by units accumulate over all of K, one gate after the other, so that one
// gate's panel is read from L1 by all the rows; the sums then pass through the
// gates' arithmetic, row by row. Few rows have too few sums to hide the latency
// of their additions: they take several gates at once, one row alone more units
// too, or it adds up several parts of K side by side.
//
//===----------------------------------------------------------------------===//

#include "compiler/kernel/ScanStages.h"

using namespace mlir;

namespace mapsto {

namespace {

/// Sums kept side by side at least: two multiply-adds begin each cycle, four
/// cycles before their results are there.
constexpr int64_t kSums = 8;

/// The shape of a stage's register tiles.
struct Tiling {
  int64_t gates;
  /// Vectors of units side by side: in a tile of several rows and in one row.
  int64_t vectors, vectorsOfOneRow;
  /// Parts of K that are added up side by side: as one row wants them, and in
  /// every tile, so that a row's result does not depend on the rows beside it.
  int64_t parts = 1;
  int64_t rows;

  Tiling(KernelEmitter &e, const ScanStage &stage) : gates(stage.gates.size()) {
    auto matmul = cast<PackedMatmulOp>(stage.groups.front().anchor);
    int64_t inPanel = *dimsOf(matmul.getRhs())[2].constant() / e.lanes;
    std::optional<int64_t> width =
        dimsOf(stage.groups.back().root->getResult(0))[1].constant();
    int64_t wanted = width ? llvm::divideCeil(*width, e.lanes) : inPanel;
    // Power-of-two counts that divide the units.
    auto fit = [&](int64_t limit) {
      int64_t count = 1;
      while (2 * count <= limit && 2 * count <= wanted &&
             wanted % (2 * count) == 0)
        count *= 2;
      return count;
    };
    vectors = fit(std::min<int64_t>(inPanel, 2));
    vectorsOfOneRow = fit(std::max<int64_t>(kSums / gates, 1));
    int64_t k = *dimsOf(matmul.getLhs()).back().constant();
    while (2 * parts * gates * vectorsOfOneRow <= kSums && k % (2 * parts) == 0)
      parts *= 2;
    int64_t perRow = vectors == 1 && gates % 2 == 0 ? 2 : vectors;
    rows = std::max<int64_t>(2 * e.tileRows() / (perRow * parts), 1);
  }

  /// Gates that a tile of so many rows takes at once.
  int64_t gatesAtOnce(int64_t rows, int64_t vectors) const {
    int64_t turns = gates * rows * vectors * parts / kSums;
    return llvm::divideCeil(gates, std::clamp<int64_t>(turns, 1, gates));
  }

  /// Sizes of the tiles that a number of rows is cut into.
  SmallVector<int64_t> sizes() const {
    SmallVector<int64_t> list{rows};
    for (int64_t size : {4, 2, 1})
      if (size < rows)
        list.push_back(size);
    return list;
  }
};

class ScanMatmulEmitter {
public:
  ScanMatmulEmitter(KernelEmitter &e, const ScanStage &stage,
                    ArrayRef<Buffer> results, Columns columns)
      : e(e), stage(stage), results(results), columns(columns),
        tiling(e, stage),
        matmul(cast<PackedMatmulOp>(stage.groups.front().anchor)) {
    type = elementTypeOf(matmul.getResult());
    accumulator = KernelEmitter::accumulatorType(type);
    units = dimsOf(stage.groups.back().root->getResult(0))[1];
    panel = *dimsOf(matmul.getRhs())[2].constant();
  }

  void emit(Value first, Value last) {
    if (tiling.vectorsOfOneRow == tiling.vectors)
      return emitRows(first, last);
    Value isOne = arith::CmpIOp::create(e.b, arith::CmpIPredicate::eq,
                                        e.sub(last, first), e.idx(1));
    e.when(isOne, [&] {
      eachUnits(tiling.vectorsOfOneRow, [&](Value unit) {
        emitTile(first, 1, unit, tiling.vectorsOfOneRow);
      });
    });
    Value several = e.less(e.idx(1), e.sub(last, first));
    e.when(several, [&] { emitRows(first, last); });
  }

private:
  KernelEmitter &e;
  const ScanStage &stage;
  ArrayRef<Buffer> results;
  Columns columns;
  Tiling tiling;
  PackedMatmulOp matmul;
  Type type, accumulator;
  Dim units;
  int64_t panel;

  void eachUnits(int64_t vectors, function_ref<void(Value)> body) {
    e.loop(columns.first, columns.last, vectors * e.lanes, body);
  }

  void emitRows(Value first, Value last) {
    eachUnits(tiling.vectors, [&](Value unit) {
      Value row = first;
      for (int64_t size : tiling.sizes()) {
        Value left = arith::RemUIOp::create(e.b, e.sub(last, row), e.idx(size));
        Value end = size == 1 ? last : e.sub(last, left);
        e.loop(row, end, size,
               [&](Value r) { emitTile(r, size, unit, tiling.vectors); });
        row = end;
      }
    });
  }

  /// The v-th vector of units from `unit` on.
  Index unitsAt(Value unit, int64_t v) {
    Index first{unit, Index::Lanes, true};
    if (v == 0)
      return first;
    return {e.addIndex(first, e.uniform(v * e.lanes)).value, Index::Lanes,
            true};
  }

  /// These units' columns of a gate: as reading a slice finds them.
  Index columnsOf(int64_t gate, Index units) {
    if (stage.gates[gate] == 0)
      return units;
    Index start = e.uniform(e.dim(Dim(stage.gates[gate])));
    return {e.addIndex(units, start).value, Index::Lanes, true};
  }

  /// Rows of sums: for each, gate by gate, the vectors of its units.
  SmallVector<Value> accumulate(ArrayRef<Value> rows, Value unit,
                                int64_t vectors, int64_t firstGate,
                                int64_t gates) {
    SmallVector<std::pair<Index, Index>> places; // panel, column in it
    for (int64_t gate = firstGate; gate < firstGate + gates; ++gate)
      for (int64_t v = 0; v < vectors; ++v)
        places.push_back(
            e.divIndex(columnsOf(gate, unitsAt(unit, v)), Dim(panel)));
    int64_t perRow = places.size();
    Dim k = dimsOf(matmul.getLhs()).back();
    int64_t parts = tiling.parts;
    SmallVector<Value> zeros(parts * rows.size() * perRow,
                             e.splat(e.constant(accumulator, 0)));
    SmallVector<Value> all = e.loop(
        e.idx(0), e.dim(k), parts, zeros, [&](Value step, ValueRange carried) {
          SmallVector<Value> next(carried);
          auto *sum = next.begin();
          for (int64_t part = 0; part < parts; ++part) {
            Index at = e.addIndex(e.uniform(step), e.uniform(part));
            SmallVector<Value> columns;
            for (auto [which, column] : places)
              columns.push_back(
                  e.convert(e.element(matmul.getRhs(), {which, at, column}),
                            accumulator));
            for (Value row : rows) {
              Value x = e.splat(
                  e.convert(e.element(matmul.getLhs(), {e.uniform(row), at}),
                            accumulator));
              for (Value column : columns) {
                *sum = e.fma(x, column, *sum);
                ++sum;
              }
            }
          }
          return next;
        });
    int64_t wanted = rows.size() * perRow;
    for (int64_t half = all.size() / 2; half >= wanted; half /= 2)
      for (int64_t i = 0; i < half; ++i)
        all[i] = e.combine(ReduceKind::sum, all[i], all[half + i]);
    all.truncate(wanted);
    return all;
  }

  void emitTile(Value first, int64_t count, Value unit, int64_t vectors) {
    SmallVector<Value> rows{first};
    for (int64_t r = 1; r < count; ++r)
      rows.push_back(e.add(first, e.idx(r)));
    int64_t perRow = tiling.gates * vectors;
    int64_t atOnce = tiling.gatesAtOnce(count, vectors);
    if (count == 1 && atOnce == tiling.gates) {
      SmallVector<Value> tile = accumulate(rows, unit, vectors, 0, atOnce);
      combineGates(first, unit, vectors, [&](int64_t i) { return tile[i]; });
      return;
    }
    for (int64_t gate = 0; gate < tiling.gates; gate += atOnce) {
      int64_t gates = std::min(atOnce, tiling.gates - gate);
      SmallVector<Value> tile = accumulate(rows, unit, vectors, gate, gates);
      for (auto [i, sum] : llvm::enumerate(tile)) {
        int64_t row = i / (gates * vectors), inRow = i % (gates * vectors);
        int64_t at = (row * perRow + gate * vectors + inRow) * e.lanes;
        e.store(sum, stage.sums, Indices{Index{e.idx(at), Index::Lanes, true}});
      }
    }
    e.loop(e.idx(0), e.idx(count), 1, [&](Value r) {
      Value begin = e.mul(r, e.idx(perRow * e.lanes));
      combineGates(e.add(first, r), unit, vectors, [&](int64_t i) {
        Value at = e.add(begin, e.idx(i * e.lanes));
        return e.load(stage.sums, Indices{Index{at, Index::Lanes, true}});
      });
    });
  }

  /// The rest of the stage for one row; `sumAt` gives the row's sums.
  void combineGates(Value row, Value unit, int64_t vectors,
                    function_ref<Value(int64_t)> sumAt) {
    for (int64_t v = 0; v < vectors; ++v) {
      Index lanes = unitsAt(unit, v);
      SmallVector<std::pair<Value, Value>> products; // first column, value
      for (int64_t gate = 0; gate < tiling.gates; ++gate)
        products.push_back({columnsOf(gate, lanes).value,
                            e.convert(sumAt(gate * vectors + v), type)});
      e.given[matmul.getResult()] = [&](ArrayRef<Index> at) {
        for (auto [column, product] : products)
          if (products.size() == 1 || column == at.back().value)
            return product;
        llvm_unreachable("a gate's columns are those that its slice reads");
      };
      std::optional<int64_t> known = units.constant();
      if (known && *known % (vectors * e.lanes) == 0) {
        write({e.uniform(row), lanes});
      } else {
        Value left = e.sub(e.dim(units), lanes.value);
        e.masked(e.firstLanes(left), [&] {
          write({e.uniform(row), lanes});
          return Value();
        });
      }
      e.given.erase(matmul.getResult());
    }
  }

  void write(ArrayRef<Index> at) {
    // A gate's other readers find it remembered at this place; what an earlier
    // tile left in memory is not asked for.
    for (const Group &group : stage.groups)
      e.buffers.erase(group.root->getResult(0));
    ArrayRef<Group> written = stage.groups;
    for (auto [group, result] :
         llvm::zip_equal(written.take_back(results.size()), results))
      e.store(e.elementVector(group.root->getResult(0), at), result, at);
  }
};

} // namespace

int64_t sumsOf(KernelEmitter &e, const ScanStage &stage) {
  Tiling tiling(e, stage);
  return tiling.rows * tiling.gates * tiling.vectors * e.lanes;
}

int64_t unitsAtOnce(KernelEmitter &e, const ScanStage &stage) {
  Tiling tiling(e, stage);
  return std::max(tiling.vectors, tiling.vectorsOfOneRow) * e.lanes;
}

Type sumType(const ScanStage &stage) {
  return KernelEmitter::accumulatorType(
      elementTypeOf(stage.groups.front().root->getResult(0)));
}

void emitMatmulStage(KernelEmitter &e, const ScanStage &stage,
                     ArrayRef<Buffer> results, Value first, Value last,
                     Columns units) {
  ScanMatmulEmitter(e, stage, results, units).emit(first, last);
}

} // namespace mapsto
