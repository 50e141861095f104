// Writes the fuzzers' first inputs: one sound file of each kind, under
// argv[1]/FUZZER/.

#include "runtime/npy.h"
#include "tests/unit/runtime_model.h"

#include <filesystem>
#include <fstream>

using namespace mapsto;

static std::filesystem::path root;

static void seed(const char *fuzzer, const char *name,
                 const std::string &content) {
  std::filesystem::create_directories(root / fuzzer);
  std::ofstream(root / fuzzer / name, std::ios::binary) << content;
}

static std::string little(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i)
    text += i < 8 ? char(value >> (8 * i)) : '\0';
  return text;
}

static std::string npy(mapsto_dtype dtype, int64_t rows, int64_t columns) {
  runtime::Shape shape;
  shape.rank = 2;
  shape.dims[0] = rows;
  shape.dims[1] = columns;
  runtime::String header;
  runtime::npyHeader(dtype, shape, header);
  return std::string(header.c_str(), header.size()) +
         std::string(size_t(rows * columns) * mapsto_dtype_size(dtype), '\1');
}

/// A zip of one stored entry.
static std::string npz(const std::string &name, const std::string &data) {
  std::string size = little(data.size(), 4), length = little(name.size(), 2);
  std::string local = "PK\3\4" + std::string("\24\0\0\0\0\0", 6) +
                      little(0, 8) + size + size + length + little(0, 2) +
                      name + data;
  std::string entry = "PK\1\2" + std::string("\24\0\24\0\0\0\0\0", 8) +
                      little(0, 8) + size + size + length + little(0, 16) +
                      name;
  return local + entry + "PK\5\6" + little(0, 4) + little(1, 2) + little(1, 2) +
         little(entry.size(), 4) + little(local.size(), 4) + little(0, 2);
}

static std::string safetensors(const std::string &header, size_t bytes) {
  return little(header.size(), 8) + header + std::string(bytes, '\1');
}

int main(int argc, char **argv) {
  if (argc != 2)
    return 1;
  root = argv[1];
  seed("fuzz_npy", "f32.npy", npy(MAPSTO_F32, 2, 3));
  seed("fuzz_npy", "bool.npy", npy(MAPSTO_BOOL, 1, 4));
  seed("fuzz_npy", "u16.npy", npy(MAPSTO_U16, 1, 3));
  seed("fuzz_npy", "stored.npz", npz("a.npy", npy(MAPSTO_I64, 1, 1)));
  seed("fuzz_safetensors", "empty", safetensors("{}", 0));
  seed(
      "fuzz_safetensors", "two",
      safetensors(R"({"__metadata__":{"format":"pt"},)"
                  R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                  R"("b":{"dtype":"BF16","shape":[2,1],"data_offsets":[8,12]},)"
                  R"("c":{"dtype":"U32","shape":[1],"data_offsets":[12,16]}})",
                  16));
  std::vector<uint8_t> blob = serialize(test::accumulateModel());
  seed("fuzz_manifest", "accumulate", std::string(blob.begin(), blob.end()));
  blob = serialize(test::shaderModel());
  seed("fuzz_manifest", "shaders", std::string(blob.begin(), blob.end()));
  ManifestModel loops = test::accumulateModel();
  ManifestStep loop = ManifestStep::loop(loops.expr(3), loops.steps);
  loop.carries = {{test::Totals, test::Total}};
  loops.steps = {loop};
  computeLifetimes(loops);
  blob = serialize(loops);
  seed("fuzz_manifest", "loop", std::string(blob.begin(), blob.end()));
}
