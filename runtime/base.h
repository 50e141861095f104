//===- base.h - the few containers the runtime needs ----------------------===//
//
// A compiled model links with libc and libm alone, so the runtime has its own
// growable array and text instead of the C++ library's. Elements of an Array
// are plain data. Small allocations end the process when memory is out, as
// operator new would; large ones go through Memory, which reports it.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_RUNTIME_BASE_H
#define MAPSTO_RUNTIME_BASE_H

#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>

namespace mapsto::runtime {

/// Moves `items` to where `n` of `size` bytes have room; `capacity` becomes how
/// many have.
void *grow(void *items, size_t &capacity, size_t n, size_t size);

template <typename T> class Array {
  static_assert(std::is_trivially_copyable_v<T>);

public:
  Array() = default;
  Array(const Array &) = delete;
  Array &operator=(const Array &) = delete;
  Array(Array &&other) { swap(other); }
  Array &operator=(Array &&other) {
    swap(other);
    return *this;
  }
  ~Array() { free(items); }

  size_t size() const { return count; }
  bool empty() const { return count == 0; }
  T *data() { return items; }
  const T *data() const { return items; }
  T &operator[](size_t i) { return items[i]; }
  const T &operator[](size_t i) const { return items[i]; }
  T *begin() { return items; }
  T *end() { return items + count; }
  const T *begin() const { return items; }
  const T *end() const { return items + count; }
  T &back() { return items[count - 1]; }

  void clear() { count = 0; }
  void pop() { --count; }
  void push(const T &item) {
    T copy = item; // `item` may lie in the memory that moves
    reserve(count + 1);
    items[count++] = copy;
  }
  /// New elements are zero.
  void resize(size_t n) {
    reserve(n);
    if (n > count)
      memset(static_cast<void *>(items + count), 0, (n - count) * sizeof(T));
    count = n;
  }
  void append(const T *from, size_t n) {
    reserve(count + n);
    if (n)
      memcpy(static_cast<void *>(items + count), from, n * sizeof(T));
    count += n;
  }
  void swap(Array &other) {
    T *i = items;
    size_t c = count, k = capacity;
    items = other.items, count = other.count, capacity = other.capacity;
    other.items = i, other.count = c, other.capacity = k;
  }

private:
  void reserve(size_t n) {
    if (n > capacity)
      items = static_cast<T *>(
          grow(static_cast<void *>(items), capacity, n, sizeof(T)));
  }

  T *items = nullptr;
  size_t count = 0, capacity = 0;
};

/// Growable text; c_str() is always terminated.
class String {
public:
  String() = default;
  String(const char *s) { add(s); }
  String(String &&) = default;
  String &operator=(String &&) = default;

  const char *c_str() const { return chars.empty() ? "" : chars.data(); }
  size_t size() const { return chars.empty() ? 0 : chars.size() - 1; }
  bool empty() const { return size() == 0; }
  void clear() { chars.clear(); }

  void add(const char *s, size_t n);
  void add(const char *s);
  void add(char c) { add(&c, 1); }
  __attribute__((format(printf, 2, 3))) void addf(const char *format, ...);
  void vaddf(const char *format, va_list args);
  void swap(String &other) { chars.swap(other.chars); }

private:
  Array<char> chars;
};

inline bool equal(const char *a, const char *b) { return strcmp(a, b) == 0; }

/// A block of 64-byte aligned memory whose allocation may fail.
class Memory {
public:
  Memory() = default;
  Memory(const Memory &) = delete;
  Memory &operator=(const Memory &) = delete;
  Memory(Memory &&other) { swap(other); }
  Memory &operator=(Memory &&other) {
    swap(other);
    return *this;
  }
  ~Memory() { release(); }

  /// At least `bytes`, contents undefined, old contents lost. Never shrinks.
  [[nodiscard]] bool ensure(uint64_t bytes);
  char *data() const { return block; }
  uint64_t size() const { return length; }
  void swap(Memory &other) {
    char *b = block;
    uint64_t l = length;
    block = other.block, length = other.length;
    other.block = b, other.length = l;
  }

private:
  void release();

  char *block = nullptr;
  uint64_t length = 0;
};

/// A fixed number of objects that need not be plain data.
template <typename T> class Fixed {
public:
  Fixed() = default;
  Fixed(const Fixed &) = delete;
  Fixed &operator=(const Fixed &) = delete;
  ~Fixed() {
    for (size_t i = 0; i < count; ++i)
      items[i].~T();
    free(static_cast<void *>(items));
  }
  [[nodiscard]] bool create(size_t n) {
    items = static_cast<T *>(calloc(n ? n : 1, sizeof(T)));
    if (!items)
      return false;
    for (count = 0; count < n; ++count)
      ::new (static_cast<void *>(items + count)) T();
    return true;
  }
  size_t size() const { return count; }
  T &operator[](size_t i) { return items[i]; }
  const T &operator[](size_t i) const { return items[i]; }
  T *begin() { return items; }
  T *end() { return items + count; }

private:
  T *items = nullptr;
  size_t count = 0;
};

/// `new` and `delete` for the runtime's own classes, without the C++ library.
template <typename T> T *create() {
  void *p = aligned_alloc(alignof(T) < 16 ? 16 : alignof(T),
                          (sizeof(T) + 63) / 64 * 64);
  return p ? ::new (p) T() : nullptr;
}
template <typename T> void destroy(T *object) {
  if (!object)
    return;
  object->~T();
  free(object);
}

} // namespace mapsto::runtime

#endif // MAPSTO_RUNTIME_BASE_H
