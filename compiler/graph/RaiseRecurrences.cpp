//===- RaiseRecurrences.cpp - Recurrences whose steps were written out ----===//
//
// Exporters that know no loop write a recurrence step by step. It is one op
// again, whatever its cell is:
//
//   %x0 = mapsto.slice %x [.., 0, ..]
//   %h1 = mapsto.tanh (mapsto.add %x0, (mapsto.matmul %h0, %w))
//   %x1 = mapsto.slice %x [.., 1, ..]
//   %h2 = mapsto.tanh (mapsto.add %x1, (mapsto.matmul %h1, %w))
//   ...
//   %all = mapsto.concat %h1, %h2, ...
// becomes
//   %last, %all = mapsto.scan init(%h0) over(%x) {axis = 1, count = "T"} {
//     ^bb0(%h, %x_t):
//       %n = mapsto.tanh (mapsto.add %x_t, (mapsto.matmul %h, %w))
//       mapsto.yield %n, %n
//   }
//
// It begins with products by the same matrix of which each needs the one
// before. What looks like a recurrence and stays is noted, with the reason.
//
//===----------------------------------------------------------------------===//

#include "compiler/Passes.h"
#include "compiler/graph/Remarks.h"
#include "compiler/graph/Rerolling.h"

#include "llvm/ADT/MapVector.h"

namespace mapsto {

#define GEN_PASS_DEF_RAISERECURRENCES
#include "compiler/Passes.h.inc"

using namespace mlir;

namespace {

using Chain = SmallVector<Operation *>;

/// So many chains of one matrix's products are looked at.
constexpr size_t kMostChains = 16;
constexpr size_t kFewestLinks = 3;
/// So many products by one matrix may be in a step.
constexpr size_t kMostOfStep = 4;

/// What is the same in each step of a cell: the matrix that its state is
/// multiplied by, or a whole recurrence of one step. Null if it is no cell.
const void *keyOf(Operation &op) {
  if (auto matmul = dyn_cast<MatmulOp>(op)) {
    // The rows are of one axis at most: a batch of states.
    Dims rows = dimsOf(matmul.getLhs());
    rows.pop_back();
    bool isCell =
        llvm::count_if(rows, [](const Dim &d) { return d != Dim(1); }) <= 1;
    return isCell && dimsOf(matmul.getRhs()).size() == 2
               ? matmul.getRhs().getAsOpaquePointer()
               : nullptr;
  }
  if (auto scan = dyn_cast<ScanOp>(op); scan && scan.getCount() == "1")
    for (auto matmul : scan.getBody().getOps<MatmulOp>())
      return matmul.getRhs().getAsOpaquePointer();
  return nullptr;
}

/// Products of one matrix, each of which needs the one before it in its chain.
std::vector<Chain> chainsOf(Block &block, ArrayRef<Operation *> products) {
  std::vector<Chain> chains;
  // Of each op the chains that it needs, up to which link.
  using Reach = llvm::SmallMapVector<size_t, size_t, 2>;
  llvm::DenseMap<Operation *, Reach> reaches;
  llvm::SmallPtrSet<Operation *, 16> isProduct(products.begin(),
                                               products.end());
  for (auto at = products.front()->getIterator(); at != block.end(); ++at) {
    Reach reach;
    at->walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        if (auto known = reaches.find(operand.getDefiningOp());
            known != reaches.end())
          for (auto [chain, link] : known->second)
            reach[chain] = std::max(reach[chain], link);
    });
    if (isProduct.contains(&*at)) {
      auto end = llvm::find_if(reach, [&](auto known) {
        return known.second + 1 == chains[known.first].size();
      });
      size_t chain = end == reach.end() ? chains.size() : end->first;
      if (chain == kMostChains)
        break;
      if (chain == chains.size())
        chains.emplace_back();
      reach[chain] = chains[chain].size();
      chains[chain].push_back(&*at);
    }
    if (!reach.empty())
      reaches[&*at] = std::move(reach);
  }
  llvm::erase_if(
      chains, [](const Chain &chain) { return chain.size() < kFewestLinks; });
  return chains;
}

/// The products that may be one a step: a step may have several by the same
/// matrix, and the first one is often simpler than the others, as its state is
/// zeros.
SmallVector<Chain> anchorsIn(ArrayRef<Operation *> chain) {
  SmallVector<Chain> all;
  for (size_t each = 1; each <= kMostOfStep; ++each)
    for (size_t first : {size_t(0), each}) {
      Chain anchors;
      for (size_t i = first; i < chain.size(); i += each)
        anchors.push_back(chain[i]);
      if (anchors.size() >= kFewestLinks)
        all.push_back(std::move(anchors));
    }
  return all;
}

struct RaiseRecurrences : public impl::RaiseRecurrencesBase<RaiseRecurrences> {
  void runOnOperation() override {
    SmallVector<Block *> blocks;
    getOperation().walk([&](Block *block) {
      if (isa<func::FuncOp, RepeatOp>(block->getParentOp()))
        blocks.push_back(block);
    });
    SmallVector<std::string> kept;
    for (Block *block : blocks) {
      seen.clear();
      while (raiseOne(*block, kept))
        ;
    }
    llvm::append_range(raised, kept);
    addRemarks(getOperation(), raised);
    raised.clear();
    seen.clear();
  }

  /// Raises the first recurrence of the block that can be; false if none can.
  bool raiseOne(Block &block, SmallVector<std::string> &kept) {
    llvm::MapVector<const void *, SmallVector<Operation *>> products;
    for (Operation &op : block)
      if (const void *key = keyOf(op))
        products[key].push_back(&op);
    for (auto &[key, copies] : products) {
      if (copies.size() < kFewestLinks)
        continue;
      for (const Chain &chain : chainsOf(block, copies))
        if (!seen.contains(chain.front()) && raise(chain, kept))
          return true;
    }
    return false;
  }

  bool raise(ArrayRef<Operation *> chain, SmallVector<std::string> &kept) {
    std::string name = nameOf(chain.front(), "a product");
    std::optional<std::string> why;
    for (const Chain &anchors : anchorsIn(chain)) {
      Unrolled unrolled(anchors);
      std::optional<std::string> failed = unrolled.match();
      if (!unrolled.shouldBeBefore().empty()) {
        Unrolled again(anchors, unrolled.shouldBeBefore());
        if (!again.match()) {
          failed.reset();
          std::swap(unrolled, again);
        }
      }
      if (!failed) {
        raised.push_back(name + ": " + std::to_string(unrolled.steps) +
                         " steps that were written out are one recurrence");
        Rerolling(unrolled).run();
        return true;
      }
      if (!why)
        why = failed;
      unrolled.forEachOp([&](Operation *op) { seen.insert(op); });
    }
    if (!why->empty())
      kept.push_back(name + " looks like a recurrence of " +
                     std::to_string(chain.size()) +
                     " steps and stays written out: " + *why);
    return false;
  }

  SmallVector<std::string> raised;
  /// What was met in chains that are no recurrence.
  llvm::DenseSet<Operation *> seen;
};

} // namespace
} // namespace mapsto
