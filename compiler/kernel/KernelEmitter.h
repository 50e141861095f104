//===- KernelEmitter.h - Writes one kernel as loops on vectors --*- C++ -*-===//
//
// A kernel is written by asking for the value of a tensor at an index. The
// emitter answers from a buffer where the tensor is materialised, and otherwise
// by the op's rule (ElementRules*.cpp), which asks for the operands' values in
// turn: a whole chain of fused ops becomes one expression inside one loop.
//
// An `Index` may vary over the lanes of a vector. The value then is a vector;
// where no index varies it stays a scalar, so what is shared by all lanes is
// computed once. Values are remembered per scope (a loop body). A reduction
// whose index is known further out is computed there, before the loop.
//
// Bounds: a lane loop's last, partial step runs under a mask; every load and
// store in it is masked.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_KERNEL_KERNELEMITTER_H
#define MAPSTO_COMPILER_KERNEL_KERNELEMITTER_H

#include "dialect/MapstoDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <functional>
#include <map>

namespace mapsto {

/// A position along one axis.
struct Index {
  enum Kind {
    Uniform, ///< `value` is an index, the same for all lanes
    Lanes,   ///< `value` + lane
    Vector   ///< `value` is a vector of indices
  };
  mlir::Value value;
  Kind kind = Uniform;
  /// Lanes only: `value` is a multiple of the number of lanes.
  bool aligned = false;

  bool operator<(const Index &o) const {
    return std::make_pair(value.getAsOpaquePointer(), kind) <
           std::make_pair(o.value.getAsOpaquePointer(), o.kind);
  }
};
using Indices = llvm::SmallVector<Index, 4>;

/// A tensor in memory: dense, row-major, from `offset` elements on.
struct Buffer {
  mlir::Value memref; // memref<?xT>, T as storedType says
  mlir::Value offset; // index, or null for 0
  Dims dims;
  mlir::Type elementType;
};

/// What an element is computed with: integers carry no sign, ops do.
mlir::Type signless(mlir::Type elementType);

/// What an element is in memory: bool is i8, and bf16 its bits, since few
/// targets have instructions on it.
mlir::Type storedType(mlir::Type elementType);
/// The memory that a tensor is handed to a kernel in: memref<?xT>.
mlir::MemRefType bufferType(mlir::Type tensor);

/// What loops are shaped by: the target's vectors and a core's data caches.
struct Machine {
  int64_t lanes = 8; ///< of a vector of f32
  int64_t registers = 16;
  int64_t l1Bytes = 32 << 10;
  int64_t l2Bytes = 512 << 10;
  /// Results of this size are written past the caches; 0: none are.
  int64_t streamedBytes = 0;

  /// Rows of a register tile: with two vectors a row, the accumulators and the
  /// panel's vectors fill the registers (6 x 16 on AVX2: 12 + 2 of 16).
  int64_t tileRows() const { return registers >= 32 ? 12 : 6; }
  /// The lanes are the invocations of a workgroup instead: a value that varies
  /// over them is a scalar in each. Where lanes come together (combineLanes),
  /// all of them must be.
  bool lanesAreInvocations = false;
  /// Of a workgroup's shared memory, what arrays may take: of the 16 KiB that
  /// every device has a quarter is left to reductions over the workgroup.
  int64_t sharedBytes = 12 << 10;
};

class KernelEmitter {
public:
  using LoopBody = llvm::function_ref<llvm::SmallVector<mlir::Value>(
      mlir::Value iv, mlir::ValueRange carried)>;

  KernelEmitter(mlir::Location loc, mlir::Block *entry, const Machine &machine);

  mlir::ImplicitLocOpBuilder b;
  const Machine machine;
  /// Lanes of the target's vectors of f32; every vector in the kernel has
  /// this many, whatever its element type.
  const int64_t lanes;
  const int64_t registers;

  /// What the function's arguments stand for.
  std::map<std::string, mlir::Value> symbolValues;
  mlir::Value scratch, context, shared;
  /// Of a shader: the bytes of scratch that a workgroup has.
  mlir::Value scratchSize;
  /// Bytes of scratch used so far, and of what all threads share.
  Dim scratchBytes, sharedBytes;
  /// Of a shader: bytes of shared arrays so far.
  int64_t arrayBytes = 0;
  /// How often the threads of a team wait for each other; none if the kernel is
  /// not for a team.
  std::optional<Dim> teamWaits;
  /// Places in the source whose index or divisor is checked at run time.
  std::vector<std::string> sites;

