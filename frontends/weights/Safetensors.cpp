#include "frontends/weights/Weights.h"

#include "runtime/dtype.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/raw_ostream.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace mapsto {

namespace {

/// The format's own limit.
constexpr uint64_t kMaxHeader = 100'000'000;

struct DtypeName {
  const char *name;
  mapsto_dtype dtype;
};
constexpr DtypeName kDtypes[] = {
    {"F64", MAPSTO_F64},   {"F32", MAPSTO_F32}, {"F16", MAPSTO_F16},
    {"BF16", MAPSTO_BF16}, {"I64", MAPSTO_I64}, {"I32", MAPSTO_I32},
    {"I16", MAPSTO_I16},   {"I8", MAPSTO_I8},   {"U64", MAPSTO_U64},
    {"U32", MAPSTO_U32},   {"U16", MAPSTO_U16}, {"U8", MAPSTO_U8},
    {"BOOL", MAPSTO_BOOL}};

/// An entry of the header, as read.
struct Entry {
  std::string name;
  std::string dtype;
  std::vector<uint64_t> shape, offsets;
  bool hasDtype = false, hasShape = false, hasOffsets = false;
};

/// Reads the header
///   {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...,
///    "__metadata__": {"KEY": "text", ...}}
/// token by token: a tree of it would drop duplicated names and take many times
/// its size.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
public:
  std::vector<Entry> entries;
  std::string error;

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a bool"); }
  bool number_float(double, const std::string &) override {
    return unexpected("a fraction");
  }
  bool number_integer(int64_t) override {
    return unexpected("a negative number");
  }
  bool number_unsigned(uint64_t value) override {
    if (where != Shape && where != Offsets)
      return unexpected("a number");
    auto &list = where == Shape ? entries.back().shape : entries.back().offsets;
    if (list.size() == (where == Shape ? size_t(MAPSTO_MAX_RANK) : 2))
      return failEntry(where == Shape ? "more than 16 axes"
                                      : "more than two data_offsets");
    list.push_back(value);
    return true;
  }
  bool string(std::string &text) override {
    if (where == Metadata)
      return true;
    if (where != Field || field != "dtype")
      return unexpected("a string");
    entries.back().dtype = text;
    return true;
  }
  bool binary(binary_t &) override { return unexpected("binary"); }

  bool start_object(size_t) override {
    if (where == Outside) {
      where = Names;
      return true;
    }
    if (where != Names)
      return unexpected("an object");
    where = inMetadata ? Metadata : Field;
    field.clear();
    return true;
  }
  bool key(std::string &name) override {
    if (where == Metadata)
      return unique(metadataKeys, name, "metadata key");
    if (where == Names) {
      if (!unique(names, name, "tensor"))
        return false;
      inMetadata = name == "__metadata__";
      if (!inMetadata)
        entries.emplace_back().name = name;
      return true;
    }
    Entry &entry = entries.back();
    bool *seen = name == "dtype"          ? &entry.hasDtype
                 : name == "shape"        ? &entry.hasShape
                 : name == "data_offsets" ? &entry.hasOffsets
                                          : nullptr;
    if (!seen)
      return failEntry("an unknown field '" + name + "'");
    if (*seen)
      return failEntry("two fields '" + name + "'");
    *seen = true;
    field = name;
    return true;
  }
  bool end_object() override {
    if (where == Field) {
      const Entry &entry = entries.back();
      if (!entry.hasDtype || !entry.hasShape || !entry.hasOffsets)
        return failEntry("not all of dtype, shape and data_offsets");
      where = Names;
    } else if (where == Metadata) {
      where = Names;
    } else {
      where = Done;
    }
    return true;
  }
  bool start_array(size_t) override {
    if (where != Field || (field != "shape" && field != "data_offsets"))
      return unexpected("a list");
    where = field == "shape" ? Shape : Offsets;
    return true;
  }
  bool end_array() override {
    where = Field;
    return true;
  }
  bool parse_error(size_t position, const std::string &,
                   const nlohmann::detail::exception &exception) override {
    bool encoding = llvm::StringRef(exception.what()).contains("UTF-8");
    return fail(llvm::Twine("its header is not valid ") +
                (encoding ? "UTF-8" : "JSON") + " (at byte " +
                llvm::Twine(position + 8) + " of the file)");
  }

private:
  enum {
    Outside,
    Names,
    Field,
    Shape,
    Offsets,
    Metadata,
    Done
  } where = Outside;
  bool inMetadata = false;
  std::string field;
  llvm::StringSet<> names, metadataKeys;

  bool fail(const llvm::Twine &what) {
    error = what.str();
    return false;
  }
  bool failEntry(const llvm::Twine &what) {
    return fail("tensor `" + entries.back().name + "` has " + what);
  }
  bool unexpected(const char *what) {
    return fail(llvm::Twine("its header has ") + what + " where none belongs");
  }
  bool unique(llvm::StringSet<> &set, const std::string &name,
              const char *what) {
    return set.insert(name).second ||
           fail(llvm::Twine("its header has two of the ") + what + " `" + name +
                "`");
  }
};

