#include "frontends/onnx/Folding.h"

#include "llvm/ADT/STLExtras.h"

namespace mapsto::onnx {

static bool isNotNegative(const Dim &number) {
  return llvm::all_of(number.getTerms(), [](const auto &term) {
    return term.second >= 0 &&
           llvm::all_of(term.first, [](const Dim::Atom &atom) {
             return atom.op == Dim::Op::Symbol ||
                    (isNotNegative(*atom.lhs) && isNotNegative(*atom.rhs));
           });
  });
}

bool isPositive(const Dim &number) { return isNotNegative(number - Dim(1)); }

void assume(Known &to, const Known &from) {
  for (const std::string &input : from.assumes)
    if (!llvm::is_contained(to.assumes, input))
      to.assumes.push_back(input);
}

std::optional<Known> rearrange(const Known *x, llvm::ArrayRef<Dim> dims,
                               llvm::function_ref<llvm::SmallVector<int64_t>(
                                   llvm::ArrayRef<int64_t> position)>
                                   from) {
  if (!x)
    return std::nullopt;
  Known result{{}, {}, x->assumes};
  int64_t count = 1;
  for (const Dim &dim : dims) {
    std::optional<int64_t> size = dim.constant();
    if (!size || *size > kMostKnown || (count *= *size) > kMostKnown)
      return std::nullopt;
    result.shape.push_back(*size);
  }
  llvm::SmallVector<int64_t> position(dims.size());
  for (int64_t i = 0; i < count; ++i) {
    for (size_t axis = dims.size(), rest = size_t(i); axis-- > 0;) {
      position[axis] = int64_t(rest) % result.shape[axis];
      rest /= size_t(result.shape[axis]);
    }
    int64_t place = 0;
    for (auto [at, size] : llvm::zip_equal(from(position), x->shape))
      place = place * size + at;
    result.elements.push_back(x->elements[size_t(place)]);
  }
  return result;
}

std::optional<Known>
fold(llvm::ArrayRef<const Known *> operands,
     llvm::function_ref<std::optional<Dim>(llvm::ArrayRef<Dim>)> compute) {
  Known result;
  for (const Known *operand : operands) {
    if (!operand)
      return std::nullopt;
    size_t rank = std::max(result.shape.size(), operand->shape.size());
    llvm::SmallVector<int64_t, 2> shape(rank, 1);
    for (size_t i = 0; i < rank; ++i) {
      auto sizeOf = [&](llvm::ArrayRef<int64_t> s) {
        return i < rank - s.size() ? 1 : s[i - (rank - s.size())];
      };
      int64_t a = sizeOf(result.shape), b = sizeOf(operand->shape);
      if (a != b && a != 1 && b != 1)
        return std::nullopt;
      shape[i] = a == 1 ? b : a;
    }
    result.shape = shape;
    assume(result, *operand);
  }
  int64_t count = 1;
  for (int64_t size : result.shape)
    count *= size;
  for (int64_t i = 0; i < count; ++i) {
    llvm::SmallVector<Dim> elements;
    for (const Known *operand : operands) {
      int64_t at = 0, stride = 1, rest = i;
      for (size_t axis = 0; axis < result.shape.size(); ++axis) {
        size_t back = result.shape.size() - 1 - axis;
        int64_t position = rest % result.shape[back];
        rest /= result.shape[back];
        if (axis >= operand->shape.size())
          continue;
        int64_t size = operand->shape[operand->shape.size() - 1 - axis];
        at += size == 1 ? 0 : position * stride;
        stride *= size;
      }
      elements.push_back(operand->elements[size_t(at)]);
    }
    std::optional<Dim> element = compute(elements);
    if (!element)
      return std::nullopt;
    result.elements.push_back(std::move(*element));
  }
  return result;
}

} // namespace mapsto::onnx
