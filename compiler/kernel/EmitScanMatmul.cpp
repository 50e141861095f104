//===- EmitScanMatmul.cpp - Matmuls with the gates that read them ---------===//
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
  /// Gates side by side in a tile of several rows, so that a row has two
  /// vectors if it can.
  int64_t leastGates;
  bool isOneRow;

  Tiling(KernelEmitter &e, const ScanStage &stage) : gates(stage.gates.size()) {
    PackedMatmulOp matmul = stage.gates.front().matmul;
    int64_t inPanel = *dimsOf(matmul.getRhs())[2].constant() / e.lanes;
    int64_t wanted = llvm::divideCeil(*stage.units.constant(), e.lanes);
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
    leastGates = vectors == 1 && gates % 2 == 0 ? 2 : 1;
    rows =
        std::max<int64_t>(2 * e.tileRows() / (leastGates * vectors * parts), 1);
    // A batch of known size needs no larger tile.
    Dim batch = dimsOf(matmul.getResult())[0];
    if (std::optional<int64_t> known = batch.constant())
      rows = std::clamp<int64_t>(*known, 1, rows);
    isOneRow = batch == Dim(1);
  }

  /// Gates that a tile of so many rows takes at once.
  int64_t gatesAtOnce(int64_t rows, int64_t vectors) const {
    int64_t turns = gates * rows * vectors * parts / kSums;
    turns = std::clamp<int64_t>(turns, 1, gates / leastGates);
    return llvm::divideCeil(gates, turns);
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
                    const llvm::DenseMap<Value, Buffer> &memory,
                    Columns columns)
      : e(e), stage(stage), memory(memory), columns(columns), tiling(e, stage),
        units(*stage.units.constant()) {
    PackedMatmulOp matmul = stage.gates.front().matmul;
    lhs = matmul.getLhs();
    type = elementTypeOf(matmul.getResult());
    accumulator = KernelEmitter::accumulatorType(type);
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
    if (tiling.isOneRow)
      return;
    Value several = e.less(e.idx(1), e.sub(last, first));
    e.when(several, [&] { emitRows(first, last); });
  }

private:
  KernelEmitter &e;
  const ScanStage &stage;
  const llvm::DenseMap<Value, Buffer> &memory;
  Columns columns;
  Tiling tiling;
  int64_t units, panel;
  Value lhs;
  Type type, accumulator;

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

  /// These units' columns of a part that begins there: as reading a slice finds
  /// them.
  Index columnsFrom(int64_t column, Index units) {
    if (column == 0)
      return units;
    Index start = e.uniform(e.dim(Dim(column)));
    return {e.addIndex(units, start).value, Index::Lanes, true};
  }

  /// Rows of sums: for each, gate by gate, the vectors of its units.
  SmallVector<Value> accumulate(ArrayRef<Value> rows, Value unit,
                                int64_t vectors, int64_t firstGate,
                                int64_t gates) {
    struct Place {
      Value rhs;
      std::pair<Index, Index> column; // panel, column in it
    };
    SmallVector<Place> places;
    for (const ScanStage::Gate &gate :
         ArrayRef(stage.gates).slice(firstGate, gates))
      for (int64_t v = 0; v < vectors; ++v)
        places.push_back({PackedMatmulOp(gate.matmul).getRhs(),
                          e.divIndex(columnsFrom(gate.column, unitsAt(unit, v)),
                                     Dim(panel))});
    int64_t perRow = places.size();
    Dim k = dimsOf(lhs).back();
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
            for (const Place &place : places)
              columns.push_back(
                  e.convert(e.element(place.rhs, {place.column.first, at,
                                                  place.column.second}),
                            accumulator));
            for (Value row : rows) {
              Value x = e.splat(
                  e.convert(e.element(lhs, {e.uniform(row), at}), accumulator));
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
      UnitColumns products;
      for (auto [i, gate] : llvm::enumerate(stage.gates))
        products[PackedMatmulOp(gate.matmul).getResult()].push_back(
            {columnsFrom(gate.column, lanes).value,
             e.convert(sumAt(i * vectors + v), type)});
      giveColumns(e, products);
      if (units % (vectors * e.lanes) == 0) {
        write(row, lanes);
      } else {
        Value left = e.sub(e.idx(units), lanes.value);
        e.masked(e.firstLanes(left), [&] {
          write(row, lanes);
          return Value();
        });
      }
      for (auto &[product, parts] : products)
        e.given.erase(product);
    }
  }

  void write(Value row, Index lanes) {
    // A gate's other readers find it remembered at this place; what an earlier
    // tile left in memory is not asked for.
    for (const Group &group : stage.groups)
      e.buffers.erase(group.root->getResult(0));
    for (auto [value, column] : stage.outputs) {
      Indices at{e.uniform(row), columnsFrom(column, lanes)};
      e.store(e.elementVector(value, at), memory.lookup(value), at);
    }
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
  PackedMatmulOp matmul = stage.gates.front().matmul;
  return KernelEmitter::accumulatorType(elementTypeOf(matmul.getResult()));
}

void emitMatmulStage(KernelEmitter &e, const ScanStage &stage,
                     const llvm::DenseMap<Value, Buffer> &memory, Value first,
                     Value last, Columns units) {
  ScanMatmulEmitter(e, stage, memory, units).emit(first, last);
}

} // namespace mapsto
