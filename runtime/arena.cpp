#include "runtime/arena.h"

namespace mapsto::runtime {

/// Tries for each order. Most models' plans meet the bound at the first.
static constexpr int kRounds = 8;
/// A plan that takes less than a 16th more than the bound is left at that.
static constexpr uint64_t kCloseEnough = 16;
/// Comparisons of two items after which no try follows: about 1 ms. A try takes
/// the square of their number.
static constexpr size_t kMostComparisons = 1 << 20;

static bool meet(const ArenaItem &a, const ArenaItem &b) {
  return a.first <= b.last && b.first <= a.last;
}

static bool roundSizes(Array<ArenaItem> &items, uint64_t alignment) {
  uint64_t sum = 0;
  for (ArenaItem &item : items) {
    if (item.size > INT64_MAX - alignment)
      return false;
    item.size = (item.size + alignment - 1) / alignment * alignment;
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

/// What goes first: no one order is the best for all lives, so several are
/// tried and the best plan is kept.
enum class Order { Size, Birth, Death, Area, Last = Area };

struct Sorting {
  const ArenaItem *items;
  Order order;

  uint64_t key(uint32_t i) const { // the least goes first
    const ArenaItem &item = items[i];
    switch (order) {
    case Order::Size:
      return 0;
    case Order::Birth:
      return item.first;
    case Order::Death:
      return UINT32_MAX - item.last;
    case Order::Area:
      break;
    }
    uint64_t area;
    if (__builtin_mul_overflow(item.size, uint64_t(item.last - item.first) + 1,
                               &area))
      area = UINT64_MAX;
    return UINT64_MAX - area;
  }
};

static int compare(const void *a, const void *b, void *context) {
  const Sorting &sorting = *static_cast<const Sorting *>(context);
  uint32_t i = *static_cast<const uint32_t *>(a);
  uint32_t j = *static_cast<const uint32_t *>(b);
  uint64_t left = sorting.key(i), right = sorting.key(j);
  if (left != right)
    return left < right ? -1 : 1;
  if (sorting.items[i].size != sorting.items[j].size)
    return sorting.items[i].size > sorting.items[j].size ? -1 : 1;
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

/// Places the items in this order, writes their offsets and gives the peak.
/// `highest`: the place in the order of the item that reaches it.
static uint64_t place(Array<ArenaItem> &items, const Array<uint32_t> &order,
                      Array<uint32_t> &placed, size_t &highest) {
  uint64_t peak = 0;
  placed.clear();
  for (size_t i = 0; i < order.size(); ++i) {
    ArenaItem &item = items[order[i]];
    item.offset = bestGap(items, placed, item);
    insertByOffset(items, placed, order[i]);
    uint64_t end = item.offset + item.size;
    if (end > peak) {
      peak = end;
      highest = i;
    }
  }
  return peak;
}

static void moveToFront(Array<uint32_t> &order, size_t from) {
  uint32_t id = order[from];
  for (size_t i = from; i > 0; --i)
    order[i] = order[i - 1];
  order[0] = id;
}

bool planArena(Array<ArenaItem> &items, ArenaPlan &plan, uint64_t alignment) {
  if (!roundSizes(items, alignment))
    return false;
  plan = {};
  plan.lowerBound = mostAlive(items);
  Array<uint32_t> order, placed;
  for (uint32_t i = 0; i < items.size(); ++i)
    if (items[i].size)
      order.push(i);
  if (order.empty())
    return true;
  Array<uint64_t> best;
  plan.peak = UINT64_MAX;
  uint64_t enough = plan.lowerBound + plan.lowerBound / kCloseEnough;
  size_t comparisons = 0;
  auto isDone = [&] {
    return plan.peak <= enough || comparisons > kMostComparisons;
  };
  for (int o = 0; o <= int(Order::Last) && !isDone(); ++o) {
    Sorting sorting{items.data(), Order(o)};
    qsort_r(order.data(), order.size(), sizeof(uint32_t), compare, &sorting);
    // The item that sticks out goes first in the next try.
    for (int round = 0; round < kRounds && !isDone(); ++round) {
      comparisons += order.size() * order.size();
      size_t highest = 0;
      uint64_t peak = place(items, order, placed, highest);
      if (peak < plan.peak) {
        plan.peak = peak;
        best.clear();
        for (const ArenaItem &item : items)
          best.push(item.offset);
      }
      moveToFront(order, highest);
    }
  }
  for (size_t i = 0; i < items.size(); ++i)
    items[i].offset = best[i];
  return true;
}

} // namespace mapsto::runtime
