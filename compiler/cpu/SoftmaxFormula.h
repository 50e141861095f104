//===- SoftmaxFormula.h - The exponential of a softmax ----------*- C++ -*-===//
//
// A softmax takes exponentials of what is never above 0, and divides them by
// their sum, which is at least 1: what would be denormal may be 0. That saves a
// third of the general formula (ApproximateMath).
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_CPU_SOFTMAXFORMULA_H
#define MAPSTO_COMPILER_CPU_SOFTMAXFORMULA_H

#include "compiler/cpu/FloatFormula.h"

namespace mapsto {

/// 2^x for x <= 0 (and what is rounded to more than that), within 2e-7 of its
/// value; 0 from 2^-126.5 down, NaN for NaN.
Float softmaxExp2(Float x);

/// The same for e^x; within 2e-7 + 6e-8 |x| of its value.
Float softmaxExp(Float x);

} // namespace mapsto

#endif // MAPSTO_COMPILER_CPU_SOFTMAXFORMULA_H
