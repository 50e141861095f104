//===- VerifyCompare.h - When two results are equal -------------*- C++ -*-===//

#ifndef MAPSTO_TOOLS_MAPSTO_VERIFYCOMPARE_H
#define MAPSTO_TOOLS_MAPSTO_VERIFYCOMPARE_H

#include "dialect/interpreter/Tensor.h"
#include "runtime/base.h"

#include <string>
#include <vector>

namespace mapsto {

/// Bytes at an address as aligned as the runtime's. What nobody wrote shows:
/// it is no number that a kernel gives, nor is what follows the last byte.
class Bytes {
public:
  explicit Bytes(size_t size) : size(size) {
    (void)memory.ensure(size + kGuard);
    memset(memory.data(), kUnwritten, size + kGuard);
  }
  explicit Bytes(const Tensor &tensor) : Bytes(bytesOf(tensor)) {}
  char *data() const { return memory.data(); }
  bool operator==(const Bytes &other) const {
    return size == other.size && memcmp(data(), other.data(), size) == 0;
  }
  /// Whether anything was written past the end.
  bool isOverrun() const {
    for (size_t i = 0; i != kGuard; ++i)
      if (memory.data()[size + i] != char(kUnwritten))
        return true;
    return false;
  }

private:
  static constexpr size_t kGuard = 64;
  static constexpr unsigned char kUnwritten = 0xa5;

  explicit Bytes(const std::vector<char> &bytes) : Bytes(bytes.size()) {
    llvm::copy(bytes, memory.data());
  }

  runtime::Memory memory;
  size_t size;
};

struct Difference {
  int64_t at = -1;
  double got = 0, expected = 0, worst = 0;
};

/// Compares elements: `length` is how many roundings one may have seen.
Difference compare(const Tensor &got, const Tensor &expected, double length);

/// An element's place, "[0, 3, 1]", and its value.
std::string placeText(const Tensor &tensor, int64_t at);
std::string numberText(double value);

} // namespace mapsto

#endif // MAPSTO_TOOLS_MAPSTO_VERIFYCOMPARE_H