  llvm::DenseMap<mlir::Value, Buffer> buffers;
  /// Values given by the kernel's structure: a region's arguments, a tile's
  /// accumulator.
  llvm::DenseMap<mlir::Value, std::function<mlir::Value(llvm::ArrayRef<Index>)>>
      given;
  /// Tensors too dear to compute again that a reduction along the last axis
  /// reads and others too: the row is written to scratch on the way.
  llvm::DenseSet<mlir::Value> kept;
  /// i64 scalars that are known positions (a region's index arguments), with
  /// the size they stay below.
  llvm::DenseMap<mlir::Value, std::pair<Index, Dim>> positions;

  //===--------------------------------------------------------------------===//
  // Sizes and plain arithmetic
  //===--------------------------------------------------------------------===//

  mlir::Value dim(const Dim &d);
  mlir::Value idx(int64_t v);
  mlir::Value constant(mlir::Type elementType, double v);
  mlir::Value add(mlir::Value x, mlir::Value y);
  mlir::Value sub(mlir::Value x, mlir::Value y);
  mlir::Value mul(mlir::Value x, mlir::Value y);
  mlir::Value minIndex(mlir::Value x, mlir::Value y);
  mlir::Value less(mlir::Value x, mlir::Value y);
  mlir::Value negate(mlir::Value condition);
  /// `x` repeated over the lanes; vectors pass through.
  mlir::Value splat(mlir::Value x);
  bool isVector(mlir::Value v) {
    return llvm::isa<mlir::VectorType>(v.getType());
  }
  /// The type of a value that varies over the lanes.
  mlir::Type vectorOf(mlir::Type elementType) {
    if (machine.lanesAreInvocations)
      return elementType;
    return mlir::VectorType::get({lanes}, elementType);
  }
  /// x and y made alike: both scalars or both vectors.
  void alike(mlir::Value &x, mlir::Value &y);
  /// x*y + z; all of one type.
  mlir::Value fma(mlir::Value x, mlir::Value y, mlir::Value z);
  /// e^x in f32 as a softmax needs it: what would be denormal may be 0.
  mlir::Value softmaxExponential(mlir::Value x);
  /// Two values combined as a reduction does.
  mlir::Value combine(ReduceKind kind, mlir::Value x, mlir::Value y);
  /// The value that changes nothing.
  mlir::Value identity(ReduceKind kind, mlir::Type elementType);
  /// As many vectors as lanes, seen as rows of a square: its columns.
  llvm::SmallVector<mlir::Value> transpose(llvm::ArrayRef<mlir::Value> rows);
  /// Walks `count` rows of `length` elements in squares and gives their
  /// columns: vectors over the rows from `firstRow` on, at `along`. Rows are
  /// asked for past `count`, up to a multiple of the lanes, and columns given
  /// past `length`, whose lanes are undefined.
  void eachTransposed(
      mlir::Value count, const Dim &length,
      llvm::function_ref<mlir::Value(mlir::Value row, Index along)> read,
      llvm::function_ref<void(mlir::Value firstRow, mlir::Value along,
                              mlir::Value column)>
          put);
  /// The larger or the smaller (`max` or `min`) of x and y, both floats alike,
  /// in one instruction; y where x is no number.
  mlir::Value extreme(ReduceKind kind, mlir::Value x, mlir::Value y);
  /// A vector's lanes combined so.
  mlir::Value extremeLane(ReduceKind kind, mlir::Value vector);
  /// A vector's lanes combined.
  mlir::Value combineLanes(ReduceKind kind, mlir::Value vector);
  /// Element type that sums of this type are kept in.
  static mlir::Type accumulatorType(mlir::Type elementType);
  /// Scalar or vector `v` in another element type; integers are widened by
  /// zeros where they are unsigned, as booleans always are.
  mlir::Value convert(mlir::Value v, mlir::Type elementType,
                      bool isUnsigned = false);

  //===--------------------------------------------------------------------===//
  // Index arithmetic
  //===--------------------------------------------------------------------===//

