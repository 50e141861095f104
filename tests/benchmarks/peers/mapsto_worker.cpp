//===- mapsto_worker.cpp - compiled models, through the C API -------------===//
//
// usage: mapsto_worker THREADS. A case's model is the library CASE.so.
//
//===----------------------------------------------------------------------===//
#include "mapsto.h"
#include "worker.h"

namespace {

struct Model final : peers::Prepared {
  Model(peers::Case given, int threads) : Prepared(std::move(given)) {
    if (mapsto_artifact_open((tensors.path + ".so").c_str(), &artifact) ||
        mapsto_session_create(artifact, &session))
      throw std::runtime_error(mapsto_last_error());
    check(mapsto_session_set_threads(session, threads));
    for (size_t i = 0; i < tensors.inputs.size(); ++i) {
      const peers::Tensor &input = tensors.inputs[i];
      check(mapsto_session_bind_input(
          session, i, input.whole ? MAPSTO_I64 : MAPSTO_F32, input.dims.data(),
          static_cast<int>(input.dims.size()), input.data.get()));
    }
    for (size_t i = 0; i < tensors.outputs.size(); ++i)
      check(mapsto_session_bind_output(
          session, i, tensors.outputs[i].data.get(), tensors.outputs[i].bytes));
  }
  ~Model() override {
    mapsto_session_free(session);
    mapsto_artifact_close(artifact);
  }
  void run() override { check(mapsto_session_run(session)); }

private:
  void check(mapsto_status status) {
    if (status != MAPSTO_OK)
      throw std::runtime_error(mapsto_session_error(session));
  }

  mapsto_artifact *artifact = nullptr;
  mapsto_session *session = nullptr;
};

} // namespace

int main(int argc, char **argv) {
  int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  return peers::serve([threads](peers::Case given) {
    return std::make_unique<Model>(std::move(given), threads);
  });
}
