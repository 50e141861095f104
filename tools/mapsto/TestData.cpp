#include "tools/mapsto/TestData.h"
#include "runtime/cli_report.h"
#include "runtime/session.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <cstring>
#include <set>

using namespace mapsto;

namespace fs = llvm::sys::fs;

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

static std::string numbered(const std::string &folder, const char *kind,
                            size_t i) {
  return folder + "/" + kind + "_" + std::to_string(i) + ".pb";
}

bool mapsto::findTestSets(const std::vector<std::string> &given,
                          std::vector<std::string> &folders,
                          std::string &error) {
  for (const std::string &folder : given) {
    if (fs::exists(numbered(folder, "input", 0)) ||
        fs::exists(numbered(folder, "output", 0))) {
      folders.push_back(folder);
      continue;
    }
    std::set<std::pair<unsigned, std::string>> sets;
    std::error_code code;
    for (fs::directory_iterator at(folder, code), end; !code && at != end;
         at.increment(code)) {
      unsigned number;
      llvm::StringRef name = llvm::sys::path::filename(at->path());
      if (name.consume_front("test_data_set_") &&
          !name.getAsInteger(10, number))
        sets.insert({number, at->path()});
    }
    if (code || sets.empty()) {
      error = "`" + folder + "` " +
              (code ? "cannot be read: " + code.message()
                    : "has no test data: no input_0.pb, output_0.pb or "
                      "test_data_set_0");
      return false;
    }
    for (const auto &[number, path] : sets)
      folders.push_back(path);
  }
  return true;
}

/// Cases older than bf16 in NumPy keep its bits as whole numbers.
static void readAs(mapsto_dtype wanted, mapsto_dtype &dtype) {
  if (wanted == MAPSTO_BF16 && dtype == MAPSTO_U16)
    dtype = MAPSTO_BF16;
}

/// An input as the compiled model has it: tensors.
static void give(const OnnxValueInfo &input, const OnnxFileValue &value,
                 GivenValues &given) {
  bool sequence = input.form == OnnxForm::sequence ||
                  input.form == OnnxForm::optionalSequence;
  if (input.form != OnnxForm::tensor)
    given.lengths[input.name] =
        value.isNothing ? OnnxOptions::kNothing : int64_t(value.tensors.size());
  for (auto [i, tensor] : llvm::enumerate(value.tensors)) {
    std::string name = sequence ? onnxElementName(input.name, i) : input.name;
    given.values[name] = tensor;
    readAs(input.dtype.value_or(tensor.dtype), given.values[name].dtype);
  }
}

