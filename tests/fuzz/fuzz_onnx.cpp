// Any bytes as an ONNX file, and as a tensor of test data: what is read of a
// tensor is as long as its shape says.

#include "frontends/onnx/ModelFile.h"

#include <cstdlib>
#include <sys/mman.h>
#include <unistd.h>

using namespace mapsto::onnx;

static void check(const TensorData &data) {
  uint64_t count = 1;
  for (int64_t size : data.shape)
    if (size < 0 || __builtin_mul_overflow(count, uint64_t(size), &count))
      return; // of a tensor with a size 0 among others
  uint64_t sum = 0;
  for (uint8_t byte : data.bytes)
    sum += byte;
  if (data.numElements() != int64_t(count) || (count && data.bytes.empty()) ||
      sum > 255 * data.bytes.size())
    abort();
}

static void read(ModelFile &file, const GraphProto &graph) {
  auto readOne = [&](const TensorProto &tensor) {
    TensorData data;
    std::string error;
    if (file.read(tensor, data, error))
      check(data);
    else if (error.empty())
      abort();
  };
  for (const TensorProto &tensor : graph.initializer())
    readOne(tensor);
  for (const NodeProto &node : graph.node())
    for (const AttributeProto &attribute : node.attribute()) {
      if (attribute.has_t())
        readOne(attribute.t());
      if (attribute.has_g())
        read(file, attribute.g());
    }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static int memory = memfd_create("model.onnx", 0);
  static const std::string path = "/proc/self/fd/" + std::to_string(memory);
  if (ftruncate(memory, 0) || pwrite(memory, data, size, 0) != ssize_t(size))
    abort();
  std::string error;
  if (auto file = ModelFile::open(path, error))
    read(*file, file->proto().graph());
  else if (error.empty())
    abort();

  TensorProto tensor;
  TensorData elements;
  std::deque<std::vector<uint8_t>> copies;
  if (parseMessage({reinterpret_cast<const char *>(data), size}, tensor) &&
      readTensor(tensor, elements, copies, error))
    check(elements);
  return 0;
}
