#include "runtime/arena.h"

namespace mapsto::runtime {

static bool meet(const ArenaItem &a, const ArenaItem &b) {
  return a.first <= b.last && b.first <= a.last;
}

static bool roundSizes(Array<ArenaItem> &items) {
  uint64_t sum = 0;
  for (ArenaItem &item : items) {
    if (item.size > INT64_MAX - kArenaAlignment)
      return false;
    item.size =
        (item.size + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
    if (__builtin_add_overflow(sum, item.size, &sum) || sum > INT64_MAX)
      return false;
  }
  return true;
}

static uint64_t mostAlive(const Array<ArenaItem> &items) {
  uint64_t most = 0;
  for (const ArenaItem &birth : items) { // the maximum is met at some birth
    uint64_t alive = 0;
    for (const ArenaItem &item : items)
      if (item.first <= birth.first && birth.first <= item.last)
        alive += item.size;
    most = alive > most ? alive : most;
  }
  return most;
}

static int bySizeDescending(const void *a, const void *b, void *context) {
  const ArenaItem *items = static_cast<const ArenaItem *>(context);
  uint32_t i = *static_cast<const uint32_t *>(a);
  uint32_t j = *static_cast<const uint32_t *>(b);
  if (items[i].size != items[j].size)
    return items[i].size > items[j].size ? -1 : 1;
  return i < j ? -1 : 1; // a plan must not depend on the sort
}

/// The start of the smallest gap that holds `size` between the placed items
/// (sorted by offset) that are alive with `item`, or the end of them all.
static uint64_t bestGap(const Array<ArenaItem> &items,
                        const Array<uint32_t> &placed, const ArenaItem &item) {
  uint64_t end = 0, best = 0, bestSize = UINT64_MAX;
  for (uint32_t id : placed) {
    const ArenaItem &other = items[id];
    if (!meet(item, other))
      continue;
    if (other.offset >= end) {
      uint64_t gap = other.offset - end;
      if (gap >= item.size && gap < bestSize) {
        best = end;
        bestSize = gap;
      }
    }
    uint64_t otherEnd = other.offset + other.size;
    end = otherEnd > end ? otherEnd : end;
  }
  return bestSize == UINT64_MAX ? end : best;
}

static void insertByOffset(const Array<ArenaItem> &items,
                           Array<uint32_t> &placed, uint32_t id) {
  placed.push(id);
  for (size_t i = placed.size() - 1;
       i > 0 && items[placed[i - 1]].offset > items[id].offset; --i) {
    placed[i] = placed[i - 1];
    placed[i - 1] = id;
  }
}

bool planArena(Array<ArenaItem> &items, ArenaPlan &plan) {
  if (!roundSizes(items))
    return false;
  Array<uint32_t> order, placed;
  for (uint32_t i = 0; i < items.size(); ++i)
    if (items[i].size)
      order.push(i);
  if (!order.empty())
    qsort_r(order.data(), order.size(), sizeof(uint32_t), bySizeDescending,
            items.data());
  plan = {};
  for (uint32_t id : order) {
    ArenaItem &item = items[id];
    item.offset = bestGap(items, placed, item);
    insertByOffset(items, placed, id);
    uint64_t end = item.offset + item.size;
    plan.peak = end > plan.peak ? end : plan.peak;
  }
  plan.lowerBound = mostAlive(items);
  return true;
}

} // namespace mapsto::runtime
