//===- PackedWeights.cpp - Parameters as the kernels read them ------------===//

#include "compiler/package/PackedWeights.h"
#include "runtime/dtype.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Alignment.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace mapsto {

//===----------------------------------------------------------------------===//
// Checks
//===----------------------------------------------------------------------===//

namespace {

/// What a module asks of one parameter, by all its uses.
struct Wanted {
  mapsto_dtype dtype;
  std::vector<int64_t> shape;
  bool byRows = false; // the shape's first size is the least that will do
};

std::string shapeText(ArrayRef<int64_t> shape) {
  std::string text = "[";
  llvm::raw_string_ostream out(text);
  llvm::interleaveComma(shape, out);
  out << ']';
  return text;
}

llvm::MapVector<StringRef, Wanted> wantedOf(ModuleOp module) {
  llvm::MapVector<StringRef, Wanted> all;
  module.walk([&](WeightOp op) {
    RankedTensorType type = op.getType();
    Wanted wanted{dtypeOf(type.getElementType()), type.getShape().vec(),
                  op.getRowStart().has_value()};
    if (op.getPanel())
      wanted.shape = op.getSourceShape()->vec();
    if (wanted.byRows)
      wanted.shape[0] += *op.getRowStart();
    auto [it, isNew] = all.insert({op.getName(), wanted});
    Wanted &known = it->second;
    if (isNew || known.shape.empty() || wanted.shape.empty())
      return;
    if (known.byRows && (!wanted.byRows || wanted.shape[0] > known.shape[0]))
      known = wanted;
  });
  return all;
}

/// Whether a value of the file's type may become one of the model's.
bool isConvertible(mapsto_dtype from, mapsto_dtype to) {
  bool toFloat = runtime::isFloat(to);
  return from == to || toFloat || !runtime::isFloat(from);
}

/// Whether all elements keep their value as another type. Floats may be
/// rounded to narrower floats.
bool isExact(const WeightView &view, mapsto_dtype to) {
  if (view.dtype == to || runtime::isFloat(view.dtype))
    return true;
  int64_t count = view.bytes.size() / mapsto_dtype_size(view.dtype);
  for (int64_t i = 0; i < count; ++i) {
    int64_t x = runtime::elementAsInt(view.dtype, view.bytes.data(), i);
    if (view.dtype == MAPSTO_U64 && x < 0)
      return false; // 2^63 and up
    bool fits = runtime::isFloat(to)
                    ? int64_t(float(x)) == x && std::abs(x) < (1ll << 53)
                    : runtime::fitsInt(to, x);
    if (!fits)
      return false;
  }
  return true;
}

std::string nearest(StringRef name, ArrayRef<StringRef> candidates) {
  // Farther than a third of the name away, it is another name.
  unsigned best = std::max<unsigned>(2, name.size() / 3) + 1;
  StringRef found;
  for (StringRef candidate : candidates) {
    unsigned distance = name.edit_distance(candidate, true, best);
    if (distance < best) {
      best = distance;
      found = candidate;
    }
  }
  return found.str();
}

} // namespace

WeightProblems checkWeights(ModuleOp module, const WeightSource &source) {
  WeightProblems problems;
  llvm::MapVector<StringRef, Wanted> wanted = wantedOf(module);
  SmallVector<StringRef> extra;
  for (StringRef name : source.names)
    if (!wanted.count(name))
      extra.push_back(name);

  for (auto &[name, want] : wanted) {
    std::string what = ("`" + name + "` ").str() +
                       mapsto_dtype_name(want.dtype) + shapeText(want.shape);
    std::optional<WeightView> view = source.find(name);
    if (!view) {
      std::string hint = nearest(name, extra);
      problems.missing.push_back(
          what + (hint.empty() ? "" : "; did you mean `" + hint + "`?"));
      continue;
    }
    bool fits = view->shape == want.shape;
    if (want.byRows && !view->shape.empty() && !want.shape.empty())
      fits = view->shape[0] >= want.shape[0] &&
             ArrayRef(view->shape).drop_front() ==
                 ArrayRef(want.shape).drop_front();
    if (!fits)
      problems.mismatched.push_back(what + " is " + shapeText(view->shape) +
                                    " in the file");
    else if (!isConvertible(view->dtype, want.dtype) ||
             !isExact(*view, want.dtype))
      problems.mismatched.push_back(what + " is of " +
                                    mapsto_dtype_name(view->dtype) +
                                    " in the file, which it cannot hold");
  }
  for (StringRef name : extra)
    problems.extra.push_back("`" + name.str() + "` " +
                             shapeText(source.find(name)->shape));
  return problems;
}

