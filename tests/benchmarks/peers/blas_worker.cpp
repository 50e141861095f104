//===- blas_worker.cpp - products by OpenBLAS -----------------------------===//
//
// usage: blas_worker THREADS. A case is a product of its inputs x [M, K] and
// w, which is [N, K] if it is called `wt`.
//
//===----------------------------------------------------------------------===//
#include "worker.h"
#include <cblas.h>

namespace {

struct Product final : peers::Prepared {
  explicit Product(peers::Case given) : Prepared(std::move(given)) {
    rows = static_cast<int>(tensors.inputs[0].dims[0]);
    inner = static_cast<int>(tensors.inputs[0].dims[1]);
    columns = static_cast<int>(tensors.outputs[0].dims[1]);
    transposed = tensors.inputs[1].name == "wt";
  }
  void run() override {
    const float *x = tensors.inputs[0].floats();
    const float *w = tensors.inputs[1].floats();
    float *y = tensors.outputs[0].floats();
    int leading = transposed ? inner : columns;
    if (rows == 1)
      cblas_sgemv(CblasRowMajor, transposed ? CblasNoTrans : CblasTrans,
                  transposed ? columns : inner, transposed ? inner : columns, 1,
                  w, leading, x, 1, 0, y, 1);
    else
      cblas_sgemm(CblasRowMajor, CblasNoTrans,
                  transposed ? CblasTrans : CblasNoTrans, rows, columns, inner,
                  1, x, inner, w, leading, 0, y, columns);
  }

private:
  int rows, inner, columns;
  bool transposed;
};

} // namespace

int main(int argc, char **argv) {
  openblas_set_num_threads(argc > 1 ? std::atoi(argv[1]) : 1);
  return peers::serve([](peers::Case given) {
    return std::make_unique<Product>(std::move(given));
  });
}
