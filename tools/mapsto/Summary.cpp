#include "tools/mapsto/Summary.h"
#include "runtime/arena.h"
#include "runtime/expr.h"

#include <algorithm>
#include <cstdio>

using namespace mapsto;
using namespace mapsto::runtime;

std::string mapsto::amountText(double amount, const char *unit) {
  static const char *const prefixes[] = {"", "k", "M", "G", "T", "P"};
  int prefix = 0;
  while (amount >= 1000 && prefix < 5) {
    amount /= 1000;
    ++prefix;
  }
  char text[64];
  snprintf(text, sizeof text, "%.3g %s%s", amount, prefixes[prefix], unit);
  return text;
}

Summary::Summary(const Manifest &manifest, const Sizes &sizes,
                 std::vector<std::string> remarks)
    : m(manifest), remarks(std::move(remarks)) {
  for (const SymbolRecord &symbol : m.symbols) {
    auto found = sizes.find(m.text(symbol.name));
    symbols.push_back(found != sizes.end() ? found->second
                                           : symbol.defaultValue);
  }
}

bool Summary::allKnown() const {
  return std::find(symbols.begin(), symbols.end(), kNoValue) == symbols.end();
}

std::optional<int64_t> Summary::value(uint32_t expr) const {
  if (expr == kNone)
    return 0;
  for (uint32_t i = 0; i != symbols.size(); ++i)
    if (symbols[i] == kNoValue && mentions(m, expr, i))
      return std::nullopt;
  int64_t result;
  if (evaluate(m, expr, symbols.data(), result) != ExprError::None)
    return std::nullopt;
  return result;
}

std::string Summary::amount(uint32_t expr, const char *unit) const {
  if (auto known = value(expr))
    return amountText(double(*known), unit);
  return std::string(m.text(m.exprs[expr].text)) + " " + unit;
}

std::string Summary::type(const TensorRecord &tensor) const {
  std::string text = mapsto_dtype_name(mapsto_dtype(tensor.dtype));
  text += "[";
  bool first = true;
  for (uint32_t id : m.list(tensor.dims)) {
    text += first ? "" : ", ";
    first = false;
    text += m.text(m.exprs[id].text);
  }
  return text + "]";
}

std::string Summary::title() const { return m.text(m.header().name); }
std::string Summary::doc() const { return m.text(m.header().doc); }

std::string Summary::target() const {
  std::string text = m.text(m.header().cpu);
  text += std::string(", ") + m.text(m.header().triple);
  if (m.header().options.length)
    text += std::string(", ") + m.text(m.header().options);
  return text;
}

Summary::Table Summary::tensors() const {
  Table table{"signature", {"", "name", "type", ""}, {}, ""};
  auto add = [&](const Records<TensorRecord> &tensors, const char *role) {
    for (const TensorRecord &tensor : tensors)
      table.rows.push_back(
          {{role, m.text(tensor.name), type(tensor), m.text(tensor.doc)}, ""});
  };
  add(m.inputs, "in");
  add(m.outputs, "out");
  add(m.states, "state");
  for (uint32_t i = 0; i != symbols.size(); ++i)
    table.rows.push_back(
        {{"size", m.text(m.symbols[i].name),
          symbols[i] == kNoValue ? "any" : std::to_string(symbols[i]), ""},
         ""});
  return table;
}

Summary::Table Summary::parameters() const {
  Table table{"parameters", {"name", "type", "bytes"}, {}, ""};
  double total = 0;
  for (const ParameterRecord &parameter : m.parameters) {
    TensorRecord tensor{parameter.name, parameter.doc, parameter.dtype, 0,
                        parameter.dims};
    double bytes = double(mapsto_dtype_size(mapsto_dtype(parameter.dtype)));
    for (uint32_t id : m.list(parameter.dims))
      bytes *= double(value(id).value_or(0));
    total += bytes;
    table.rows.push_back(
        {{m.text(parameter.name), type(tensor), amountText(bytes, "B")}, ""});
  }
  table.title += " (" + std::to_string(m.parameters.count) + ", " +
                 amountText(total, "B") + ")";
  if (m.header().weightsFile.length)
    table.note =
        std::string("left beside, in ") + m.text(m.header().weightsFile);
  return table;
}

