#include "runtime/session.h"

#include "runtime/busy.h"
#include "runtime/expr.h"
#include "runtime/side_by_side.h"
#include "runtime/waiting.h"

namespace mapsto::runtime {

namespace {

/// Operations between two waits of a team that make up for a wait, which takes
/// 0.3 to 1 us.
constexpr int64_t kWorthAWait = 100'000;

constexpr int64_t kCounterBytes = MAPSTO_SHARED_COUNTERS * sizeof(int64_t);

/// What buffers of no bytes point to.
alignas(64) char nothing[64];

/// A kernel's launch as the thread pool sees it.
struct Launch {
  mapsto_kernel_fn kernel = nullptr;
  void *const *buffers = nullptr;
  const int64_t *symbols = nullptr;
  char *scratch = nullptr;
  int64_t scratchBytes = 0;
  int64_t grid = 0;
  void *shared = nullptr;
  std::atomic<int> failed{0}; ///< 1: being filled in, 2: `error` is set
  mapsto_kernel_context error{};

  static void range(void *context, int lane, int64_t begin, int64_t end) {
    Launch &launch = *static_cast<Launch *>(context);
    mapsto_kernel_context result{};
    result.shared = launch.shared;
    launch.kernel(launch.buffers, launch.symbols,
                  launch.scratch + lane * launch.scratchBytes, begin, end,
                  &result);
    launch.note(result);
  }

  static void member(void *context, int lane, mapsto_kernel_context *seat) {
    Launch &launch = *static_cast<Launch *>(context);
    launch.kernel(launch.buffers, launch.symbols,
                  launch.scratch + lane * launch.scratchBytes, 0, launch.grid,
                  seat);
    launch.note(*seat);
  }

  void note(const mapsto_kernel_context &result) {
    int none = 0;
    if (result.error_code && failed.compare_exchange_strong(none, 1))
      error = result; // read after all threads have left
  }
};

/// Members of the team that does this launch; 1: no team.
int teamFor(const KernelSizes &sizes, int threads) {
  if (sizes.waits <= 0 || sizes.grid != 1 || threads <= 1 ||
      sizes.cost / sizes.waits < kWorthAWait)
    return 1;
  return teamSize(threads);
}

mapsto_status outOfMemory(mapsto_session &s, const char *what, uint64_t bytes) {
  return s.fail(MAPSTO_OUT_OF_MEMORY, "out of memory: %s take %llu bytes", what,
                (unsigned long long)bytes);
}

struct Executor {
  mapsto_session &s;
  const Manifest &m;

  //===--- Memory
  //----------------------------------------------------------===//

  mapsto_status allocate() {
    if (!s.arena.ensure(s.plan.peak))
      return outOfMemory(s, "intermediate values", s.plan.peak);
    uint64_t scratch;
    if (__builtin_mul_overflow(uint64_t(s.scratchBytes), uint64_t(s.threads),
                               &scratch) ||
        !s.scratch.ensure(scratch))
      return outOfMemory(s, "kernels", uint64_t(s.scratchBytes));
    if (!s.shared.ensure(uint64_t(s.sharedBytes)))
      return outOfMemory(s, "kernels", uint64_t(s.sharedBytes));
    return readyTensors(s);
  }

  void *address(uint32_t i) {
    const BufferRecord &b = m.buffers[i];
    switch (BufferKind(b.kind)) {
    case BufferKind::Input: // read only, as Manifest::open has checked
      return const_cast<void *>(s.inputs[b.index].data);
    case BufferKind::Output:
      return s.outputs[b.index].data ? s.outputs[b.index].data
                                     : s.outputs[b.index].owned.data();
    case BufferKind::State:
      return s.states[b.index].memory.data();
    case BufferKind::Weights:
      return const_cast<char *>(s.artifact->weights + b.offset);
    case BufferKind::Arena:
      return s.arena.data() + s.bufferOffsets[i];
    case BufferKind::Alias:
      return static_cast<char *>(s.buffers[b.index]) + s.bufferOffsets[i];
    }
    return nullptr;
  }

  void resolve() {
    s.buffers.resize(m.buffers.count);
    for (uint32_t i = 0; i < m.buffers.count; ++i)
      s.buffers[i] = s.bufferSizes[i] ? address(i) : nothing;
    s.operands.resize(m.indices.count);
    for (const StepRecord &step : m.steps)
      for (uint32_t i = 0; i < step.buffers.count; ++i)
        s.operands[step.buffers.first + i] =
            s.buffers[m.indices[step.buffers.first + i]];
  }

