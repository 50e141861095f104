#include "runtime/base.h"

namespace mapsto::runtime {

void *grow(void *items, size_t &capacity, size_t n, size_t size) {
  size_t next = capacity * 2 > n ? capacity * 2 : n;
  void *grown = n > SIZE_MAX / 2 / size ? nullptr : realloc(items, next * size);
  if (!grown) {
    fputs("out of memory\n", stderr);
    abort();
  }
  capacity = next;
  return grown;
}

void String::add(const char *s, size_t n) {
  if (!chars.empty())
    chars.pop();
  chars.append(s, n);
  chars.push('\0');
}

void String::add(const char *s) { add(s, strlen(s)); }

void String::addf(const char *format, ...) {
  va_list args;
  va_start(args, format);
  vaddf(format, args);
  va_end(args);
}

void String::vaddf(const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  int n = vsnprintf(nullptr, 0, format, args);
  if (n > 0) {
    size_t old = size();
    chars.resize(old + size_t(n) + 1);
    vsnprintf(chars.data() + old, size_t(n) + 1, format, again);
  }
  va_end(again);
}

bool Memory::ensure(uint64_t bytes) {
  if (bytes <= length && block)
    return true;
  free(block);
  block = nullptr;
  length = 0;
  if (bytes > SIZE_MAX - 64 || bytes > INT64_MAX - 64)
    return false;
  uint64_t rounded = (bytes + 63) / 64 * 64;
  block = static_cast<char *>(aligned_alloc(64, rounded ? rounded : 64));
  if (!block)
    return false;
  length = rounded;
  return true;
}

} // namespace mapsto::runtime
