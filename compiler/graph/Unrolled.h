//===- Unrolled.h - A recurrence whose steps were written out ---*- C++ -*-===//
//
// What RaiseRecurrences looks for: copies of the same ops, one set a step,
// each of which reads what the set before it made. Found from one op's copies:
// an operand that each step has for itself is made by copies of another op, of
// the same step or of the step before, or comes from outside.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_GRAPH_UNROLLED_H
#define MAPSTO_COMPILER_GRAPH_UNROLLED_H

#include "compiler/graph/StepSlices.h"

namespace mapsto {

/// Where the copies of an op have one of their operands from.
struct Source {
  enum Kind {
    Same,    ///< one value for all steps
    Inner,   ///< another op, in the same step
    Carried, ///< another op, in the step before; in the first: any value
    Sliced,  ///< slices of one value, at places that are equally far apart
    Given,   ///< values that were computed without the recurrence
  } kind;
  unsigned op = 0, result = 0; // Inner, Carried
};

/// An op of a step, and its copies in all steps. The last step may lack some,
/// which only a further step would need.
struct StepOp {
  llvm::SmallVector<mlir::Operation *> copies;
  llvm::SmallVector<Source, 2> sources;
};

class Unrolled {
public:
  using OpSet = llvm::DenseSet<mlir::Operation *>;

  /// Copies of one op, of which each needs what the one before made. Ops that
  /// stand `before` the first step are no part of it.
  explicit Unrolled(llvm::ArrayRef<mlir::Operation *> anchors,
                    OpSet before = {});

  /// Nothing where it is a recurrence that can be one op. Else why not; no
  /// text where there is no sequence that it is a recurrence over.
  std::optional<std::string> match();

  bool contains(mlir::Operation *op) const { return places.contains(op); }
  void forEachOp(llvm::function_ref<void(mlir::Operation *)> what) const {
    for (const StepOp &op : ops)
      llvm::for_each(op.copies, what);
  }
  bool isRecurrent(mlir::Operation *op) const {
    auto at = places.find(op);
    return at != places.end() && at->second.op < recurrent;
  }
  /// Whether anything but the ops here reads it.
  bool isUsedOutside(mlir::Value v) const;
  /// A source's values, in the steps whose copies there are.
  llvm::SmallVector<mlir::Value> valuesOf(unsigned op, unsigned source) const;
  /// The ops of the recurrence, in the order of a step.
  llvm::SmallVector<unsigned> inOrder() const;

  /// Ops that the first step should not include, though it can.
  const OpSet &shouldBeBefore() const { return before; }

  mlir::Block *block;
  int64_t steps;
  /// The ops of the recurrence, then the readouts: what is made of a step's
  /// results and read by no other step.
  std::vector<StepOp> ops;
  size_t recurrent = 0; // how many of them are the recurrence
  /// The axis of time of what the recurrence reads and makes, and whether it
  /// is walked from its end.
  int64_t axis = 0;
  bool reversed = false;

private:
  struct Place {
    unsigned op;
    int64_t step;
    bool operator==(const Place &o) const {
      return op == o.op && step == o.step;
    }
  };

  unsigned add(llvm::ArrayRef<mlir::Operation *> copies);
  void addCopy(unsigned op, mlir::Operation *copy);
  std::optional<Place> placeOf(mlir::Value v) const;
  static bool isCopy(mlir::Operation *a, mlir::Operation *b);
  bool areCopies(llvm::ArrayRef<mlir::Value> values) const;
  std::optional<Source> classify(llvm::ArrayRef<mlir::Value> values);
  bool follow(Place first, llvm::ArrayRef<mlir::Value> values);
  mlir::Value expected(const Source &source, int64_t step) const;
  bool fits(unsigned op, int64_t step, mlir::Operation *copy) const;
  bool adopt(unsigned op, int64_t step, mlir::Operation *copy);
  bool find(unsigned op, int64_t step);
  bool addStep(int64_t step);
  void dropLastStep();
  void complete();
  bool mayLackCopies() const;
  void findDependents();
  bool isDependent(mlir::Operation *op) const;
  std::optional<std::string> check() const;
  void chooseAxis();
  void findReadouts();
  bool addReadout(mlir::OpResult of, mlir::Operation *first);

  llvm::DenseMap<mlir::Operation *, Place> places;
  /// What needs the recurrence's results.
  OpSet dependents;
  OpSet before;
};

} // namespace mapsto

#endif // MAPSTO_COMPILER_GRAPH_UNROLLED_H
