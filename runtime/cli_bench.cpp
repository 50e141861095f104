#include "runtime/cli_report.h"
#include "runtime/session.h"

#include <time.h>

namespace mapsto::runtime {

static int64_t nanoseconds() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

void addAmount(String &text, double amount, const char *unit) {
  const char *prefixes[] = {"", "k", "M", "G", "T", "P"};
  int i = 0;
  while (amount >= 1000 && i < 5) {
    amount /= 1000;
    ++i;
  }
  text.addf("%.3g %s%s", amount, prefixes[i], unit);
}

static void addDuration(String &text, double ns) {
  if (ns < 1e4)
    text.addf("%.2f us", ns / 1e3);
  else if (ns < 1e6)
    text.addf("%.1f us", ns / 1e3);
  else if (ns < 1e9)
    text.addf("%.2f ms", ns / 1e6);
  else
    text.addf("%.2f s", ns / 1e9);
}

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
  for (const mapsto_step_time &step : profile.steps) {
    const KernelRecord &k = m.kernels[uint32_t(step.kernel)];
    text.addf("%s{\"ph\": \"X\", \"pid\": 1, \"tid\": 1, \"ts\": %.3f, "
              "\"dur\": %.3f, \"name\": ",
              separator, double(step.start_ns - origin) / 1e3,
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

struct KernelTotal {
  uint32_t kernel;
  int64_t calls, ns, flops, bytes;
};

int compareTimes(const void *a, const void *b) {
  int64_t x = *static_cast<const int64_t *>(a);
  int64_t y = *static_cast<const int64_t *>(b);
  return x < y ? -1 : x > y;
}

int byTimeDescending(const void *a, const void *b) {
  int64_t x = static_cast<const KernelTotal *>(a)->ns;
  int64_t y = static_cast<const KernelTotal *>(b)->ns;
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

  mapsto_status profile(Array<KernelTotal> &totals, long &runs) {
    Profile profile;
    mapsto_session_on_step(&session, Profile::onStep, &profile);
    mapsto_status status = MAPSTO_OK;
    int64_t ns;
    for (long i = 0; i < runs && !status; ++i)
      status = timedRun(ns);
    mapsto_session_on_step(&session, nullptr, nullptr);
    totals.resize(artifact.manifest.kernels.count);
    for (const mapsto_step_time &step : profile.steps) {
      KernelTotal &total = totals[step.kernel];
      ++total.calls;
      total.ns += step.end_ns - step.start_ns;
      total.flops += step.flops;
      total.bytes += step.bytes;
    }
    for (uint32_t i = 0; i < totals.size(); ++i)
      totals[i].kernel = i;
    if (!totals.empty())
      qsort(totals.data(), totals.size(), sizeof(KernelTotal),
            byTimeDescending);
    return status;
  }
};

void addRates(String &text, double flops, double bytes, double ns) {
  if (ns <= 0)
    ns = 1;
  addAmount(text, flops * 1e9 / ns, "FLOP/s");
  text.add("  ");
  addAmount(text, bytes * 1e9 / ns, "B/s");
}

} // namespace

mapsto_status bench(mapsto_artifact &artifact, mapsto_session &session,
                    long runs, mapsto_status (*restore)(void *), void *user) {
  Bench b{artifact, session, restore, user};
  Array<int64_t> times;
  if (mapsto_status status = b.time(runs, times))
    return status;
  Array<KernelTotal> totals;
  long profiled =
      long(times.size()) < kProfiledRuns ? long(times.size()) : kProfiledRuns;
  if (mapsto_status status = b.profile(totals, profiled))
    return status;

  String text;
  auto quantile = [&](const char *name, double q) {
    size_t i = size_t(q * double(times.size() - 1) + 0.5);
    text.addf("%s ", name);
    addDuration(text, double(times[i]));
  };
  text.addf("%zu runs, %d thread%s\n", times.size(), session.threads,
            session.threads == 1 ? "" : "s");
  text.add("latency  ");
  quantile("min", 0);
  quantile("  p50", 0.5);
  quantile("  p90", 0.9);
  quantile("  p99", 0.99);
  double flops = 0, bytes = 0, ns = 0;
  for (const KernelTotal &total : totals) {
    flops += double(total.flops) / double(profiled);
    bytes += double(total.bytes) / double(profiled);
    ns += double(total.ns);
  }
  text.add("\nrate     ");
  addRates(text, flops, bytes, double(times[times.size() / 2]));
  text.add("\n\n  share       time  calls  kernel\n");
  const Manifest &m = artifact.manifest;
  for (const KernelTotal &total : totals) {
    if (!total.calls)
      continue;
    String duration;
    addDuration(duration, double(total.ns) / double(profiled));
    text.addf("%6.1f%%  %9s  %5lld  %s (%s)  ", 100 * double(total.ns) / ns,
              duration.c_str(), (long long)(total.calls / profiled),
              m.text(m.kernels[total.kernel].symbol),
              m.text(m.kernels[total.kernel].kind));
    addRates(text, double(total.flops), double(total.bytes), double(total.ns));
    text.add('\n');
  }
  fputs(text.c_str(), stdout);
  return MAPSTO_OK;
}

} // namespace mapsto::runtime
