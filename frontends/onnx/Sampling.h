//===- Sampling.h - Tensors read between their elements ---------*- C++ -*-===//
//
// What GridSample, RoiAlign and DeformConv have in common: a sample at a place
// that is computed is made of a few elements along every axis of space.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_FRONTENDS_ONNX_SAMPLING_H
#define MAPSTO_FRONTENDS_ONNX_SAMPLING_H

#include "frontends/onnx/Formula.h"

namespace mapsto::onnx {

/// Elements along one axis that samples are made of, one for each sample:
/// tensors [N, P].
struct Tap {
  Term place;                 ///< whole numbers of floats; outside: element 0
  std::optional<Term> weight; ///< none: 1
  bool zeroOutside = false;
};

/// The two neighbours of a place between elements, each weighing what the other
/// is away; outside of the axis there are zeros.
llvm::SmallVector<Tap> linearTaps(const Term &place);

/// P samples of each of N items in every channel: x [N, C, extents...] by the
/// taps of each axis of space to [N, C, P]. The weighted elements of a sample
/// are put together by `combine`, in the type of x.
Term sampled(Node &n, const Term &x,
             llvm::ArrayRef<llvm::SmallVector<Tap>> axes,
             llvm::function_ref<Term(Term, Term)> combine);

} // namespace mapsto::onnx

#endif // MAPSTO_FRONTENDS_ONNX_SAMPLING_H