/// Checks one entry against the data's size and makes it a tensor.
bool makeTensor(const Entry &entry, llvm::ArrayRef<uint8_t> data,
                WeightTensor &tensor, std::string &error) {
  auto fail = [&](const llvm::Twine &what) {
    error = ("tensor `" + entry.name + "` " + what).str();
    return false;
  };
  const DtypeName *dtype =
      std::find_if(std::begin(kDtypes), std::end(kDtypes),
                   [&](const DtypeName &d) { return entry.dtype == d.name; });
  if (dtype == std::end(kDtypes))
    return fail("has the dtype '" + entry.dtype.substr(0, 32) +
                "', which is none of F64, F32, F16, BF16, I64, I32, I16, I8, "
                "U64, U32, U16, U8, BOOL");
  if (entry.offsets.size() != 2)
    return fail("has not two data_offsets");
  uint64_t begin = entry.offsets[0], end = entry.offsets[1];
  if (begin > end)
    return fail("ends before it begins");
  if (end > data.size())
    return fail("lies outside the file: it ends at byte " + llvm::Twine(end) +
                " of " + llvm::Twine(data.size()));
  tensor.name = entry.name;
  tensor.dtype = dtype->dtype;
  for (uint64_t size : entry.shape)
    tensor.shape.push_back(size > INT64_MAX ? -1 : int64_t(size));
  int64_t count = runtime::elementCount(tensor.dtype, tensor.shape.data(),
                                        int(tensor.shape.size()));
  if (count < 0)
    return fail("has a shape that overflows");
  uint64_t bytes = uint64_t(count) * mapsto_dtype_size(tensor.dtype);
  if (bytes != end - begin)
    return fail("has a shape and dtype of " + llvm::Twine(bytes) +
                " bytes, but " + llvm::Twine(end - begin) +
                " bytes in the file");
  tensor.bytes = data.slice(begin, end - begin);
  if (tensor.dtype == MAPSTO_BOOL &&
      llvm::any_of(tensor.bytes, [](uint8_t b) { return b > 1; }))
    return fail("has a bool that is neither 0 nor 1");
  return true;
}

/// Every byte of the data belongs to exactly one tensor.
bool checkCover(const std::vector<WeightTensor> &tensors,
                llvm::ArrayRef<uint8_t> data, std::string &error) {
  std::vector<const WeightTensor *> order;
  for (const WeightTensor &tensor : tensors)
    order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](auto *a, auto *b) {
    return std::pair(a->bytes.data(), a->bytes.size()) <
           std::pair(b->bytes.data(), b->bytes.size());
  });
  const uint8_t *end = data.data();
  const WeightTensor *last = nullptr;
  for (const WeightTensor *tensor : order) {
    if (tensor->bytes.data() < end) {
      error = "tensors `" + last->name + "` and `" + tensor->name + "` overlap";
      return false;
    }
    if (tensor->bytes.data() > end) {
      error = "there is a hole of " +
              std::to_string(tensor->bytes.data() - end) +
              " bytes before tensor `" + tensor->name + "`";
      return false;
    }
    end = tensor->bytes.end();
    last = tensor;
  }
  if (end == data.end())
    return true;
  error = "it has " + std::to_string(data.end() - end) +
          " bytes after its last tensor";
  return false;
}

} // namespace

bool parseSafetensors(llvm::ArrayRef<uint8_t> file,
                      std::vector<WeightTensor> &tensors, std::string &error) {
  if (file.size() < 8) {
    error = "it is truncated: a safetensors file has at least 8 bytes";
    return false;
  }
  uint64_t length = llvm::support::endian::read64le(file.data());
  if (length > kMaxHeader) {
    error = "it is not a safetensors file: its header would have " +
            std::to_string(length) + " bytes";
    return false;
  }
  if (length > file.size() - 8) {
    error = "it is truncated: its header should have " +
            std::to_string(length) + " bytes";
    return false;
  }
  llvm::ArrayRef<uint8_t> header = file.slice(8, length);
  if (header.empty() || header[0] != '{') {
    error = "it is not a safetensors file: its header is no JSON object";
    return false;
  }
  HeaderReader reader;
  // Nesting is bounded by what the reader expects, UTF-8 checked by the lexer.
  if (!nlohmann::json::sax_parse(header.begin(), header.end(), &reader,
                                 nlohmann::json::input_format_t::json,
                                 /*strict=*/true)) {
    error = reader.error;
    return false;
  }
  llvm::ArrayRef<uint8_t> data = file.drop_front(8 + length);
  for (const Entry &entry : reader.entries)
    if (!makeTensor(entry, data, tensors.emplace_back(), error))
      return false;
  return checkCover(tensors, data, error);
}

bool writeSafetensors(llvm::raw_ostream &out,
                      llvm::ArrayRef<WeightTensor> tensors,
                      std::string &error) {
  std::string header;
  llvm::raw_string_ostream text(header);
  llvm::json::OStream json(text);
  uint64_t at = 0;
  json.objectBegin();
  for (const WeightTensor &tensor : tensors) {
    const auto *dtype = llvm::find_if(kDtypes, [&](const DtypeName &known) {
      return known.dtype == tensor.dtype;
    });
    if (dtype == std::end(kDtypes) || !llvm::json::isUTF8(tensor.name)) {
      error = "`" + llvm::json::fixUTF8(tensor.name) +
              "`: safetensors has no " +
              (dtype == std::end(kDtypes)
                   ? std::string("type ") + mapsto_dtype_name(tensor.dtype)
                   : std::string("such name"));
      return false;
    }
    json.attributeObject(tensor.name, [&] {
      json.attribute("dtype", dtype->name);
      json.attributeArray("shape", [&] {
        for (int64_t size : tensor.shape)
          json.value(size);
      });
      json.attributeArray("data_offsets", [&] {
        json.value(int64_t(at));
        json.value(int64_t(at += tensor.bytes.size()));
      });
    });
  }
  json.objectEnd();
  // Blanks behind it let the elements begin at a multiple of 8.
  header.resize((header.size() + 7) / 8 * 8, ' ');
  char length[8];
  llvm::support::endian::write64le(length, header.size());
  out << llvm::StringRef(length, sizeof length) << header;
  for (const WeightTensor &tensor : tensors)
    out.write(reinterpret_cast<const char *>(tensor.bytes.data()),
              tensor.bytes.size());
  return true;
}

} // namespace mapsto
