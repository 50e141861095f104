//===- reference.h - Math functions in double, four at a time ---*- C++ -*-===//

#ifndef MAPSTO_TESTS_MATH_REFERENCE_H
#define MAPSTO_TESTS_MATH_REFERENCE_H

#include <cstddef>
#include <vector>

using Four = double __attribute__((vector_size(32)));

struct Function {
  const char *name;
  double (*reference)(double);
  Four (*fast)(Four); // the same by libmvec, or null
  double bound;
  /// The unit of the error is the last place of at least this times |x|.
  double unitOfX = 0;
};

/// The outputs of functions.mto, in its order.
constexpr size_t kFunctions = 14;
extern const Function functions[kFunctions];
/// The output of gelu.mto.
extern const Function gelu;

/// False where the fast reference is not the reference.
bool evaluate(const Function &f, const std::vector<float> &x,
              std::vector<double> &y);
bool evaluatePower(const std::vector<float> &x, const std::vector<float> &y,
                   std::vector<double> &z);

#endif // MAPSTO_TESTS_MATH_REFERENCE_H