  Index uniform(mlir::Value v) { return {v, Index::Uniform, false}; }
  Index uniform(int64_t v) { return uniform(idx(v)); }
  Index addIndex(Index x, Index y);
  Index mulIndex(Index x, const Dim &factor);
  /// Quotient and remainder by a size.
  std::pair<Index, Index> divIndex(Index x, const Dim &divisor);
  mlir::Value indexVector(Index x);
  /// The index as an i64 scalar or vector, and back; `varies` says whether it
  /// differs from lane to lane.
  mlir::Value toInteger(Index x, mlir::Type elementType);
  Index fromInteger(mlir::Value v, bool varies);
  /// The indices of a row-major position.
  Indices delinearize(Index linear, llvm::ArrayRef<Dim> dims);
  /// A condition on an index: `x < bound`, scalar or vector of i1.
  mlir::Value below(Index x, mlir::Value bound);
  mlir::Value atLeast(Index x, mlir::Value bound);

  //===--------------------------------------------------------------------===//
  // Structure
  //===--------------------------------------------------------------------===//

  llvm::SmallVector<mlir::Value> loop(mlir::Value lower, mlir::Value upper,
                                      mlir::Value step, mlir::ValueRange inits,
                                      LoopBody body);
  llvm::SmallVector<mlir::Value> loop(mlir::Value lower, mlir::Value upper,
                                      int64_t step, mlir::ValueRange inits,
                                      LoopBody body) {
    return loop(lower, upper, idx(step), inits, body);
  }
  void loop(mlir::Value lower, mlir::Value upper, mlir::Value step,
            llvm::function_ref<void(mlir::Value)> body);
  void loop(mlir::Value lower, mlir::Value upper, int64_t step,
            llvm::function_ref<void(mlir::Value)> body) {
    loop(lower, upper, idx(step), body);
  }
  /// Walks [0, size) a vector at a time; the last step is masked.
  llvm::SmallVector<mlir::Value>
  laneLoop(const Dim &size, mlir::ValueRange inits,
           llvm::function_ref<llvm::SmallVector<mlir::Value>(Index,
                                                             mlir::ValueRange)>
               body);
  void laneLoop(const Dim &size, llvm::function_ref<void(Index)> body);
  /// The same with so many partial results side by side, in the end merged:
  /// the first starts at `inits`, the others at `neutral`.
  llvm::SmallVector<mlir::Value>
  laneLoop(const Dim &size, mlir::ValueRange inits, int64_t partials,
           mlir::ValueRange neutral,
           llvm::function_ref<llvm::SmallVector<mlir::Value>(Index,
                                                             mlir::ValueRange)>
               body,
           llvm::function_ref<llvm::SmallVector<mlir::Value>(mlir::ValueRange,
                                                             mlir::ValueRange)>
               merge);
  /// As laneLoop, over a run of elements known only at run time.
  llvm::SmallVector<mlir::Value>
  laneLoop(mlir::Value size, mlir::ValueRange inits,
           llvm::function_ref<llvm::SmallVector<mlir::Value>(Index,
                                                             mlir::ValueRange)>
               body);
  void laneLoop(mlir::Value size, llvm::function_ref<void(Index)> body);
  /// Walks all elements of a shape, lanes over the last axis.
  void eachElement(llvm::ArrayRef<Dim> dims,
                   llvm::function_ref<void(llvm::ArrayRef<Index>)> body);
  /// The mask of the first `count` lanes: none below 0, all from `lanes` on.
  mlir::Value firstLanes(mlir::Value count);
  int64_t tileRows() const { return machine.tileRows(); }
  llvm::SmallVector<mlir::Value>
  branch(mlir::Value condition, mlir::TypeRange types,
         llvm::function_ref<llvm::SmallVector<mlir::Value>()> then,
         llvm::function_ref<llvm::SmallVector<mlir::Value>()> otherwise);
  void when(mlir::Value condition, llvm::function_ref<void()> then);
  /// Runs `body` with lanes outside `mask` (also) switched off.
  mlir::Value masked(mlir::Value mask, llvm::function_ref<mlir::Value()> body);
  /// Runs `body` with all lanes switched on.
  void unmasked(llvm::function_ref<void()> body);
  mlir::Value currentMask() const { return scopes.back().mask; }
  /// Lanes that are invocations: which one this is, and how many there are.
  mlir::Value invocation(), invocations();
  /// Every invocation of the workgroup gets what all have, combined.
  mlir::Value combineInvocations(ReduceKind kind, mlir::Value v);
  /// An array that the invocations of a workgroup share.
  Buffer sharedArray(llvm::StringRef name, llvm::ArrayRef<Dim> dims,
                     mlir::Type elementType);
  /// An array of each invocation's own: registers, where loops over it are
  /// unrolled.
  Buffer ownArray(llvm::StringRef name, llvm::ArrayRef<Dim> dims,
                  mlir::Type elementType);
  /// The same of a number of elements that is a specialisation constant.
  Buffer sharedArray(llvm::StringRef name, mlir::Value size,
                     mlir::Type elementType);
  Buffer ownArray(llvm::StringRef name, mlir::Value size,
                  mlir::Type elementType);
  static bool isOwnArray(const Buffer &buffer);
  /// Waits for the other invocations of the workgroup, and sees what they have
  /// written. All of them must come here.
  void barrier();
  /// The same, of what they have written to shared arrays.
  void barrierOfArrays();
  /// Walks [0, count) in a loop that is unrolled; each invocation is on its own
  /// in it. `name` is what to call its variable.
  void unrolled(mlir::Value count, llvm::StringRef name,
                llvm::function_ref<void(Index)> body);
  void unrolled(int64_t count, llvm::StringRef name,
                llvm::function_ref<void(Index)> body) {
    unrolled(idx(count), name, body);
  }
  /// Forgets what was remembered: memory it was read from has changed.
  void forget();