Summary::Table Summary::kernels() const {
  Table table{"kernels (" + std::to_string(m.kernels.count) + ")",
              {"", "kind", "name", "work", "moves", "grid", "source"},
              {},
              ""};
  for (uint32_t i = 0; i != m.kernels.count; ++i) {
    const KernelRecord &kernel = m.kernels[i];
    std::string fused;
    for (uint32_t id : m.list(kernel.ops))
      fused += (fused.empty() ? "" : ", ") + std::string(m.text(m.texts[id]));
    table.rows.push_back(
        {{std::to_string(i), m.text(kernel.kind), m.text(kernel.symbol),
          amount(kernel.flopsExpr, "FLOP"), amount(kernel.bytesExpr, "B"),
          amount(kernel.gridExpr, ""), m.text(kernel.location)},
         fused.empty() ? "" : "fused: " + fused});
  }
  return table;
}

/// What a variant needs of a device, "f16, subgroups": nothing for any device.
static std::string needs(uint32_t features) {
  static constexpr std::pair<ShaderFeature, const char *> kNames[] = {
      {ShaderFeature::Int64, "i64"},
      {ShaderFeature::Float64, "f64"},
      {ShaderFeature::Int16, "i16"},
      {ShaderFeature::Int8, "i8"},
      {ShaderFeature::Float16, "f16"},
      {ShaderFeature::Storage16, "16-bit storage"},
      {ShaderFeature::Storage8, "8-bit storage"},
      {ShaderFeature::Subgroups, "subgroups"},
      {ShaderFeature::Matrices, "matrices"}};
  std::string text;
  for (auto [feature, name] : kNames)
    if (features & uint32_t(feature))
      text += (text.empty() ? "" : ", ") + std::string(name);
  return text.empty() ? "any device" : text;
}

Summary::Table Summary::shaders() const {
  Table table{"shaders (" + std::to_string(m.shaders.count) +
                  ", one dispatch a launch)",
              {"", "name", "dispatch", "items", "pushes", "SPIR-V"},
              {},
              ""};
  for (uint32_t i = 0; i != m.shaders.count; ++i) {
    const ShaderRecord &shader = m.shaders[i];
    std::string variants;
    double words = 0;
    uint32_t items = shader.itemsExpr;
    for (uint32_t v = 0; v != shader.variants.count; ++v) {
      const VariantRecord &variant = m.variants[shader.variants.first + v];
      words += variant.code.count;
      variants += (v ? "; or " : "for ") + needs(variant.features);
      if (variant.tilings.count) // the last one's first, for any device
        items = m.tilings[variant.tilings.first].itemsExpr;
      if (variant.tilings.count > 1)
        variants += ", " + std::to_string(variant.tilings.count) + " tilings";
    }
    bool groups = DispatchKind(shader.dispatch) == DispatchKind::Workgroups;
    table.rows.push_back(
        {{std::to_string(i), m.text(m.kernels[i].symbol),
          (groups ? "workgroups of " : "invocations, ") +
              std::to_string(shader.workgroupSize),
          amount(items, ""), std::to_string(shader.pushes.count),
          amountText(4 * words, "B")},
         variants});
  }
  return table;
}

Summary::Table Summary::schedule() const {
  Table table{"schedule", {"step", "writes", "reads"}, {}, ""};
  auto names = [&](const Records<uint32_t> &list, uint32_t from, uint32_t to) {
    std::string text;
    for (uint32_t i = from; i < to && i < list.count; ++i)
      text += (text.empty() ? "" : ", ") +
              std::string(m.text(m.buffers[list[i]].name)) + ": " +
              m.text(m.buffers[list[i]].type);
    return text;
  };
  auto walk = [&](auto &&self, uint32_t first, uint32_t count,
                  std::string indent) -> void {
    for (uint32_t i = first; i != first + count; ++i) {
      const StepRecord &step = m.steps[i];
      Records<uint32_t> list = m.list(step.buffers);
      switch (StepKind(step.kind)) {
      case StepKind::Launch: {
        uint32_t reads = m.kernels[step.kernel].argumentCount;
        table.rows.push_back(
            {{indent + (step.beside ? "+ " : "") +
                  m.text(m.kernels[step.kernel].symbol),
              names(list, reads, list.count), names(list, 0, reads)},
             ""});
        break;
      }
      case StepKind::Copy:
        table.rows.push_back(
            {{indent + "copy", names(list, 1, 2), names(list, 0, 1)}, ""});
        break;
      case StepKind::Loop:
        table.rows.push_back(
            {{indent + "repeat, at most " +
                  m.text(m.exprs[step.countExpr].text) + " times",
              "", ""},
             ""});
        self(self, step.firstChild, step.childCount, indent + "  ");
        break;
      }
    }
  };
  walk(walk, 0, m.header().rootCount, "");
  return table;
}

