#include "runtime/base.h"
#ifdef MAPSTO_GUARD_MEMORY
#include <sys/mman.h>
#endif

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

#ifdef MAPSTO_GUARD_MEMORY
// Kernels are not instrumented. Of what they go beyond, the page after memory's
// end and those before its beginning tell: nobody may touch them.
constexpr uint64_t kPage = 4096, kGuard = 64 * kPage;

static char *allocate(uint64_t bytes) {
  uint64_t pages = (bytes + kPage - 1) / kPage * kPage;
  void *all = mmap(nullptr, pages + 2 * kGuard, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (all == MAP_FAILED)
    return nullptr;
  char *first = static_cast<char *>(all) + kGuard;
  if (mprotect(first, pages, PROT_READ | PROT_WRITE) != 0) {
    munmap(all, pages + 2 * kGuard);
    return nullptr;
  }
  return first + (pages - bytes);
}

void Memory::release() {
  if (!block)
    return;
  uint64_t within = reinterpret_cast<uintptr_t>(block) % kPage;
  munmap(block - within - kGuard, within + length + 2 * kGuard);
}
#else
static char *allocate(uint64_t bytes) {
  return static_cast<char *>(aligned_alloc(64, bytes));
}

void Memory::release() { free(block); }
#endif

bool Memory::ensure(uint64_t bytes) {
  if (bytes <= length && block)
    return true;
  release();
  block = nullptr;
  length = 0;
  if (bytes > INT64_MAX - 64)
    return false;
  uint64_t rounded = bytes ? (bytes + 63) / 64 * 64 : 64;
  block = allocate(rounded);
  if (!block)
    return false;
  length = rounded;
  return true;
}

} // namespace mapsto::runtime
