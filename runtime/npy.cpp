#include "runtime/npy.h"

namespace mapsto::runtime {

namespace {

constexpr char kMagic[6] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};
/// NumPy's own limit is 10,000; structured dtypes, which we refuse, are longer.
constexpr uint64_t kMaxHeader = 1 << 20;

/// The Python dictionary of a header: {'descr': '<f4', 'fortran_order': False,
/// 'shape': (2, 3), }.
struct HeaderParser {
  const char *at, *end;
  NpyArray &array;
  String &error;

  bool fail(const char *what) {
    error.clear();
    error.add(what);
    return false;
  }
  bool malformed() { return fail("the npy header is malformed"); }

  void skipSpace() {
    while (at < end &&
           (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
      ++at;
  }
  bool take(char c) {
    skipSpace();
    if (at == end || *at != c)
      return false;
    ++at;
    return true;
  }
  bool takeWord(const char *word) {
    skipSpace();
    size_t n = strlen(word);
    if (size_t(end - at) < n || memcmp(at, word, n) != 0)
      return false;
    at += n;
    return true;
  }
  bool takeString(const char *&text, size_t &length) {
    skipSpace();
    if (at == end || (*at != '\'' && *at != '"'))
      return false;
    char quote = *at++;
    text = at;
    while (at < end && *at != quote && *at != '\\')
      ++at;
    if (at == end || *at != quote)
      return false;
    length = size_t(at++ - text);
    return true;
  }

  bool descr() {
    const char *text;
    size_t length;
    skipSpace();
    if (at < end && *at == '[')
      return fail("it holds a structured array, not numbers");
    if (!takeString(text, length))
      return malformed();
    if (length == 3 && text[0] == '>')
      return fail("it is big-endian; save it with a.astype(a.dtype."
                  "newbyteorder('<'))");
    if (memchr(text, 'O', length))
      return fail("it holds Python objects, not numbers");
    for (unsigned d = 0; d < kDtypeCount; ++d)
      if (length == 3 && text[0] && strchr("<|=", text[0]) &&
          memcmp(text + 1, numpyName(mapsto_dtype(d)), 2) == 0) {
        array.dtype = mapsto_dtype(d);
        return true;
      }
    error.clear();
    error.add("its dtype '");
    for (size_t i = 0; i < length && i < 16; ++i)
      error.add(text[i] >= ' ' && text[i] <= '~' ? text[i] : '?');
    error.add("' is none of f2-f8, i1-i8, u1-u8, bool");
    return false;
  }

  bool fortranOrder() {
    if (takeWord("False"))
      return true;
    if (takeWord("True"))
      return fail("it is in Fortran order; save it with "
                  "numpy.ascontiguousarray");
    return malformed();
  }

  bool shape() {
    if (!take('('))
      return malformed();
    array.shape = {};
    while (!take(')')) {
      if (array.shape.rank == MAPSTO_MAX_RANK)
        return fail("it has more than 16 axes");
      skipSpace();
      if (at == end || *at < '0' || *at > '9')
        return malformed();
      int64_t size = 0;
      for (; at < end && *at >= '0' && *at <= '9'; ++at)
        if (__builtin_mul_overflow(size, 10, &size) ||
            __builtin_add_overflow(size, *at - '0', &size))
          return fail("its shape overflows");
      if (at < end && *at == 'L') // as Python 2 wrote it
        ++at;
      array.shape.dims[array.shape.rank++] = size;
      if (!take(',')) {
        if (!take(')'))
          return malformed();
        return true;
      }
    }
    return true;
  }

  bool parse() {
    if (!take('{'))
      return malformed();
    bool seen[3] = {};
    while (!take('}')) {
      const char *key;
      size_t length;
      if (!takeString(key, length) || !take(':'))
        return malformed();
      auto is = [&](const char *name) {
        return length == strlen(name) && memcmp(key, name, length) == 0;
      };
      int which = is("descr")           ? 0
                  : is("fortran_order") ? 1
                  : is("shape")         ? 2
                                        : -1;
      if (which < 0 || seen[which])
        return malformed();
      seen[which] = true;
      if (!(which == 0 ? descr() : which == 1 ? fortranOrder() : shape()))
        return false;
      if (!take(',')) {
        if (!take('}'))
          return malformed();
        break;
      }
    }
    skipSpace();
    if (at != end || !seen[0] || !seen[1] || !seen[2])
      return malformed();
    return true;
  }
};

} // namespace

bool parseNpy(const void *file, uint64_t size, NpyArray &array, String &error) {
  const uint8_t *bytes = static_cast<const uint8_t *>(file);
  auto fail = [&](const char *what) {
    error.clear();
    error.add(what);
    return false;
  };
  if (size < 10 || memcmp(bytes, kMagic, sizeof kMagic) != 0)
    return fail("it is not an .npy file");
  uint8_t major = bytes[6];
  if (major < 1 || major > 3)
    return fail("it is of an unknown version of the npy format");
  uint64_t start = major == 1 ? 10 : 12;
  if (size < start)
    return fail("it is truncated");
  uint64_t length = bytes[8] | uint64_t(bytes[9]) << 8;
  if (major > 1)
    length |= uint64_t(bytes[10]) << 16 | uint64_t(bytes[11]) << 24;
  if (length > kMaxHeader)
    return fail("the npy header is malformed");
  if (length > size - start)
    return fail("it is truncated");
  const char *header = reinterpret_cast<const char *>(bytes) + start;
  array = {};
  if (!HeaderParser{header, header + length, array, error}.parse())
    return false;

  int64_t count = elementCount(array.dtype, array.shape.dims, array.shape.rank);
  if (count < 0)
    return fail("its shape overflows");
  array.offset = start + length;
  array.bytes = uint64_t(count) * mapsto_dtype_size(array.dtype);
  uint64_t present = size - array.offset;
  if (present != array.bytes) {
    error.clear();
    error.add(present < array.bytes ? "it is truncated: its shape "
                                    : "it is longer than it should be: its "
                                      "shape ");
    addShape(error, array.shape);
    error.addf(" needs %llu bytes, but it has %llu",
               (unsigned long long)array.bytes, (unsigned long long)present);
    return false;
  }
  if (array.dtype == MAPSTO_BOOL)
    for (uint64_t i = 0; i < array.bytes; ++i)
      if (bytes[array.offset + i] > 1)
        return fail("a bool in it is neither 0 nor 1");
  return true;
}

void npyHeader(mapsto_dtype dtype, const Shape &shape, String &header) {
  String dict;
  dict.addf("{'descr': '%c%s', 'fortran_order': False, 'shape': (",
            mapsto_dtype_size(dtype) == 1 ? '|' : '<', numpyName(dtype));
  for (int i = 0; i < shape.rank; ++i)
    dict.addf("%s%lld", i ? ", " : "", (long long)shape.dims[i]);
  dict.add(shape.rank == 1 ? ",), }" : "), }");
  size_t length = (10 + dict.size() + 1 + 63) / 64 * 64 - 10;
  while (dict.size() + 1 < length)
    dict.add(' ');
  dict.add('\n');
  header.clear();
  header.add(kMagic, sizeof kMagic);
  char version[] = {1, 0, char(length & 0xff), char(length >> 8)};
  header.add(version, sizeof version);
  header.add(dict.c_str(), dict.size());
}

} // namespace mapsto::runtime
