#include "runtime/cli_report.h"
#include "runtime/session.h"
#include "runtime/waiting.h"

namespace mapsto::runtime {

namespace {

/// A number for people, to print at once.
struct Short {
  char text[24];
};

/// "1.23 GFLOP/s": three digits and a prefix.
Short rate(double amount, double ns, const char *unit) {
  amount *= 1e9 / (ns > 0 ? ns : 1);
  const char *prefix = " kMGTP";
  while (amount >= 1000 && prefix[1]) {
    amount /= 1000;
    ++prefix;
  }
  Short result;
  snprintf(result.text, sizeof result.text, "%.3g %.*s%s", amount,
           *prefix != ' ', prefix, unit);
  return result;
}

Short duration(double ns) {
  Short result;
  snprintf(result.text, sizeof result.text,
           ns < 1e4 || ns >= 1e6 ? "%.2f %s" : "%.1f %s",
           ns / (ns < 1e6   ? 1e3
                 : ns < 1e9 ? 1e6
                            : 1e9),
           ns < 1e6   ? "us"
           : ns < 1e9 ? "ms"
                      : "s");
  return result;
}

/// The end of the launches from `first` on that ran side by side.
size_t endOfBeside(const Array<mapsto_step_time> &steps, size_t first) {
  int64_t end = steps[first].end_ns;
  size_t i = first + 1;
  for (; i < steps.size() && steps[i].start_ns < end; ++i)
    end = steps[i].end_ns > end ? steps[i].end_ns : end;
  return i;
}

} // namespace

//===----------------------------------------------------------------------===//
// Traces
//===----------------------------------------------------------------------===//

static void addJsonText(String &text, const char *s) {
  text.add('"');
  for (; *s; ++s) {
    if (*s == '"' || *s == '\\')
      text.add('\\');
    if (uint8_t(*s) < 0x20)
      text.addf("\\u%04x", *s);
    else
      text.add(*s);
  }
  text.add('"');
}

bool writeTrace(const mapsto_artifact &artifact, const Profile &profile,
                const char *path, String &error) {
  OutputFile file;
  if (!file.open(path, error))
    return false;
  const Manifest &m = artifact.manifest;
  int64_t origin = profile.steps.empty() ? 0 : profile.steps[0].start_ns;
  String text;
  text.add("{\"displayTimeUnit\": \"ns\", \"traceEvents\": [\n");
  const char *separator = "";
  size_t track = 1, end = 0;
  for (size_t i = 0; i < profile.steps.size(); ++i, ++track) {
    const mapsto_step_time &step = profile.steps[i];
    if (i == end) {
      end = endOfBeside(profile.steps, i);
      track = 1;
    }
    const KernelRecord &k = m.kernels[uint32_t(step.kernel)];
    text.addf("%s{\"ph\": \"X\", \"pid\": 1, \"tid\": %zu, \"ts\": %.3f, "
              "\"dur\": %.3f, \"name\": ",
              separator, track, double(step.start_ns - origin) / 1e3,
              double(step.end_ns - step.start_ns) / 1e3);
    addJsonText(text, m.text(k.symbol));
    text.add(", \"cat\": ");
    addJsonText(text, m.text(k.kind));
    text.add(", \"args\": {\"source\": ");
    addJsonText(text, m.text(k.location));
    text.addf(", \"flops\": %lld, \"bytes\": %lld, \"threads\": %d}}",
              (long long)step.flops, (long long)step.bytes, step.threads);
    separator = ",\n";
    file.write(text.c_str(), text.size());
    text.clear();
  }
  text.add("\n]}\n");
  file.write(text.c_str(), text.size());
  return file.finish(error) && file.commit(error);
}

//===----------------------------------------------------------------------===//
// Benchmarks
//===----------------------------------------------------------------------===//

namespace {

int compareTimes(const void *a, const void *b) {
  int64_t x = *static_cast<const int64_t *>(a);
  int64_t y = *static_cast<const int64_t *>(b);
  return x < y ? -1 : x > y;
}

double median(Array<int64_t> &times) {
  if (times.empty())
    return 0;
  qsort(times.data(), times.size(), sizeof(int64_t), compareTimes);
  return double(times[times.size() / 2]);
}

/// What each launch took of its run's time: those that ran side by side share
/// theirs.
void shareTimes(const Array<mapsto_step_time> &steps, Array<int64_t> &times) {
  auto length = [](const mapsto_step_time &step) {
    return step.end_ns - step.start_ns;
  };
  for (size_t first = 0; first < steps.size();) {
    size_t end = endOfBeside(steps, first);
    int64_t from = steps[first].start_ns, to = from, sum = 0;
    for (size_t i = first; i < end; ++i) {
      from = steps[i].start_ns < from ? steps[i].start_ns : from;
      to = steps[i].end_ns > to ? steps[i].end_ns : to;
      sum += length(steps[i]);
    }
    for (; first < end; ++first)
      times.push(sum ? int64_t(double(length(steps[first])) *
                               double(to - from) / double(sum))
                     : 0);
  }
}

/// What a kernel does in a run, and in how many nanoseconds.
struct KernelRun {
  uint32_t kernel;
  int calls;
  double flops, bytes, ns;
};

int byTimeDescending(const void *a, const void *b) {
  double x = static_cast<const KernelRun *>(a)->ns;
  double y = static_cast<const KernelRun *>(b)->ns;
  return x > y ? -1 : x < y;
}

constexpr long kWarmups = 3;
constexpr int64_t kBenchNanoseconds = 1'000'000'000;
constexpr long kLeastRuns = 10, kMostRuns = 100'000;
constexpr long kProfiledRuns = 20;

struct Bench {
  mapsto_artifact &artifact;
  mapsto_session &session;
  mapsto_status (*restore)(void *);
  void *user;

