//===- ort_worker.cpp - ONNX Runtime, through its C API -------------------===//
//
// usage: ort_worker THREADS LIBRARY. A case's model is CASE.onnx. Only the few
// entries of the table of functions that are needed are named: their places
// are part of ONNX Runtime's stable interface.
//
//===----------------------------------------------------------------------===//
#include "worker.h"
#include <dlfcn.h>

namespace {

// Version 1 of the table: what later versions append is not needed.
constexpr uint32_t tableVersion = 1;
enum Entry : size_t {
  GetErrorMessage = 2,
  CreateEnv = 3,
  CreateSession = 7,
  Run = 9,
  CreateSessionOptions = 10,
  SetIntraOpNumThreads = 24,
  SetInterOpNumThreads = 25,
  CreateTensorWithData = 49,
  CreateCpuMemoryInfo = 69,
};
enum { ElementFloat = 1, ElementInt64 = 7 };
enum { LogError = 3 };
enum { DeviceAllocator = 0, MemoryDefault = 0 };

struct ApiBase {
  void *const *(*getApi)(uint32_t version);
  const char *(*getVersion)();
};

struct Library {
  Library(const char *path, int threads) : threads(threads) {
    void *library = dlopen(path, RTLD_NOW);
    if (!library)
      throw std::runtime_error(dlerror());
    auto base =
        reinterpret_cast<const ApiBase *(*)()>(dlsym(library, "OrtGetApiBase"));
    table = base()->getApi(tableVersion);
    call(CreateEnv, static_cast<int>(LogError), "peers", &environment);
    call(CreateCpuMemoryInfo, static_cast<int>(DeviceAllocator),
         static_cast<int>(MemoryDefault), &memory);
    call(CreateSessionOptions, &options);
    call(SetIntraOpNumThreads, options, threads);
    call(SetInterOpNumThreads, options, 1);
  }

  // Every function used here returns null, or a status that tells the error.
  template <typename... Arguments>
  void call(Entry entry, Arguments... arguments) const {
    auto function = reinterpret_cast<void *(*)(Arguments...)>(table[entry]);
    if (void *status = function(arguments...)) {
      auto message =
          reinterpret_cast<const char *(*)(void *)>(table[GetErrorMessage]);
      throw std::runtime_error(message(status));
    }
  }

  int threads;
  void *const *table = nullptr;
  void *environment = nullptr, *memory = nullptr, *options = nullptr;
};

struct Model final : peers::Prepared {
  Model(peers::Case given, const Library &library)
      : Prepared(std::move(given)), library(library) {
    library.call(CreateSession, library.environment,
                 (tensors.path + ".onnx").c_str(), library.options, &session);
    bind(tensors.inputs, inputs, inputNames);
    bind(tensors.outputs, outputs, outputNames);
  }
  void run() override {
    library.call(Run, session, static_cast<void *>(nullptr), inputNames.data(),
                 inputs.data(), inputs.size(), outputNames.data(),
                 outputNames.size(), outputs.data());
  }

private:
  void bind(const std::vector<peers::Tensor> &tensors,
            std::vector<void *> &values, std::vector<const char *> &names) {
    for (const peers::Tensor &tensor : tensors) {
      void *value = nullptr;
      library.call(CreateTensorWithData, library.memory, tensor.data.get(),
                   tensor.bytes, tensor.dims.data(), tensor.dims.size(),
                   static_cast<int>(tensor.whole ? ElementInt64 : ElementFloat),
                   &value);
      values.push_back(value);
      names.push_back(tensor.name.c_str());
    }
  }

  const Library &library;
  void *session = nullptr;
  std::vector<void *> inputs, outputs;
  std::vector<const char *> inputNames, outputNames;
};

} // namespace

int main(int argc, char **argv) {
  if (argc < 3)
    return 2;
  Library library(argv[2], std::atoi(argv[1]));
  return peers::serve([&library](peers::Case given) {
    return std::make_unique<Model>(std::move(given), library);
  });
}
