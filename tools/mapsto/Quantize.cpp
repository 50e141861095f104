#include "tools/mapsto/Quantize.h"
#include "compiler/graph/QuantizeWeights.h"
#include "tools/mapsto/Summary.h"

#include "llvm/ADT/StringExtras.h"

#include <cstdio>
#include <set>

using namespace mapsto;

namespace {

/// The format that a file's own element type is, if it is narrow.
std::optional<WeightFormat> formatOf(mapsto_dtype dtype) {
  if (dtype == MAPSTO_F16)
    return WeightFormat::F16;
  if (dtype == MAPSTO_BF16)
    return WeightFormat::BF16;
  return std::nullopt;
}

/// Measures what storing each weight so loses. False, with an error that names
/// every weight for which it cannot be.
bool measure(Model &model, const std::string &format) {
  std::set<std::string> seen;
  std::string impossible;
  model.module->walk([&](WeightOp op) {
    std::string name = op.getName().str();
    if (!op.getStored() || !seen.insert(name).second)
      return;
    std::optional<WeightView> view = model.weights.find(name);
    if (!view)
      return;
    StorageLoss loss = measureStorage(*view, op.getStoredAttr());
    if (loss.impossible) {
      char value[32];
      snprintf(value, sizeof value, "%.6g", *loss.impossible);
      impossible += "\n    `" + name + "` has the value " + value;
    }
    size_t before =
        formatOf(view->dtype) ? mapsto_dtype_size(view->dtype) : sizeof(float);
    model.quantized.push_back({name, view->shape, int64_t(before), loss});
  });
  if (impossible.empty())
    return true;
  fail("--quantize " + format + " cannot store all weights" + impossible);
  return false;
}

std::string number(double value) {
  char text[32];
  snprintf(text, sizeof text, "%.2g", value);
  return text;
}

} // namespace

bool mapsto::quantizeWeights(Model &model, const Arguments &arguments) {
  if (!arguments.has("--quantize")) {
    if (model.weights.find)
      storeNarrow(*model.module, [&](llvm::StringRef name) {
        std::optional<WeightView> view = model.weights.find(name);
        return view ? formatOf(view->dtype) : std::nullopt;
      });
    return true;
  }
  std::string text = arguments.get("--quantize");
  std::optional<WeightFormat> format = parseWeightFormat(text);
  if (!format) {
    fail("--quantize needs f16, bf16 or int8, not `" + text + "`");
    return false;
  }
  NarrowedWeights narrowed =
      storeNarrow(*model.module, [&](llvm::StringRef) { return format; });
  model.notQuantized = narrowed.kept;
  if (narrowed.stored == 0 && narrowed.kept.empty()) {
    fail("--quantize " + text +
         ": the model has no matrix of f32 weights that a product, a "
         "recurrence or a lookup reads");
    return false;
  }
  model.options += " --quantize " + text;
  return !model.weights.find || measure(model, text);
}

std::string mapsto::quantizationReport(const Model &model) {
  struct Row {
    std::string name, shape, bytes, largest, relative;
  };
  std::vector<Row> rows = {
      {"weight", "shape", "bytes", "largest error", "relative error"}};
  int64_t before = 0, after = 0;
  StorageLoss all;
  auto sizes = [](int64_t from, int64_t to) {
    return amountText(double(from), "B") + " -> " + amountText(double(to), "B");
  };
  for (const QuantizedWeight &weight : model.quantized) {
    int64_t bytes = weight.bytesPerElement;
    std::string shape;
    for (int64_t size : weight.shape) {
      bytes *= size;
      shape += (shape.empty() ? "[" : ", ") + std::to_string(size);
    }
    const StorageLoss &loss = weight.loss;
    rows.push_back({weight.name, shape + "]", sizes(bytes, loss.bytes),
                    number(loss.largest), number(loss.relative())});
    before += bytes;
    after += loss.bytes;
    all.largest = std::max(all.largest, loss.largest);
    all.difference += loss.difference;
    all.magnitude += loss.magnitude;
  }
  rows.push_back({"all", std::to_string(model.quantized.size()) + " weights",
                  sizes(before, after), number(all.largest),
                  number(all.relative())});
  std::string text;
  auto column = [&](std::string Row::*field) {
    size_t width = 0;
    for (const Row &row : rows)
      width = std::max(width, (row.*field).size());
    return width + 2;
  };
  size_t widths[] = {column(&Row::name), column(&Row::shape),
                     column(&Row::bytes), column(&Row::largest)};
  for (const Row &row : rows) {
    const std::string *cells[] = {&row.name, &row.shape, &row.bytes,
                                  &row.largest};
    for (auto [cell, width] : llvm::zip(cells, widths))
      text += *cell + std::string(width - cell->size(), ' ');
    text += row.relative + "\n";
  }
  if (!model.notQuantized.empty())
    text +=
        "as they were, since with their scales they would not be smaller: " +
        llvm::join(model.notQuantized, ", ") + "\n";
  return text;
}
