// What it costs to hand fifty small launches to a Vulkan device: commands
// recorded once and submitted again, and recorded anew for every run, as for
// sizes that change.
#include "runtime/session.h"
#include "runtime/vulkan/device.h"
#include "tools/mapsto/Lower.h"

#include <benchmark/benchmark.h>

using namespace mapsto;

static const mapsto_image *compiled() {
  static std::unique_ptr<Model> model;
  static std::unique_ptr<Loaded> loaded;
  if (!loaded) {
    Arguments arguments;
    arguments.command = "bench";
    arguments.files = {MAPSTO_MODELS "/fifty_kernels.mto"};
    arguments.values["--target"] = {"vulkan"};
    model = loadModel(arguments, NeedWeights::Yes, "native", /*fixDims=*/false);
    auto code = model ? compile(*model) : std::nullopt;
    if (code)
      loaded = loadCode(*model, *code);
  }
  return loaded ? &loaded->jit->image() : nullptr;
}

/// Runs over `sizes` in turn.
static void run(benchmark::State &state, std::vector<int64_t> sizes) {
  const mapsto_image *image = compiled();
  mapsto_session *session =
      image ? mapsto_open_session(image, nullptr) : nullptr;
  if (!session) {
    state.SkipWithError(mapsto_last_error());
    return;
  }
  std::vector<float> x(8 * 16, 0.5f), w(8 * 8, 0.125f);
  const int64_t square[] = {8, 8};
  size_t next = 0;
  auto once = [&] {
    int64_t dims[] = {sizes[next++ % sizes.size()], 8};
    return mapsto_session_bind_input(session, 0, MAPSTO_F32, dims, 2,
                                     x.data()) ||
           mapsto_session_bind_input(session, 1, MAPSTO_F32, square, 2,
                                     w.data()) ||
           mapsto_session_run(session);
  };
  bool failed = false;
  for (size_t i = 0; i != sizes.size(); ++i) // compiles pipelines
    failed |= once();
  for (auto _ : state)
    failed |= once();
  if (failed)
    state.SkipWithError(mapsto_session_error(session));
  state.counters["kernels"] = double(mapsto_kernel_count(session->artifact));
  mapsto_session_free(session);
}

int main(int argc, char **argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv))
    return 2;
  if (const char *why = runtime::vulkan::whyNoDevice()) {
    printf("%s\n", why);
    return 0;
  }
  auto add = [](const char *name, std::vector<int64_t> sizes) {
    benchmark::RegisterBenchmark(name, [=](benchmark::State &state) {
      run(state, sizes);
    })->UseRealTime();
  };
  add("recorded", {8});
  add("rerecorded", {8, 9});
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