  //===--- Steps
  //-----------------------------------------------------------===//

  void prepare(const StepRecord &step, Launch &launch) {
    launch.kernel = s.artifact->kernels[step.kernel];
    launch.buffers = s.operands.data() + step.buffers.first;
    launch.symbols = s.symbols.data();
    launch.scratch = s.scratch.data();
    launch.scratchBytes = s.scratchBytes;
    launch.grid = s.kernelSizes[step.kernel].grid;
  }

  mapsto_status finish(const StepRecord &step, const Launch &launch,
                       int64_t start, int64_t end, int threads) {
    if (s.onStep) {
      const KernelSizes &sizes = s.kernelSizes[step.kernel];
      mapsto_step_time time{step.kernel, start,       end,
                            sizes.flops, sizes.bytes, threads};
      s.onStep(s.onStepUser, &time);
    }
    if (launch.failed.load(std::memory_order_acquire))
      return indexError(s, step.kernel, m.kernels[step.kernel].sites,
                        launch.error);
    return MAPSTO_OK;
  }

  mapsto_status launch(const StepRecord &step) {
    const KernelSizes &sizes = s.kernelSizes[step.kernel];
    Launch launch;
    prepare(step, launch);
    launch.shared = s.shared.data();
    if (sizes.shared > 0)
      memset(s.shared.data(), 0,
             size_t(s.sharedBytes < kCounterBytes ? s.sharedBytes
                                                  : kCounterBytes));
    int64_t start = s.onStep ? nanoseconds() : 0;
    int members = teamFor(sizes, s.threads);
    int threads = members > 1 ? runTeam(members, Launch::member, &launch)
                              : parallelFor(sizes.grid, sizes.cost, s.threads,
                                            Launch::range, &launch);
    return finish(step, launch, start, s.onStep ? nanoseconds() : 0, threads);
  }

  /// How many of the threads may do launches [first, first + count) at once; 1:
  /// one launch after the other.
  int threadsBeside(uint32_t first, uint32_t count) {
    double cost = 0;
    for (uint32_t i = first; i < first + count; ++i) {
      const KernelSizes &sizes = s.kernelSizes[m.steps[i].kernel];
      if (sizes.shared > 0) // which launches have one after the other
        return 1;
      cost += double(sizes.grid) * double(sizes.cost);
    }
    return usefulThreads(cost < double(INT64_MAX) ? int64_t(cost) : INT64_MAX,
                         s.threads);
  }

  mapsto_status launchBeside(uint32_t first, uint32_t count, int threads) {
    Launch launches[kMostShares];
    Share shares[kMostShares];
    for (uint32_t i = 0; i < count; ++i) {
      const StepRecord &step = m.steps[first + i];
      const KernelSizes &sizes = s.kernelSizes[step.kernel];
      prepare(step, launches[i]);
      shares[i].range = Launch::range;
      shares[i].member = Launch::member;
      shares[i].context = &launches[i];
      shares[i].items = sizes.grid;
      shares[i].costPerItem = sizes.cost;
      shares[i].teamLimit = teamFor(sizes, threads);
    }
    int64_t start = s.onStep ? nanoseconds() : 0;
    runSideBySide(shares, int(count), threads);
    for (uint32_t i = 0; i < count; ++i) {
      const Share &share = shares[i];
      bool ran = share.threads > 0;
      if (mapsto_status status = finish(
              m.steps[first + i], launches[i], ran ? share.start.load() : start,
              ran ? share.end.load() : start, share.threads))
        return status;
    }
    return MAPSTO_OK;
  }

  void copy(uint32_t from, uint32_t to) {
    int64_t bytes = s.bufferSizes[from] < s.bufferSizes[to]
                        ? s.bufferSizes[from]
                        : s.bufferSizes[to];
    if (bytes && s.buffers[from] != s.buffers[to])
      memmove(s.buffers[to], s.buffers[from], size_t(bytes));
  }

