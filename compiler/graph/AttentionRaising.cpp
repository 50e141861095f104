//===- AttentionRaising.cpp - The op that a candidate becomes -------------===//

#include "compiler/graph/AttentionCandidate.h"
#include "compiler/graph/AttentionOperands.h"
#include "compiler/graph/MaskBounds.h"

#include "mlir/Analysis/TopologicalSortUtils.h"

using namespace mlir;

namespace mapsto {

/// What is added to a score, or put in its place, to remove a pair. In f32
/// numbers of this size differ by 64 at least: any real score is far above.
constexpr double kRemoved = -1e9;

//===----------------------------------------------------------------------===//
// The op
//===----------------------------------------------------------------------===//

AttentionOp AttentionCandidate::create(GraphBuilder &b) {
  auto shaped = [&](Value v) {
    Dims dims = batch, own = dimsOf(v);
    dims.append(own.end() - 2, own.end());
    return dims == own ? v : b.reshape(v, dims);
  };
  auto rows = [&](MatmulOp matmul, bool isTransposed) {
    Value rhs = matmul.getRhs();
    if (matmul.getTransposed() == isTransposed)
      return rhs;
    auto order = llvm::to_vector(llvm::seq<int64_t>(dimsOf(rhs).size()));
    std::swap(order[order.size() - 1], order[order.size() - 2]);
    return mapsto::transpose(b.builder, b.loc, rhs, order);
  };
  Value query = shaped(withoutFactor(b, product.getLhs(), scale));
  Value key = shaped(withoutFactor(b, rows(product, true), scale));
  Value value = shaped(rows(output, false));
  if (!batch.empty()) {
    int64_t heads = int64_t(batch.size()) - 1;
    Dim times = repeatsAlong(key, heads);
    if (times == repeatsAlong(value, heads) && times != Dim(1)) {
      key = withoutRepeats(b, key, heads, times);
      value = withoutRepeats(b, value, heads, times);
    }
  }
  // The widest type among them; sums are taken in f32 anyway.
  Type element = elementTypeOf(value);
  if (elementTypeOf(query).getIntOrFloatBitWidth() >
      element.getIntOrFloatBitWidth())
    element = elementTypeOf(query);
  else if (elementTypeOf(query) != element &&
           element.getIntOrFloatBitWidth() <= 16)
    element = b.builder.getF32Type(); // f16 and bf16
  query = b.cast(query, element);
  key = b.cast(key, element);
  value = b.cast(value, element);
  Dims outputDims(batch), weightsDims(batch);
  Dims own = dimsOf(output.getResult()), scores = dimsOf(softmax.getX());
  outputDims.append(own.end() - 2, own.end());
  weightsDims.append(scores.end() - 2, scores.end());
  return AttentionOp::create(
      b.builder, b.loc, tensorOf(outputDims, element),
      weightsWanted ? tensorOf(weightsDims, elementTypeOf(softmax.getX()))
                    : Type(),
      Type(), ValueRange{query}, ValueRange{key}, value, llvm::APFloat(scale),
      Normalizer::softmax);
}

Block *AttentionCandidate::addBlock(AttentionOp op, Region &region,
                                    bool takesScore) {
  Block &block = region.emplaceBlock();
  MLIRContext *context = op.getContext();
  auto scalarOf = [](Type type) { return RankedTensorType::get({}, type); };
  if (takesScore)
    block.addArgument(scalarOf(elementTypeOf(softmax.getX()).isF64()
                                   ? Type(Float64Type::get(context))
                                   : Type(Float32Type::get(context))),
                      op.getLoc());
  for (size_t i = 0; i < batch.size() + 2; ++i)
    block.addArgument(scalarOf(IntegerType::get(context, 64)), op.getLoc());
  return &block;
}

/// Where the pair's element is in `tensor`, one of the path.
Place AttentionCandidate::placeIn(PairElements &elements, Block &block,
                                  Value tensor) {
  size_t count = batch.size() + 2;
  Place place(block.getArguments().take_back(count));
  Dims whole(batch), own = dimsOf(tensor);
  whole.append(own.end() - 2, own.end());
  if (whole == own)
    return place;
  Place moved =
      elements.move(ArrayRef(place).drop_back(2), batch, leadOf(tensor));
  moved.append(place.end() - 2, place.end());
  return moved;
}

//===----------------------------------------------------------------------===//
// The mask
//===----------------------------------------------------------------------===//

/// If one of the two sides removes a pair, and the other leaves it as it is.
std::optional<AttentionCandidate::Removal>
AttentionCandidate::removalOf(SelectOp select, const Place &place,
                              bool isTable) {
  if (isOnPath(select.getCondition()))
    return std::nullopt;
  for (bool stays : {true, false}) {
    Value kept = stays ? select.getX() : select.getY();
    auto number = uniformValue(stays ? select.getY() : select.getX());
    if (number && *number <= kRemoved &&
        (isTable ? uniformValue(kept) == 0 : isOnPath(kept)))
      return Removal{select.getCondition(), stays, place, *number == -INFINITY,
                     select.getResult()};
  }
  return std::nullopt;
}

/// Of a table that is added to the scores, the parts that remove pairs and the
/// number of others.
void AttentionCandidate::collectRemovals(Value added, Place place,
                                         PairElements &elements,
                                         SmallVectorImpl<Removal> &removals,
                                         int &others) {
  while (Operation *view = added.getDefiningOp()) {
    if (!isa<CastOp>(view)) {
      auto next = elements.behind(view, place);
      if (!next)
        break;
      place = *next;
    }
    added = view->getOperand(0);
  }
  if (auto sum = added.getDefiningOp<AddOp>()) {
    collectRemovals(sum.getLhs(), place, elements, removals, others);
    collectRemovals(sum.getRhs(), place, elements, removals, others);
    return;
  }
  if (auto select = added.getDefiningOp<SelectOp>())
    if (auto removal = removalOf(select, place, /*isTable=*/true))
      return removals.push_back(*removal);
  ++others;
}

/// Whether the mask leaves every query its first key at least.
static bool leavesAKey(Region &mask) {
  MaskBounds bounds = analyzeMask(mask, 0);
  return bounds.exact && bounds.behind.empty() && bounds.ends.empty() &&
         bounds.begins.empty() &&
         llvm::all_of(bounds.ahead, [](const Dim &ahead) {
           return ahead.constant().value_or(-1) >= 0;
         });
}

/// Turns the ops that remove pairs into the mask, from the softmax up. False
/// where the mask says too much.
bool AttentionCandidate::writeMask(AttentionOp op, bool onlyCertain) {
  Block *block = addBlock(op, op.getMask(), /*takesScore=*/false);
  PairElements elements(*block);
  unmasked.clear();
  spent.clear();
  Value kept, v = softmax.getX();
  bool isCertain = true;
  int others = 0; // what else has a say in the scores
  auto require = [&](const Removal &removal) {
    Value condition = elements.element(removal.condition, removal.place);
    if (!removal.stays)
      condition = elements.negated(condition);
    others += kept ? 1 : 0;
    kept = kept ? elements.b.create<AndOp>(kept, condition) : condition;
    isCertain &= removal.isCertain;
  };
  auto counts = [&](const Removal &removal) {
    return removal.isCertain || !onlyCertain;
  };
  // A removed pair stays removed whatever number is added to its score, and
  // multiplied by what is above 0.
  while (v != base) {
    Operation *step = v.getDefiningOp();
    Place place = placeIn(elements, *block, v);
    if (auto select = dyn_cast<SelectOp>(step)) {
      auto removal = removalOf(select, place, /*isTable=*/false);
      if (!removal || !counts(*removal))
        break;
      require(*removal);
      Value rest = removal->stays ? select.getX() : select.getY();
      unmasked.emplace_back(v, rest);
      v = rest;
      continue;
    }
    SmallVector<unsigned, 2> sides;
    for (unsigned side = 0; side < step->getNumOperands(); ++side)
      if (isOnPath(step->getOperand(side)))
        sides.push_back(side);
    if (sides.size() != 1)
      break;
    unsigned side = sides[0];
    if (isa<AddOp>(step)) {
      SmallVector<Removal> removals;
      collectRemovals(step->getOperand(1 - side), place, elements, removals,
                      others);
      for (const Removal &removal : removals) {
        if (!counts(removal))
          continue;
        require(removal);
        spent.push_back(removal.marked);
      }
    } else if (isa<MulOp, DivOp>(step)) {
      bool isFactor = isa<MulOp>(step) || side == 0;
      if (!isFactor ||
          uniformValue(step->getOperand(1 - side)).value_or(0) <= 0)
        break;
      ++others;
    } else if (!isa<ReshapeOp, CastOp>(step)) {
      break;
    }
    v = step->getOperand(side);
  }
  if (!kept) {
    op.getMask().getBlocks().clear();
    return true;
  }
  elements.b.builder.setInsertionPointToEnd(block);
  YieldOp::create(elements.b.builder, op.getLoc(), kept);
  // A number that is not -inf removes a pair only beside one that stays:
  // nothing else may have a say in that.
  return isCertain || (others == 0 && v == base && leavesAKey(op.getMask()));
}

void AttentionCandidate::writeModify(AttentionOp op) {
  Block *block = addBlock(op, op.getModify(), /*takesScore=*/true);
  PairElements elements(*block);
  elements.compute(path.getArrayRef());
  elements.give(base, block->getArgument(0));
  for (auto [removed, rest] : unmasked)
    elements.replace(removed, rest);
  for (Value table : spent)
    elements.giveNothing(table);
  Value score = elements.element(softmax.getX(),
                                 placeIn(elements, *block, softmax.getX()));
  score = elements.b.cast(score, elementTypeOf(block->getArgument(0)));
  while (auto cast = score.getDefiningOp<CastOp>())
    if (cast.getX() == block->getArgument(0))
      score = cast.getX();
    else
      break;
  if (score == block->getArgument(0)) {
    op.getModify().getBlocks().clear();
    return;
  }
  YieldOp::create(elements.b.builder, op.getLoc(), score);
}

void AttentionCandidate::raise() {
  OpBuilder builder(output);
  GraphBuilder b(builder, softmax.getLoc());
  AttentionOp op = create(b);
  if (!writeMask(op, /*onlyCertain=*/false)) {
    op.getMask().dropAllReferences();
    op.getMask().getBlocks().clear();
    writeMask(op, /*onlyCertain=*/true);
  }
  writeModify(op);
  output.getResult().replaceAllUsesWith(
      b.cast(b.reshape(op.getOutput(), dimsOf(output.getResult())),
             elementTypeOf(output.getResult())));
  if (weightsWanted) {
    softmax.getResult().replaceAllUsesWith(
        b.reshape(op.getWeights(), dimsOf(softmax.getResult())));
    // What uses the weights may have stood before the values.
    sortTopologically(op->getBlock());
  }
}

} // namespace mapsto
