#include "tests/benchmarks/harness.h"

#include "runtime/artifact.h"
#include "runtime/expr.h"
#include "runtime/thread_pool.h"
#include "runtime/values.h"
#include "tools/mapsto/Lower.h"

#include <benchmark/benchmark.h>

using namespace mapsto;
using mapsto::benchmarks::Workload;

namespace {

/// --cpu: what is compiled for.
std::string cpu = "native";

/// A workload that is compiled, with inputs of random numbers.
class Compiled {
public:
  explicit Compiled(const Workload &workload) {
    Arguments arguments;
    arguments.command = "bench";
    arguments.files = {std::string(MAPSTO_MODELS) + "/" + workload.file +
                       ".mto"};
    arguments.values["--weights"] = {"random:1"};
    arguments.values["--cpu"] = {cpu};
    if (!workload.model.empty())
      arguments.values["--model"] = {workload.model};
    for (const auto &[name, value] : workload.arguments)
      arguments.values["--arg"].push_back(name + "=" + value);
    model = loadModel(arguments, NeedWeights::Yes, "native", /*fixDims=*/false);
    if (!model)
      return;
    auto compiled = compile(*model);
    if (compiled)
      loaded = loadCode(*model, *compiled);
    if (loaded &&
        !mapsto_artifact_from_image(&loaded->jit->image(), nullptr, &artifact))
      makeInputs(workload);
  }
  ~Compiled() { mapsto_artifact_close(artifact); }

  mapsto_artifact *artifact = nullptr; ///< null where something failed
  std::vector<runtime::Value> inputs;

private:
  void makeInputs(const Workload &workload) {
    const runtime::Manifest &m = artifact->manifest;
    std::vector<int64_t> symbols;
    for (const runtime::SymbolRecord &symbol : m.symbols)
      symbols.push_back(workload.sizes.at(m.text(symbol.name)));
    inputs = std::vector<runtime::Value>(m.inputs.count);
    for (uint32_t i = 0; i < m.inputs.count; ++i) {
      const runtime::TensorRecord &input = m.inputs[i];
      runtime::WantedShape shape;
      for (uint32_t dim : m.list(input.dims))
        evaluate(m, dim, symbols.data(), shape.dims[shape.rank++]);
      runtime::String error;
      readValue(input.dtype == MAPSTO_F32 ? "random:1" : "random:1:2",
                m.text(input.name), mapsto_dtype(input.dtype), shape, inputs[i],
                error);
    }
  }

  std::unique_ptr<Model> model;
  std::unique_ptr<Loaded> loaded;
};

/// The one that is measured, by its name: all its numbers of threads come in a
/// row.
Compiled *compiled(const Workload &workload) {
  static std::string name;
  static std::unique_ptr<Compiled> current;
  if (name != workload.name) {
    current.reset();
    current = std::make_unique<Compiled>(workload);
    name = workload.name;
  }
  return current->artifact ? current.get() : nullptr;
}

struct Counts {
  double flops = 0, bytes = 0;
  static void add(void *user, const mapsto_step_time *step) {
    static_cast<Counts *>(user)->flops += double(step->flops);
    static_cast<Counts *>(user)->bytes += double(step->bytes);
  }
};

void run(benchmark::State &state, const Workload &workload) {
  Compiled *model = compiled(workload);
  mapsto_session *session = nullptr;
  if (!model || mapsto_session_create(model->artifact, &session)) {
    state.SkipWithError("it does not compile");
    return;
  }
  mapsto_session_set_threads(session, int(state.range(0)));
  for (size_t i = 0; i < model->inputs.size(); ++i) {
    const runtime::Value &value = model->inputs[i];
    mapsto_session_bind_input(session, i, value.dtype, value.shape.dims,
                              value.shape.rank, value.data);
  }
  Counts counts;
  mapsto_session_on_step(session, Counts::add, &counts);
  if (mapsto_session_run(session))
    state.SkipWithError(mapsto_session_error(session));
  mapsto_session_on_step(session, nullptr, nullptr);
  for (auto _ : state)
    if (mapsto_session_run(session)) {
      state.SkipWithError(mapsto_session_error(session));
      break;
    }
  mapsto_session_free(session);
  using benchmark::Counter;
  state.counters["FLOP/s"] =
      Counter(counts.flops, Counter::kIsIterationInvariantRate);
  state.counters["B/s"] =
      Counter(counts.bytes, Counter::kIsIterationInvariantRate);
}

} // namespace

int main(int argc, char **argv) {
  benchmark::Initialize(&argc, argv);
  for (int i = 1; i + 1 < argc; ++i)
    if (std::string(argv[i]) == "--cpu") {
      cpu = argv[i + 1];
      std::copy(argv + i + 2, argv + argc, argv + i);
      argc -= 2;
    }
  if (benchmark::ReportUnrecognizedArguments(argc, argv))
    return 2;
  std::vector<Workload> all = benchmarks::workloads();
  int cores = runtime::availableCores();
  for (const Workload &workload : all) {
    auto *registered = benchmark::RegisterBenchmark(
        workload.name.c_str(),
        [&workload](benchmark::State &state) { run(state, workload); });
    registered->ArgName("threads")->Arg(1)->UseRealTime();
    if (cores > 1)
      registered->Arg(cores);
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
