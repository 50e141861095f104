#include "tools/mapsto/Weights.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/xxhash.h"

#include <cmath>
#include <random>

using namespace mapsto;

namespace {

/// Weights made up for a model: uniform in ±1/sqrt(fan-in), as layers begin
/// their training with.
struct RandomWeights {
  struct Entry {
    mapsto_dtype dtype;
    std::vector<int64_t> shape;
    std::vector<char> bytes;
  };
  llvm::StringMap<Entry> entries;

  RandomWeights(mlir::ModuleOp module, uint64_t seed) {
    module.walk([&](WeightOp op) {
      Entry &entry = entries[op.getName()];
      mlir::RankedTensorType type = op.getType();
      std::vector<int64_t> shape = type.getShape().vec();
      if (auto start = op.getRowStart(); start && !shape.empty())
        shape[0] += *start;
      // Of several uses the one that reaches furthest.
      if (!entry.shape.empty() && !shape.empty() && entry.shape[0] > shape[0])
        return;
      entry.dtype = dtypeOf(type.getElementType());
      entry.shape = shape;
    });
    for (auto &item : entries)
      fill(item.second, seed ^ llvm::xxh3_64bits(item.first()));
  }

  static void fill(Entry &entry, uint64_t seed) {
    int64_t count = 1;
    for (int64_t size : entry.shape)
      count *= size;
    int64_t fanIn = entry.shape.size() > 1 && entry.shape[0] != 0
                        ? count / entry.shape[0]
                        : 16;
    double scale = 1 / std::sqrt(double(std::max<int64_t>(fanIn, 1)));
    std::mt19937_64 random(seed);
    // Elements are made as f32 and are then, as from a file, converted.
    entry.bytes.resize(count * sizeof(float));
    auto *values = reinterpret_cast<float *>(entry.bytes.data());
    for (int64_t i = 0; i != count; ++i)
      values[i] = float((double(random() >> 11) * 0x1p-53 * 2 - 1) * scale);
    if (entry.dtype == MAPSTO_F32 || entry.dtype == MAPSTO_F16 ||
        entry.dtype == MAPSTO_BF16 || entry.dtype == MAPSTO_F64)
      entry.dtype = MAPSTO_F32;
    else
      entry.bytes.assign(count * mapsto_dtype_size(entry.dtype), 0);
  }
};

bool openRandom(Model &model, llvm::StringRef seedText) {
  uint64_t seed;
  if (seedText.getAsInteger(10, seed)) {
    fail("--weights random:SEED needs a whole number, not `" + seedText.str() +
         "`");
    return false;
  }
  auto random = std::make_shared<RandomWeights>(*model.module, seed);
  for (auto &item : random->entries)
    model.weights.names.push_back(item.first().str());
  model.weights.find =
      [random](llvm::StringRef name) -> std::optional<WeightView> {
    auto found = random->entries.find(name);
    if (found == random->entries.end())
      return std::nullopt;
    const RandomWeights::Entry &entry = found->second;
    return WeightView{entry.dtype, entry.shape, entry.bytes};
  };
  return true;
}

bool openFiles(Model &model, const std::vector<std::string> &paths) {
  auto files = std::make_shared<Weights>();
  std::string error;
  for (const std::string &path : paths)
    if (!files->open(path, error)) {
      fail(error);
      return false;
    }
  setWeights(model, files, files->tensors());
  model.releaseWeights = [files] {
    for (const WeightTensor &tensor : files->tensors())
      files->release(tensor);
  };
  return true;
}

/// One message for all that does not fit, so that it can be mended in one go.
bool check(Model &model, const std::vector<std::string> &weights) {
  WeightProblems problems = checkWeights(*model.module, model.weights);
  if (problems.missing.empty() && problems.mismatched.empty() &&
      problems.extra.empty())
    return true;
  std::string text;
  auto list = [&](const std::vector<std::string> &lines, const char *title) {
    constexpr size_t kMost = 40;
    if (lines.empty())
      return;
    text += std::string("\n  ") + title + ":";
    for (size_t i = 0; i != lines.size() && i != kMost; ++i)
      text += "\n    " + lines[i];
    if (lines.size() > kMost)
      text += "\n    and " + std::to_string(lines.size() - kMost) + " more";
  };
  list(problems.missing, "missing");
  list(problems.mismatched, "of another shape or type");
  list(problems.extra, "not in the model");
  fail(weights.empty()
           ? "the model has parameters: give their values with --weights FILE "
             "(or random:SEED)" +
                 text
           : "the weights in `" + llvm::join(weights, "`, `") +
                 "` do not fit the model" + text);
  return false;
}

} // namespace

void mapsto::setWeights(Model &model, std::shared_ptr<void> storage,
                        llvm::ArrayRef<WeightTensor> tensors) {
  llvm::StringMap<WeightView> views;
  for (const WeightTensor &tensor : tensors) {
    model.weights.names.push_back(tensor.name);
    views[tensor.name] = {tensor.dtype,
                          {tensor.shape.begin(), tensor.shape.end()},
                          {reinterpret_cast<const char *>(tensor.bytes.data()),
                           tensor.bytes.size()}};
  }
  model.weights.find = [storage, views = std::move(views)](
                           llvm::StringRef name) -> std::optional<WeightView> {
    auto found = views.find(name);
    if (found == views.end())
      return std::nullopt;
    return found->second;
  };
}

bool mapsto::loadWeights(Model &model,
                         const std::vector<std::string> &weights) {
  model.weights.find = [](llvm::StringRef) { return std::nullopt; };
  llvm::StringRef only;
  if (weights.size() == 1)
    only = weights[0];
  bool opened = only.consume_front("random:") ? openRandom(model, only)
                                              : openFiles(model, weights);
  return opened && check(model, weights);
}