TestSet mapsto::readTestSet(const std::string &folder,
                            const OnnxSignature &signature) {
  TestSet set;
  set.folder = folder;
  auto read = [&](const char *kind, size_t i,
                  const std::vector<OnnxValueInfo> &all) {
    std::string error;
    OnnxFileValue value;
    OnnxForm form = i < all.size() ? all[i].form : OnnxForm::tensor;
    if (!readValueFile(numbered(folder, kind, i), form, value, set.inputs,
                       error) &&
        set.error.empty())
      set.error = error;
    return value;
  };
  const std::vector<OnnxValueInfo> &inputs = signature.inputs;
  size_t i = 0;
  for (; fs::exists(numbered(folder, "input", i)); ++i)
    if (i < inputs.size())
      give(inputs[i], read("input", i, inputs), set.inputs);
  if (i != inputs.size() && set.error.empty())
    set.error = "`" + folder + "` has " + std::to_string(i) +
                " inputs, and the model has " + std::to_string(inputs.size());
  for (size_t o = 0; fs::exists(numbered(folder, "output", o)); ++o)
    llvm::append_range(set.outputs,
                       read("output", o, signature.outputs).tensors);
  return set;
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

namespace {

/// Elements where tensors must lie: at least aligned to an element.
bool copyOf(const WeightTensor &tensor, runtime::Value &value) {
  runtime::Shape shape;
  if (tensor.shape.size() > MAPSTO_MAX_RANK)
    return false;
  shape.rank = int(tensor.shape.size());
  llvm::copy(tensor.shape, shape.dims);
  if (!value.allocate(tensor.dtype, shape))
    return false;
  if (!tensor.bytes.empty())
    memcpy(value.data, tensor.bytes.data(), tensor.bytes.size());
  return true;
}

struct TestRun {
  mapsto_artifact *artifact = nullptr;
  mapsto_session *session = nullptr;
  runtime::Options options;

  ~TestRun() {
    mapsto_session_free(session);
    mapsto_artifact_close(artifact);
  }

  int open(const mapsto_image &image, std::vector<std::string> &line) {
    std::vector<char *> arguments = {nullptr};
    for (std::string &word : line)
      arguments.push_back(word.data());
    runtime::String error;
    if (!runtime::parseOptions(int(arguments.size()), arguments.data(), options,
                               error))
      return fail(error.c_str());
    if (mapsto_artifact_from_image(&image, nullptr, &artifact) ||
        mapsto_session_create(artifact, &session))
      return fail(mapsto_last_error(), kRunFailed);
    if (mapsto_session_set_threads(session, options.threads) ||
        runtime::chooseDevice(*session, options.device))
      return fail(mapsto_session_error(session), kRunFailed);
    return kDone;
  }

  int bind(const GivenValues &inputs, const Model &model,
           std::deque<runtime::Value> &values) {
    for (const auto &[name, tensor] : inputs.values) {
      if (llvm::is_contained(model.fixedInputs, name))
        continue;
      int index = mapsto_find(artifact, MAPSTO_INPUT, name.c_str());
      if (index < 0)
        return fail("the compiled model has no input `" + name + "`");
      runtime::Value &value = values.emplace_back();
      if (!copyOf(tensor, value))
        return fail("input `" + name + "` is too large", kRunFailed);
      if (mapsto_session_bind_input(session, size_t(index), value.dtype,
                                    value.shape.dims, value.shape.rank,
                                    value.data))
        return fail(mapsto_session_error(session));
    }
    return kDone;
  }

  int compare(size_t i, const WeightTensor &expected) {
    mapsto_tensor got;
    mapsto_signature signature;
    mapsto_describe(artifact, MAPSTO_OUTPUT, i, &signature);
    runtime::Value want;
    if (mapsto_session_output(session, i, &got))
      return fail(mapsto_session_error(session), kRunFailed);
    if (!copyOf(expected, want))
      return fail(std::string(signature.name) + " is too large", kRunFailed);
    readAs(got.dtype, want.dtype);
    if (got.dtype != want.dtype)
      return fail(std::string(signature.name) + ": it is " +
                      mapsto_dtype_name(got.dtype) + ", but " +
                      mapsto_dtype_name(want.dtype) + " was expected",
                  kRunFailed);
    runtime::Tolerance tolerance = runtime::defaultTolerance(got.dtype, want);
    if (options.rtol >= 0)
      tolerance.relative = options.rtol;
    if (options.atol >= 0)
      tolerance.absolute = options.atol;
    runtime::String line;
    if (!runtime::compare(signature.name, got, want, tolerance, line))
      return fail(line.c_str(), kRunFailed);
    printf("%s\n", line.c_str());
    return kDone;
  }
};

} // namespace

int mapsto::runTestSet(const mapsto_image &image, const TestSet &set,
                       const Model &model, std::vector<std::string> options) {
  TestRun run;
  std::deque<runtime::Value> values; // bound, so they must stay where they are
  if (int code = run.open(image, options))
    return code;
  size_t outputs = mapsto_count(run.artifact, MAPSTO_OUTPUT);
  if (outputs != set.outputs.size())
    return fail("`" + set.folder + "` has " +
                std::to_string(set.outputs.size()) +
                " outputs, and the model has " + std::to_string(outputs));
  if (int code = run.bind(set.inputs, model, values))
    return code;
  if (mapsto_session_run(run.session))
    return fail(mapsto_session_error(run.session), kRunFailed);
  int code = kDone;
  for (size_t i = 0; i < outputs; ++i)
    code = std::max(code, run.compare(i, set.outputs[i]));
  return code;
}
