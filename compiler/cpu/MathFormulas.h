//===- MathFormulas.h - Functions on f32 vectors ----------------*- C++ -*-===//
//
// Each is right over the whole range: denormals, infinities and NaN come out as
// they should. docs/math.md has the largest error of each over all f32.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_CPU_MATHFORMULAS_H
#define MAPSTO_COMPILER_CPU_MATHFORMULAS_H

#include "compiler/cpu/FloatFormula.h"

namespace mapsto {

Float exponential(Float x);
Float exponential2(Float x);
/// exp(x) - 1.
Float exponentialMinus1(Float x);
Float logarithm(Float x);
/// log(1 + x).
Float logarithmOf1Plus(Float x);
Float tanhOf(Float x);
Float erfOf(Float x);
/// x times the normal distribution function of x, and its form by tanh.
Float geluOf(Float x);
Float geluByTanhOf(Float x);

/// For |x| up to kMostAngle.
constexpr double kMostAngle = 131072;
Float sineWithin(Float x);
Float cosineWithin(Float x);
Float arcTangent(Float x);

Float power(Float x, Float y);

} // namespace mapsto

#endif // MAPSTO_COMPILER_CPU_MATHFORMULAS_H
