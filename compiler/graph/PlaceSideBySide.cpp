//===- PlaceSideBySide.cpp - Recurrences that can run at once -------------===//
//
// A step of a recurrence is little work, and its threads wait for each other
// between steps. Two recurrences that do not need each other's results, as the
// directions of a layer, keep two threads busy without any wait. Here what the
// later one needs is done first, and it follows the other at once:
//
//   %p = launch @project(%x)              %p = launch @project(%x)
//   %a = launch @forward(%p)        ==>   %q = launch @project_1(%x)
//   %q = launch @project_1(%x)            %a = launch @forward(%p)
//   %b = launch @backward(%q)             %b = launch @backward(%q) {beside}
//
// Then the operands of all are alive at the same time, as the memory plan knows
// from `beside`.
//
//===----------------------------------------------------------------------===//

#include "compiler/KernelAttributes.h"
#include "compiler/Passes.h"
#include "dialect/MapstoDialect.h"

using namespace mlir;

namespace mapsto {

#define GEN_PASS_DEF_PLACESIDEBYSIDE
#include "compiler/Passes.h.inc"

namespace {

/// More at once would take more memory than a few threads gain by them.
constexpr size_t kMostBeside = 4;

struct PlaceSideBySide : impl::PlaceSideBySideBase<PlaceSideBySide> {
  void runOnOperation() override {
    auto main = getOperation().lookupSymbol<func::FuncOp>(kEntryName);
    if (!main || main.isExternal())
      return;
    place(main.getBody().front());
    main.walk([&](RepeatOp repeat) { place(repeat.getBody().front()); });
  }

  KernelOp kernelOf(LaunchOp launch) {
    return getOperation().lookupSymbol<KernelOp>(launch.getKernel());
  }

  void place(Block &block) {
    std::vector<LaunchOp> scans;
    for (auto launch : block.getOps<LaunchOp>())
      if (kernelOf(launch).getKind() == KernelKind::scan)
        scans.push_back(launch);
    while (scans.size() > 1) {
      SmallVector<LaunchOp> together{scans.front()};
      std::vector<LaunchOp> others;
      for (LaunchOp scan : ArrayRef(scans).drop_front())
        if (together.size() == kMostBeside || !moveBeside(scan, together))
          others.push_back(scan);
      scans = std::move(others);
    }
  }

  /// Puts the scan after those that are `together`, and before them what it
  /// needs. Does nothing where it needs one of them, or what stays in its
  /// place: a loop, or an update, which takes its operand's memory if nothing
  /// reads that later.
  bool moveBeside(LaunchOp scan, SmallVectorImpl<LaunchOp> &together) {
    LaunchOp first = together.front();
    llvm::SetVector<Operation *> needed;
    SmallVector<Operation *> pending{scan};
    while (!pending.empty())
      for (Value operand : pending.pop_back_val()->getOperands()) {
        Operation *definition = operand.getDefiningOp();
        if (!definition || definition->getBlock() != first->getBlock() ||
            definition->isBeforeInBlock(first))
          continue;
        auto launch = dyn_cast<LaunchOp>(definition);
        bool stays = launch ? llvm::is_contained(together, launch) ||
                                  kernelOf(launch)->hasAttr(kInPlaceAttr)
                            : !isMemoryEffectFree(definition) ||
                                  definition->getNumRegions() > 0;
        if (stays)
          return false;
        if (needed.insert(definition))
          pending.push_back(definition);
      }
    SmallVector<Operation *> inOrder(needed.begin(), needed.end());
    llvm::sort(inOrder, [](Operation *a, Operation *b) {
      return a->isBeforeInBlock(b);
    });
    for (Operation *op : inOrder)
      op->moveBefore(first);
    scan->moveAfter(together.back());
    scan.setBeside(true);
    together.push_back(scan);
    return true;
  }
};

} // namespace
} // namespace mapsto