//===----------------------------------------------------------------------===//
// The plan
//===----------------------------------------------------------------------===//

static std::string keyOf(Operation *op) {
  std::string key;
  llvm::raw_string_ostream out(key);
  if (auto weight = dyn_cast<WeightOp>(op))
    out << weight.getName() << '\0' << weight.getRowStart().value_or(0) << ' '
        << weight.getPanel().value_or(0) << ' ' << weight.getTransposed() << ' '
        << weight.getStoredAttr() << weight.getScales() << ' '
        << weight.getType();
  else
    out << '\0' << cast<ConstantOp>(op).getValue();
  return key;
}

static uint64_t bytesOf(ArrayRef<int64_t> shape, mapsto_dtype dtype) {
  uint64_t count = mapsto_dtype_size(dtype);
  for (int64_t size : shape)
    count *= size;
  return count;
}

void WeightTable::add(std::string key, Entry entry) {
  if (!index.try_emplace(key, list.size()).second)
    return;
  entry.offset = llvm::alignTo(bytes, kAlignment);
  entry.size = bytesOf(entry.shape, entry.dtype);
  bytes = entry.offset + entry.size;
  list.push_back(std::move(entry));
}

WeightTable::WeightTable(ModuleOp module) {
  auto main = module.lookupSymbol<func::FuncOp>(kEntryName);
  if (!main)
    return;
  main.walk([&](Operation *op) {
    Entry entry;
    if (auto weight = dyn_cast<WeightOp>(op)) {
      entry.name = weight.getName().str();
      entry.rowStart = weight.getRowStart().value_or(0);
      entry.panel = weight.getPanel().value_or(0);
      entry.transposed = weight.getTransposed();
      entry.stored = weight.getStoredAttr();
      entry.scales = weight.getScales();
      if (entry.panel)
        entry.matrix = {
            weight.getSourceShape()->front(),
            llvm::product_of(weight.getSourceShape()->drop_front())};
    } else if (auto constant = dyn_cast<ConstantOp>(op)) {
      entry.value = dyn_cast<DenseElementsAttr>(constant.getValue());
      if (!entry.value)
        return;
    } else {
      return;
    }
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    entry.dtype = dtypeOf(type.getElementType());
    entry.shape = type.getShape().vec();
    add(keyOf(op), std::move(entry));
  });
}

const WeightTable::Entry &WeightTable::find(Operation *op) const {
  auto it = index.find(keyOf(op));
  assert(it != index.end() && "not of the module the table was made from");
  return list[it->second];
}

//===----------------------------------------------------------------------===//
// The bytes
//===----------------------------------------------------------------------===//