/// By how much the plan misses its bound: " (1.04x)".
static std::string overText(const ArenaPlan &plan) {
  if (plan.lowerBound == 0)
    return "";
  char text[32];
  snprintf(text, sizeof text, " (%.2fx)",
           double(plan.peak) / double(plan.lowerBound));
  return text;
}

Summary::Table Summary::memory() const {
  Table table{"memory", {"what", "bytes"}, {}, ""};
  auto add = [&](const char *what, const std::string &bytes) {
    table.rows.push_back({{what, bytes}, ""});
  };
  add("weights", amountText(double(m.header().weightsSize), "B"));
  Array<ArenaItem> items;
  bool known = true;
  int64_t scratch = 0, shared = 0;
  auto raise = [&](int64_t &most, uint32_t expr) {
    auto bytes = value(expr);
    known &= bytes.has_value();
    most = std::max(most, bytes.value_or(0));
  };
  for (const KernelRecord &kernel : m.kernels) {
    raise(scratch, kernel.scratchExpr);
    raise(shared, kernel.sharedExpr);
  }
  for (const BufferRecord &buffer : m.buffers) {
    if (BufferKind(buffer.kind) == BufferKind::State)
      add((std::string("state ") + m.text(buffer.name)).c_str(),
          amount(buffer.sizeExpr, "B"));
    if (BufferKind(buffer.kind) != BufferKind::Arena)
      continue;
    auto bytes = value(buffer.sizeExpr);
    known &= bytes.has_value();
    items.push(
        {uint64_t(bytes.value_or(0)), buffer.firstStep, buffer.lastStep});
  }
  ArenaPlan plan;
  if (known && planArena(items, plan)) {
    add("intermediate values, peak", amountText(double(plan.peak), "B"));
    add("  no plan could take less than",
        amountText(double(plan.lowerBound), "B") + overText(plan));
    add("scratch of one thread", amountText(double(scratch), "B"));
    if (shared > 0)
      add("scratch that threads share", amountText(double(shared), "B"));
    return table;
  }
  for (const BufferRecord &buffer : m.buffers)
    if (BufferKind(buffer.kind) == BufferKind::Arena)
      add((std::string("value ") + m.text(buffer.name)).c_str(),
          amount(buffer.sizeExpr, "B"));
  std::string flags;
  for (uint32_t i = 0; i != symbols.size(); ++i)
    if (symbols[i] == kNoValue)
      flags += std::string(" --dim ") + m.text(m.symbols[i].name) + "=...";
  table.note = "values share memory where their lives do not meet; give" +
               flags + " for the peak";
  return table;
}

std::vector<Summary::Table> Summary::tables() const {
  std::vector<Table> all = {tensors()};
  if (!m.parameters.empty())
    all.push_back(parameters());
  all.push_back(kernels());
  if (!m.shaders.empty())
    all.push_back(shaders());
  all.push_back(schedule());
  all.push_back(memory());
  if (!remarks.empty()) {
    Table table{
        "remarks (" + std::to_string(remarks.size()) + ")", {"remark"}, {}, ""};
    for (const std::string &remark : remarks)
      table.rows.push_back({{remark}, ""});
    all.push_back(std::move(table));
  }
  return all;
}

std::string Summary::text() const {
  std::string text = title() + "\n";
  if (!doc().empty())
    text += doc() + "\n";
  text += "compiled for " + target() + "\n";
  for (const Table &table : tables()) {
    text += "\n" + table.title + "\n";
    // Columns as wide as their cells, within reason.
    std::vector<size_t> widths;
    for (const std::string &column : table.columns)
      widths.push_back(table.columns.size() > 4 ? column.size() : 0);
    for (const Row &row : table.rows)
      for (size_t i = 0; i != row.cells.size(); ++i)
        widths[i] =
            std::max(widths[i], std::min<size_t>(row.cells[i].size(), 48));
    auto addLine = [&](const std::vector<std::string> &cells) {
      std::string line = "  ";
      for (size_t i = 0; i != cells.size(); ++i) {
        line += cells[i];
        if (cells[i].size() < widths[i])
          line.append(widths[i] - cells[i].size(), ' ');
        if (widths[i])
          line += "  ";
      }
      line.erase(line.find_last_not_of(' ') + 1);
      text += line + "\n";
    };
    if (table.columns.size() > 4) // few columns explain themselves
      addLine(table.columns);
    for (const Row &row : table.rows) {
      addLine(row.cells);
      if (!row.detail.empty())
        text += "      " + row.detail + "\n";
    }
    if (!table.note.empty())
      text += "  " + table.note + "\n";
  }
  return text;
}