  //===--------------------------------------------------------------------===//
  // Memory
  //===--------------------------------------------------------------------===//

  /// A piece of the thread's scratch, 64-byte aligned; of a shader, memory of
  /// the workgroup.
  Buffer allocate(llvm::ArrayRef<Dim> dims, mlir::Type elementType);
  /// Memory of a workgroup: a shared array where the size is known and there is
  /// room, else a piece of the workgroup's part of the dispatch's scratch.
  Buffer allocateForWorkgroup(llvm::ArrayRef<Dim> dims, mlir::Type elementType,
                              llvm::StringRef name);
  /// The scratch of all workgroups of a dispatch, seen as so many elements.
  Buffer scratchOfDispatch(const Dim &size, mlir::Type elementType);
  /// A piece of what the threads of a launch share, after its counters, which
  /// are 0 when the launch begins (runtime/mapsto.h).
  Buffer allocateShared(llvm::ArrayRef<Dim> dims, mlir::Type elementType);
  Buffer sharedCounters();
  mlir::Value load(const Buffer &buffer, llvm::ArrayRef<Index> indices);
  void store(mlir::Value value, const Buffer &buffer,
             llvm::ArrayRef<Index> indices);
  /// From here on whole vectors stored to `result` go past the caches where it
  /// is too large for them and its rows lie on whole vectors.
  void streamTo(const Buffer &result);
  /// Makes what was streamed visible to other threads.
  void endStream();
  /// Position in the buffer's memory; lanes must be along the last axis.
  Index linear(const Buffer &buffer, llvm::ArrayRef<Index> indices);

  //===--------------------------------------------------------------------===//
  // Elements
  //===--------------------------------------------------------------------===//

  /// The value of `tensor` at `indices`: a scalar, or a vector if one of them
  /// varies over lanes and the value depends on it.
  mlir::Value element(mlir::Value tensor, llvm::ArrayRef<Index> indices);
  /// The same, always a vector.
  mlir::Value elementVector(mlir::Value tensor, llvm::ArrayRef<Index> indices) {
    return splat(element(tensor, indices));
  }
  /// An i64 scalar tensor used as a position of an axis of `size`, counted
  /// from the end where negative, that has to stay below `bound`. Out of range
  /// is reported to the runtime and taken as 0.
  Index position(mlir::Value tensor, llvm::ArrayRef<Index> indices,
                 const Dim &size, const Dim &bound);
  Index position(mlir::Value tensor, llvm::ArrayRef<Index> indices,
                 const Dim &size) {
    return position(tensor, indices, size, size);
  }
  /// Tells the runtime of a bad position or divisor; the run then fails with
  /// the place in the source, the position and its bound.
  void report(mlir::Value bad, mlir::Location loc, mlir::Value position,
              mlir::Value bound);
  /// Whole-number divisors, with 1 for 0, which is reported to the runtime.
  mlir::Value checkedDivisor(mlir::Value divisor, mlir::Location loc);

