// Any bytes as a weight file: what is accepted lies inside them.

#include "frontends/weights/Weights.h"

#include <cstdlib>

using namespace mapsto;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::vector<WeightTensor> tensors;
  std::string error;
  llvm::ArrayRef<uint8_t> file(data, size);
  if (!parseSafetensors(file, tensors, error)) {
    if (error.empty() || error.size() > size + 1000)
      abort();
    return 0;
  }
  for (const WeightTensor &tensor : tensors) {
    if (tensor.bytes.begin() < file.begin() || tensor.bytes.end() > file.end())
      abort();
    int64_t count = tensor.numElements();
    if (count < 0 ||
        size_t(count) * mapsto_dtype_size(tensor.dtype) != tensor.bytes.size())
      abort();
  }
  return 0;
}