  mapsto_status loop(const StepRecord &step) {
    int64_t count;
    if (evaluate(m, step.countExpr, s.symbols.data(), count) != ExprError::None)
      return s.fail(MAPSTO_INVALID, "a loop's count, %s, overflows",
                    m.text(m.exprs[step.countExpr].text));
    auto setCounter = [&](int64_t value) {
      if (step.counterBuffer != kNone &&
          s.bufferSizes[step.counterBuffer] >= int64_t(sizeof value))
        memcpy(s.buffers[step.counterBuffer], &value, sizeof value);
    };
    Records<uint32_t> carries = m.list(step.carries);
    int64_t done = 0;
    bool stop = false;
    while (done < count && !stop) {
      setCounter(done);
      if (mapsto_status status = run(step.firstChild, step.childCount))
        return status;
      ++done;
      // Read before the carries, which may move the flag's own buffer.
      stop = step.stopBuffer != kNone && s.bufferSizes[step.stopBuffer] &&
             *static_cast<const char *>(s.buffers[step.stopBuffer]) != 0;
      for (uint32_t i = 0; i < carries.count; i += 2)
        copy(carries[i], carries[i + 1]);
    }
    setCounter(done);
    return MAPSTO_OK;
  }

  mapsto_status run(uint32_t first, uint32_t count) {
    for (uint32_t i = first; i < first + count; ++i) {
      const StepRecord &step = m.steps[i];
      mapsto_status status = MAPSTO_OK;
      switch (StepKind(step.kind)) {
      case StepKind::Launch: {
        uint32_t beside = 1;
        while (beside < kMostShares && i + beside < first + count &&
               m.steps[i + beside].beside)
          ++beside;
        int threads = beside > 1 ? threadsBeside(i, beside) : 1;
        if (threads > 1) {
          status = launchBeside(i, beside, threads);
          i += beside - 1;
        } else {
          status = launch(step);
        }
        break;
      }
      case StepKind::Loop:
        status = loop(step);
        break;
      case StepKind::Copy:
        copy(m.list(step.buffers)[0], m.list(step.buffers)[1]);
        break;
      }
      if (status)
        return status;
    }
    return MAPSTO_OK;
  }

  mapsto_status execute() {
    Busy busy; // also between its kernels
    if (mapsto_status status = allocate())
      return status;
    resolve();
    if (mapsto_status status = run(0, m.header().rootCount))
      return status;
    for (const WriteBackRecord &w : m.writeBacks)
      copy(w.result, m.states[w.state].buffer);
    return MAPSTO_OK;
  }
};

} // namespace

mapsto_status readyTensors(mapsto_session &s) {
  const Manifest &m = s.manifest();
  for (uint32_t i = 0; i < m.outputs.count; ++i) {
    OutputBinding &output = s.outputs[i];
    if (output.data && output.capacity < uint64_t(output.bytes)) {
      String shape;
      addShape(shape, output.shape);
      return s.fail(MAPSTO_INVALID,
                    "output `%s` has shape %s and takes %lld bytes, but %llu "
                    "are bound to it",
                    m.text(m.outputs[i].name), shape.c_str(),
                    (long long)output.bytes,
                    (unsigned long long)output.capacity);
    }
    if (!output.data && !output.owned.ensure(uint64_t(output.bytes)))
      return outOfMemory(s, "outputs", uint64_t(output.bytes));
  }
  for (uint32_t i = 0; i < m.states.count; ++i) {
    bool known;
    if (!s.states[i].live)
      if (mapsto_status status = makeState(s, i, s.symbols.data(), known))
        return status;
  }
  return MAPSTO_OK;
}

mapsto_status indexError(mapsto_session &s, uint32_t kernel, List sites,
                         const mapsto_kernel_context &error) {
  const Manifest &m = s.manifest();
  const KernelRecord &k = m.kernels[kernel];
  uint64_t site = uint64_t(error.error_code) - 1;
  const char *place = m.text(k.location);
  if (site < sites.count)
    place = m.text(m.texts[m.list(sites)[uint32_t(site)]]);
  if (error.error_bound < 0)
    return s.fail(MAPSTO_RUN_FAILED, "%s: division by zero (kernel %s)", place,
                  m.text(k.symbol));
  return s.fail(MAPSTO_RUN_FAILED,
                "%s: index %lld is out of range: it must be at least 0 and "
                "below %lld (kernel %s)",
                place, (long long)error.error_value,
                (long long)error.error_bound, m.text(k.symbol));
}

mapsto_status execute(mapsto_session &session) {
  return Executor{session, session.manifest()}.execute();
}

} // namespace mapsto::runtime