namespace {

using Sink = function_ref<void(const void *, size_t)>;

/// Elements that are converted at once.
constexpr int64_t kChunk = 1 << 14;

/// `count` elements from `first` on, as they lie in the file.
void writePlain(const WeightView &view, int64_t first, int64_t count,
                const WeightTable::Entry &entry, const ElementWriter &writer,
                Sink sink) {
  size_t size = mapsto_dtype_size(entry.dtype);
  bool hasScales = entry.stored && entry.stored.getChannels();
  if (view.dtype == entry.dtype && !hasScales) {
    sink(view.bytes.data() + first * size, count * size);
    return;
  }
  // A matrix with scales row by row.
  int64_t most = hasScales ? std::max<int64_t>(view.shape[1], 1) : kChunk;
  std::vector<char> chunk(most * size);
  for (int64_t done = 0; done < count; done += most) {
    int64_t n = std::min(most, count - done);
    writer.write(first + done, 1, n, chunk.data());
    sink(chunk.data(), n * size);
  }
}

/// Panels of `panel` columns, each with the matrix's rows one after the other;
/// columns beyond the last are zeros.
void writePanels(const WeightTable::Entry &entry, const ElementWriter &writer,
                 Sink sink) {
  auto [rows, columns] = std::pair(entry.matrix[0], entry.matrix[1]);
  if (entry.transposed)
    std::swap(rows, columns);
  // Element (k, n) of the matrix lies at first + k * rowStep + n * columnStep.
  int64_t rowStep = entry.transposed ? 1 : columns;
  int64_t columnStep = entry.transposed ? rows : 1;
  int64_t first = entry.rowStart * entry.matrix[1];
  size_t size = mapsto_dtype_size(entry.dtype);
  std::vector<char> buffer(rows * entry.panel * size);
  for (int64_t start = 0; start < columns; start += entry.panel) {
    int64_t width = std::min(entry.panel, columns - start);
    if (width < entry.panel)
      std::fill(buffer.begin(), buffer.end(), 0);
    for (int64_t n = 0; n < width; ++n)
      writer.write(first + (start + n) * columnStep, rowStep, rows,
                   buffer.data() + n * size, entry.panel);
    sink(buffer.data(), buffer.size());
  }
}

void writeLiteral(const WeightTable::Entry &entry, Sink sink) {
  std::vector<char> stored(entry.size);
  int64_t i = 0;
  if (isa<FloatType>(entry.value.getElementType()))
    for (APFloat x : entry.value.getValues<APFloat>()) {
      bool inexact;
      x.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &inexact);
      runtime::storeDouble(entry.dtype, stored.data(), i++,
                           x.convertToDouble());
    }
  else
    for (APInt x : entry.value.getValues<APInt>())
      runtime::storeInt(entry.dtype, stored.data(), i++,
                        entry.dtype == MAPSTO_BOOL ? x.getZExtValue()
                                                   : x.getSExtValue());
  sink(stored.data(), stored.size());
}

} // namespace

bool WeightTable::writeAll(Sink sink, std::string &error) const {
  uint64_t at = 0;
  llvm::StringMap<std::vector<float>> scales; // of matrices met so far
  auto counted = [&](const void *from, size_t size) {
    sink(from, size);
    at += size;
  };
  for (const Entry &entry : list) {
    static const char zeros[kAlignment] = {};
    counted(zeros, entry.offset - at);
    if (entry.value) {
      writeLiteral(entry, counted);
      continue;
    }
    std::optional<WeightView> view;
    if (source.find)
      view = source.find(entry.name);
    if (!view) {
      error = "no weight `" + entry.name + "`";
      return false;
    }
    // What will be read: the whole, or whole rows.
    ArrayRef<int64_t> shape = entry.panel ? entry.matrix : entry.shape;
    ArrayRef<float> factors;
    if (entry.stored && entry.stored.getChannels()) {
      std::vector<float> &known = scales[entry.name];
      if (known.empty())
        known = channelScales(*view, *entry.stored.getChannels());
      factors = known;
    }
    if (entry.scales) {
      counted(factors.data() + entry.rowStart, entry.size);
      continue;
    }
    int64_t rowSize = 1, rows = shape.empty() ? 1 : shape[0];
    for (size_t i = 1; i < shape.size(); ++i)
      rowSize *= shape[i];
    uint64_t end = (entry.rowStart + rows) * rowSize;
    if (end * mapsto_dtype_size(view->dtype) > view->bytes.size()) {
      error = "weight `" + entry.name + "` is too small";
      return false;
    }
    ElementWriter writer(*view, entry.dtype, entry.stored, factors);
    if (entry.panel)
      writePanels(entry, writer, counted);
    else
      writePlain(*view, entry.rowStart * rowSize, rows * rowSize, entry, writer,
                 counted);
  }
  return true;
}

bool WeightTable::write(llvm::raw_ostream &out, std::string &error) const {
  return writeAll(
      [&](const void *from, size_t size) {
        out.write(static_cast<const char *>(from), size);
      },
      error);
}

bool WeightTable::writeTo(void *memory, std::string &error) const {
  char *to = static_cast<char *>(memory);
  return writeAll(
      [&](const void *from, size_t size) {
        if (size)
          std::memcpy(to, from, size);
        to += size;
      },
      error);
}

} // namespace mapsto