  mapsto_status timedRun(int64_t &ns) {
    if (mapsto_status status = restore(user))
      return status;
    int64_t start = nanoseconds();
    mapsto_status status = mapsto_session_run(&session);
    ns = nanoseconds() - start;
    return status;
  }

  mapsto_status time(long runs, Array<int64_t> &times) {
    int64_t ns, spent = 0;
    for (long i = 0; i < kWarmups; ++i)
      if (mapsto_status status = timedRun(ns))
        return status;
    long least = runs ? runs : kLeastRuns, most = runs ? runs : kMostRuns;
    for (long i = 0; i < most && (i < least || spent < kBenchNanoseconds);
         ++i) {
      if (mapsto_status status = timedRun(ns))
        return status;
      times.push(ns);
      spent += ns;
    }
    qsort(times.data(), times.size(), sizeof(int64_t), compareTimes);
    return MAPSTO_OK;
  }

  /// Every kernel's launches of a run together, the median of several runs.
  mapsto_status profile(long runs, Profile &profile,
                        Array<KernelRun> &kernels) {
    mapsto_session_on_step(&session, Profile::onStep, &profile);
    Array<int64_t> ends; // of the runs
    mapsto_status status = MAPSTO_OK;
    int64_t ns;
    for (long i = 0; i < runs && !status; ++i) {
      status = timedRun(ns);
      ends.push(int64_t(profile.steps.size()));
    }
    mapsto_session_on_step(&session, nullptr, nullptr);
    Array<int64_t> taken; // by each launch
    shareTimes(profile.steps, taken);
    for (uint32_t k = 0; k < artifact.manifest.kernels.count; ++k) {
      KernelRun kernel{};
      Array<int64_t> times;
      int64_t i = 0;
      for (int64_t end : ends) {
        kernel = {k, 0, 0, 0, 0};
        ns = 0;
        for (; i < end; ++i) {
          const mapsto_step_time &step = profile.steps[size_t(i)];
          if (step.kernel != k)
            continue;
          ++kernel.calls;
          kernel.flops += double(step.flops);
          kernel.bytes += double(step.bytes);
          ns += taken[size_t(i)];
        }
        times.push(ns);
      }
      kernel.ns = median(times);
      if (kernel.calls)
        kernels.push(kernel);
    }
    if (!kernels.empty())
      qsort(kernels.data(), kernels.size(), sizeof(KernelRun),
            byTimeDescending);
    return status;
  }
};

/// The shortest time that the machine needs for some work, and why.
struct Bound {
  double ns;
  int level; ///< of memory, from 0; -1: arithmetic
};

/// Arithmetic and memory overlap at best. A launch reads from the nearest level
/// that holds all it touches.
Bound boundOf(const Limits &limits, const KernelRun &run) {
  int level = 0;
  double bytes = run.bytes / run.calls;
  while (level + 1 < limits.levels && bytes > limits.bytes[level])
    ++level;
  double compute = 1e9 * run.flops / limits.flops;
  double memory = 1e9 * run.bytes / limits.bandwidth[level];
  return compute >= memory ? Bound{compute, -1} : Bound{memory, level};
}

Short levelName(const Limits &limits, int level) {
  Short name;
  snprintf(name.text, sizeof name.text,
           level < 0                    ? "compute"
           : level + 1 == limits.levels ? "memory"
                                        : "L%d",
           level + 1);
  return name;
}

void printRates(double flops, double bytes, double ns) {
  printf("  %12s  %9s", rate(flops, ns, "FLOP/s").text,
         rate(bytes, ns, "B/s").text);
}

void printLimits(const Limits &limits) {
  printf("\nlimits   %s; reads", rate(limits.flops, 1e9, "FLOP/s").text);
  for (int i = 0; i < limits.levels; ++i)
    printf("%s %s %s", i ? "," : "", levelName(limits, i).text,
           rate(limits.bandwidth[i], 1e9, "B/s").text);
}

} // namespace

mapsto_status bench(mapsto_artifact &artifact, mapsto_session &session,
                    const Options &options, Profile &profile,
                    mapsto_status (*restore)(void *), void *user) {
  Bench b{artifact, session, restore, user};
  Array<int64_t> times;
  if (mapsto_status status = b.time(options.benchRuns, times))
    return status;
  Array<KernelRun> kernels;
  long profiled =
      long(times.size()) < kProfiledRuns ? long(times.size()) : kProfiledRuns;
  if (mapsto_status status = b.profile(profiled, profile, kernels))
    return status;

  if (session.backend)
    printf("%zu runs on %s\nlatency", times.size(), session.backend->name);
  else
    printf("%zu runs, %d thread%s\nlatency", times.size(), session.threads,
           session.threads == 1 ? "" : "s");
  constexpr struct {
    double q;
    char name[8];
  } quantiles[] = {{0, "min"}, {0.5, "p50"}, {0.9, "p90"}, {0.99, "p99"}};
  for (auto &[q, name] : quantiles)
    printf("  %s %s", name,
           duration(double(times[size_t(q * double(times.size() - 1) + 0.5)]))
               .text);
  // Those of the CPU say nothing of another device.
  Limits limits;
  if (!session.backend)
    limits = options.limits;
  double flops = 0, bytes = 0, ns = 0, bound = 0;
  for (const KernelRun &kernel : kernels) {
    flops += kernel.flops;
    bytes += kernel.bytes;
    ns += kernel.ns;
    bound += limits.flops ? boundOf(limits, kernel).ns : 0;
  }
  double latency = double(times[times.size() / 2]);
  printf("\nrate     %s  %s", rate(flops, latency, "FLOP/s").text,
         rate(bytes, latency, "B/s").text);
  if (limits.flops) {
    printf("  %.0f%% of roofline", 100 * bound / latency);
    printLimits(limits);
  }
  printf("\n\n  share     median  calls  %12s  %9s%s  kernel\n", "FLOP/s",
         "bytes/s", limits.flops ? "  of roofline " : "");
  const Manifest &m = artifact.manifest;
  for (const KernelRun &kernel : kernels) {
    printf("%6.1f%%  %9s  %5d", 100 * kernel.ns / ns, duration(kernel.ns).text,
           kernel.calls);
    printRates(kernel.flops, kernel.bytes, kernel.ns);
    if (limits.flops) {
      Bound of = boundOf(limits, kernel);
      printf("  %4.0f%% %-7s", 100 * of.ns / kernel.ns,
             levelName(limits, of.level).text);
    }
    printf("  %s (%s)\n", m.text(m.kernels[kernel.kernel].symbol),
           m.text(m.kernels[kernel.kernel].kind));
  }
  return MAPSTO_OK;
}

} // namespace mapsto::runtime
