#include "runtime/values.h"

#include <errno.h>

namespace mapsto::runtime {

bool Value::allocate(mapsto_dtype type, const Shape &newShape) {
  dtype = type;
  shape = newShape;
  count = elementCount(dtype, shape.dims, shape.rank);
  if (count < 0 || !memory.ensure(bytes()))
    return false;
  data = memory.data();
  return true;
}

bool needsShape(const char *text) {
  return equal(text, "zeros") || strncmp(text, "random:", 7) == 0;
}

namespace {

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
/// generators", 2014): element i of a seed does not depend on the shape.
uint64_t randomBits(uint64_t seed, uint64_t i) {
  uint64_t z = seed * 0xd1342543de82ef95 + (i + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

struct Reader {
  const char *text;
  mapsto_dtype dtype;
  const WantedShape &wanted;
  Value &value;
  String &error;

  __attribute__((format(printf, 2, 3))) bool fail(const char *format, ...) {
    error.clear();
    va_list args;
    va_start(args, format);
    error.vaddf(format, args);
    va_end(args);
    return false;
  }

  //===--- zeros, random
  //---------------------------------------------------===//

  bool allocateWanted() {
    for (int i = 0; i < wanted.rank; ++i)
      if (wanted.dims[i] == WantedShape::kAny)
        return fail("the shape of `%s` is not known", text);
    return value.allocate(dtype, wanted) || fail("out of memory");
  }

  bool zeros() {
    if (!allocateWanted())
      return false;
    memset(value.data, 0, value.bytes());
    return true;
  }

  bool random() {
    char *end;
    const char *at = text + strlen("random:");
    errno = 0;
    uint64_t seed = strtoull(at, &end, 10);
    bool good = end != at && *at >= '0' && *at <= '9' && errno == 0;
    int64_t bound = dtype == MAPSTO_BOOL ? 2 : 0;
    if (good && *end == ':') {
      at = end + 1;
      bound = strtoll(at, &end, 10);
      good = end != at && errno == 0 && bound > 0 && fitsInt(dtype, bound - 1);
    }
    if (!good || *end)
      return fail("`%s` is not random:SEED or random:SEED:N", text);
    if (!isFloat(dtype) && !bound)
      return fail("random integers need a bound: `%s:N` gives 0 to N - 1",
                  text);
    if (!allocateWanted())
      return false;
    for (int64_t i = 0; i < value.count; ++i) {
      uint64_t bits = randomBits(seed, uint64_t(i));
      if (bound)
        storeInt(dtype, value.data, i, int64_t(bits % uint64_t(bound)));
      else // 24 bits, so that f32 and f64 see the same numbers
        storeDouble(dtype, value.data, i, double(bits >> 40) * 0x1p-23 - 1);
    }
    return true;
  }

  //===--- Lists
  //-----------------------------------------------------------===//

  struct Element {
    double real;
    int64_t integer;
  };
  Array<Element> elements;

  bool number(const char *&at) {
    Element e{};
    char *end;
    errno = 0;
    if (dtype == MAPSTO_BOOL && strncmp(at, "true", 4) == 0) {
      e.integer = 1;
      at += 4;
    } else if (dtype == MAPSTO_BOOL && strncmp(at, "false", 5) == 0) {
      at += 5;
    } else if (isFloat(dtype)) {
      e.real = strtod(at, &end);
      if (end == at)
        return notElement(at);
      at = end;
    } else {
      bool isLarge = dtype == MAPSTO_U64 && *at != '-';
      e.integer =
          isLarge ? int64_t(strtoull(at, &end, 10)) : strtoll(at, &end, 10);
      if (end == at || *end == '.' || *end == 'e' || *end == 'E')
        return notElement(at);
      if (errno == ERANGE || !(isLarge || fitsInt(dtype, e.integer)))
        return fail("%.*s does not fit in %s", int(end - at), at,
                    mapsto_dtype_name(dtype));
      at = end;
    }
    elements.push(e);
    return true;
  }
  bool notElement(const char *at) {
    int length = 0;
    while (at[length] && !strchr(",] ", at[length]) && length < 40)
      ++length;
    const char *element = isFloat(dtype)         ? "a number"
                          : dtype == MAPSTO_BOOL ? "a bool"
                                                 : "an integer";
    if (!length)
      return fail("%s is missing after `%.*s`", element,
                  int(at - text < 40 ? at - text : 40),
                  at - text < 40 ? text : at - 40);
    return fail("`%.*s` is not %s", length, at, element);
  }

  static void skipSpace(const char *&at) {
    while (*at == ' ' || *at == '\n' || *at == '\t')
      ++at;
  }

  /// One bracketed list of the nesting level `depth`; finds the shape with the
  /// first element of every level and holds the others to it.
  bool list(const char *&at, int depth, Shape &shape) {
    if (depth == MAPSTO_MAX_RANK)
      return fail("a list is nested more than 16 deep");
    bool first = shape.rank <= depth;
    if (first)
      shape.rank = depth + 1;
    ++at; // '['
    int64_t n = 0;
    skipSpace(at);
    while (*at != ']') {
      bool nested = *at == '[';
      // Once a number is met, this level is the last.
      if (nested
              ? closed && depth + 1 == shape.rank
              : (closed || shape.rank > depth + 1) && depth + 1 != shape.rank)
        return fail("the lists in it are nested unevenly");
      closed |= !nested;
      if (!(nested ? list(at, depth + 1, shape) : number(at)))
        return false;
      ++n;
      skipSpace(at);
      if (*at == ',') {
        ++at;
        skipSpace(at);
      } else if (*at != ']') {
        return fail("a `]` is missing");
      }
    }
    ++at;
    if (first)
      shape.dims[depth] = n;
    else if (shape.dims[depth] != n)
      return fail("the lists in it have %lld and %lld elements",
                  (long long)shape.dims[depth], (long long)n);
    return true;
  }
  bool closed = false;

  bool flat(const char *&at, int64_t &n) {
    for (skipSpace(at); *at;) {
      if (!number(at))
        return false;
      ++n;
      skipSpace(at);
      if (*at == ',') {
        ++at;
        skipSpace(at);
        if (!*at)
          break;
      } else if (*at) {
        return notElement(at);
      }
    }
    return true;
  }

  /// The shape of n elements given without brackets.
  bool fill(int64_t n, Shape &shape) {
    shape = wanted;
    int64_t known = 1;
    int unknown = -1;
    for (int i = 0; i < shape.rank; ++i) {
      if (shape.dims[i] != WantedShape::kAny) {
        if (__builtin_mul_overflow(known, shape.dims[i], &known))
          return fail("its shape overflows");
        continue;
      }
      if (unknown >= 0)
        shape.dims[unknown] = 1;
      unknown = i;
    }
    if (unknown >= 0) {
      shape.dims[unknown] = known ? n / known : 0;
      known *= shape.dims[unknown];
    }
    if (known == n)
      return true;
    return fail("%lld element%s cannot fill its shape", (long long)n,
                n == 1 ? "" : "s");
  }

  bool literal() {
    const char *at = text;
    Shape shape;
    skipSpace(at);
    if (*at == '[') {
      if (!list(at, 0, shape))
        return false;
      skipSpace(at);
      if (*at)
        return fail("`%.40s` follows the list", at);
    } else {
      int64_t n = 0;
      if (!flat(at, n) || !fill(n, shape))
        return false;
    }
    if (!value.allocate(dtype, shape))
      return fail("out of memory");
    if (uint64_t(value.count) != elements.size())
      return fail("the lists in it are nested unevenly");
    for (int64_t i = 0; i < value.count; ++i)
      if (isFloat(dtype))
        storeDouble(dtype, value.data, i, elements[size_t(i)].real);
      else
        storeInt(dtype, value.data, i, elements[size_t(i)].integer);
    return true;
  }

  bool read() {
    if (equal(text, "zeros"))
      return zeros();
    return needsShape(text) ? random() : literal();
  }
};

} // namespace

bool readValue(const char *text, const char *name, mapsto_dtype dtype,
               const WantedShape &wanted, Value &value, String &error) {
  if (*text != '@')
    return Reader{text, dtype, wanted, value, error, {}}.read();
  value.dtype = dtype; // says whether uint16 means bf16
  if (!readFile(text, name, value, error))
    return false;
  if (value.dtype == dtype)
    return true;
  error.clear();
  error.addf("%s is %s, not %s; convert it with numpy's astype", text + 1,
             mapsto_dtype_name(value.dtype), mapsto_dtype_name(dtype));
  return false;
}

} // namespace mapsto::runtime