  /// While alive, nothing is computed further out than where it was made:
  /// what is read there changes from step to step.
  struct HoistLimit {
    KernelEmitter &e;
    size_t before;
    explicit HoistLimit(KernelEmitter &e) : e(e), before(e.hoistLimit) {
      e.hoistLimit = e.scopes.size() - 1;
    }
    ~HoistLimit() { e.hoistLimit = before; }
  };

  /// Can a value at these indices differ from lane to lane? In a region that is
  /// evaluated for a vector of keys it can, whatever its indices.
  bool varies(llvm::ArrayRef<Index> indices) const {
    return inLaneRegion || llvm::any_of(indices, [](const Index &i) {
             return i.kind != Index::Uniform;
           });
  }
  bool inLaneRegion = false;

private:
  struct Scope {
    mlir::Block *block;
    mlir::Value mask;
    std::map<std::pair<void *, std::vector<Index>>, mlir::Value> memo;
    std::map<std::pair<char, std::vector<void *>>, mlir::Value> arithmetic;
  };
  struct ScopeGuard;

  /// The lanes of [start, end), start a multiple of their number.
  llvm::SmallVector<mlir::Value>
  lanesFrom(int64_t start, int64_t end, mlir::ValueRange inits,
            llvm::function_ref<llvm::SmallVector<mlir::Value>(Index,
                                                              mlir::ValueRange)>
                body);
  llvm::SmallVector<mlir::Value>
  lanesFrom(mlir::Value start, mlir::Value end, mlir::ValueRange inits,
            llvm::function_ref<llvm::SmallVector<mlir::Value>(Index,
                                                              mlir::ValueRange)>
                body);
  Buffer allocateIn(mlir::Value memory, Dim &used, llvm::ArrayRef<Dim> dims,
                    mlir::Type elementType);
  void storeToStream(mlir::Value vector, mlir::Value position);
  mlir::Value compute(mlir::Value tensor, llvm::ArrayRef<Index> indices);
  mlir::Value remembered(mlir::Value tensor, const std::vector<Index> &key);
  size_t outermostScope(llvm::ArrayRef<mlir::Value> values);
  void enterScope(size_t level, llvm::function_ref<void()> body);
  mlir::Value maskOf(mlir::Value count);
  mlir::Value outermost(char operation, mlir::Value x, mlir::Value y);

  /// Stores to this memory are streamed if the condition holds.
  struct {
    mlir::Value memref, condition;
    int64_t alignment = 0;
  } stream;
  std::vector<Scope> scopes;

  size_t hoistLimit = 0;
  mlir::Block *entry;
  mlir::Operation *preamble = nullptr;
  std::map<std::string, mlir::Value> dimValues;
  std::map<int64_t, mlir::Value> indexConstants;
  mlir::Value thisInvocation, allInvocations;
  /// Of a shader's scratch, by the type it is seen as: the argument that stands
  /// for it, and where the workgroup's part begins.
  llvm::MapVector<mlir::Type, std::pair<mlir::Value, mlir::Value>> scratchViews;
  /// What delinearize() took apart last.
  struct {
    Dims dims;
    Indices indices;
    Index linear;
  } delinearized;
};

/// The value of an op's result at `indices`, by the op's rule. Null for an op
/// that has none (it is always materialised).
mlir::Value emitElement(KernelEmitter &e, mlir::OpResult result,
                        llvm::ArrayRef<Index> indices);
/// The parts of emitElement: pointwise arithmetic; ops that only move
/// elements; contractions computed in place.
mlir::Value emitPointwise(KernelEmitter &e, mlir::Operation *op,
                          llvm::ArrayRef<mlir::Value> operands);
mlir::Value emitMovement(KernelEmitter &e, mlir::Operation *op,
                         llvm::ArrayRef<Index> indices);
mlir::Value emitContraction(KernelEmitter &e, mlir::Operation *op,
                            llvm::ArrayRef<Index> indices);

} // namespace mapsto

#endif // MAPSTO_COMPILER_KERNEL_KERNELEMITTER_H
