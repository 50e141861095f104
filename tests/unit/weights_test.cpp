#include "frontends/weights/Weights.h"

#include "llvm/Support/raw_ostream.h"

#include <fstream>
#include <gtest/gtest.h>
#include <random>
#include <unistd.h>

using namespace mapsto;

namespace {

std::string safetensors(const std::string &header, size_t dataBytes) {
  std::string file;
  for (int i = 0; i < 8; ++i)
    file += char(uint64_t(header.size()) >> (8 * i));
  return file + header + std::string(dataBytes, '\1');
}

std::string tensor(const std::string &name, const std::string &dtype,
                   const std::string &shape, size_t begin, size_t end) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
         ",\"data_offsets\":[" + std::to_string(begin) + "," +
         std::to_string(end) + "]}";
}

llvm::ArrayRef<uint8_t> bytesOf(const std::string &file) {
  return {reinterpret_cast<const uint8_t *>(file.data()), file.size()};
}

std::string errorOf(const std::string &file) {
  Weights weights;
  std::string error;
  bool good = weights.openBytes(bytesOf(file), "w.st", error);
  EXPECT_EQ(good, error.empty());
  EXPECT_TRUE(good || weights.tensors().empty());
  return error;
}

TEST(Safetensors, WritesWhatItReads) {
  std::string bytes(56, '\1'), file, error;
  std::vector<WeightTensor> tensors = {
      {"encoder.\"q\".weight",
       MAPSTO_F32,
       {2, 3},
       bytesOf(bytes).take_front(24)},
      {"empty", MAPSTO_F16, {0, 5}, {}},
      {"scalar", MAPSTO_I64, {}, bytesOf(bytes).take_front(8)},
      {"\xc3\xa9", MAPSTO_BOOL, {3}, bytesOf(bytes).take_front(3)}};
  llvm::raw_string_ostream out(file);
  ASSERT_TRUE(writeSafetensors(out, tensors, error)) << error;
  Weights weights;
  ASSERT_TRUE(weights.openBytes(bytesOf(file), "w.st", error)) << error;
  ASSERT_EQ(weights.tensors().size(), tensors.size());
  for (const WeightTensor &tensor : tensors) {
    const WeightTensor *found = weights.find(tensor.name);
    ASSERT_TRUE(found) << tensor.name;
    EXPECT_EQ(found->dtype, tensor.dtype);
    EXPECT_EQ(found->shape, tensor.shape);
    EXPECT_EQ(found->bytes, tensor.bytes);
  }
  // Elements begin at a multiple of 8.
  EXPECT_EQ((weights.tensors()[0].bytes.data() - bytesOf(file).data()) % 8, 0);
}

TEST(Safetensors, RefusesANameThatIsNoText) {
  std::string file, error;
  llvm::raw_string_ostream out(file);
  EXPECT_FALSE(writeSafetensors(
      out, {WeightTensor{"\xff", MAPSTO_F32, {0}, {}}}, error));
  EXPECT_NE(error.find("no such name"), std::string::npos) << error;
  EXPECT_TRUE(file.empty());
}

TEST(Safetensors, ReadsTensors) {
  std::string file =
      safetensors("{\"__metadata__\":{\"format\":\"pt\"}," +
                      tensor("b", "F32", "[2,3]", 8, 32) + "," +
                      tensor("a.weight", "BF16", "[4]", 0, 8) + "," +
                      tensor("scalar", "I64", "[]", 32, 40) + "," +
                      tensor("empty", "F16", "[0,5]", 32, 32) + "}   ",
                  40);
  Weights weights;
  std::string error;
  ASSERT_TRUE(weights.openBytes(bytesOf(file), "w.st", error)) << error;
  ASSERT_EQ(weights.tensors().size(), 4u);
  EXPECT_EQ(weights.tensors()[0].name, "b");
  const WeightTensor *a = weights.find("a.weight");
  ASSERT_TRUE(a);
  EXPECT_EQ(a->dtype, MAPSTO_BF16);
  EXPECT_EQ(a->bytes.size(), 8u);
  EXPECT_EQ(a->bytes.data(), bytesOf(file).end() - 40);
  EXPECT_EQ(weights.find("b")->shape, (llvm::SmallVector<int64_t, 4>{2, 3}));
  EXPECT_EQ(weights.find("b")->numElements(), 6);
  EXPECT_EQ(weights.find("scalar")->numElements(), 1);
  EXPECT_FALSE(weights.find("c"));
}

TEST(Safetensors, ReadsEveryDtype) {
  struct {
    const char *name;
    mapsto_dtype dtype;
  } dtypes[] = {{"F64", MAPSTO_F64},   {"F32", MAPSTO_F32}, {"F16", MAPSTO_F16},
                {"BF16", MAPSTO_BF16}, {"I64", MAPSTO_I64}, {"I32", MAPSTO_I32},
                {"I16", MAPSTO_I16},   {"I8", MAPSTO_I8},   {"U64", MAPSTO_U64},
                {"U32", MAPSTO_U32},   {"U16", MAPSTO_U16}, {"U8", MAPSTO_U8},
                {"BOOL", MAPSTO_BOOL}};
  for (auto d : dtypes) {
    size_t size = mapsto_dtype_size(d.dtype);
    std::string file = safetensors(
        "{" + tensor("t", d.name, "[3]", 0, 3 * size) + "}", 3 * size);
    Weights weights;
    std::string error;
    ASSERT_TRUE(weights.openBytes(bytesOf(file), "w.st", error)) << error;
    EXPECT_EQ(weights.tensors()[0].dtype, d.dtype);
  }
}

TEST(Safetensors, NamesWhatIsWrong) {
  std::string good = tensor("t", "F32", "[2]", 0, 8);
  struct {
    std::string file, error;
  } cases[] = {
      {"", "it is truncated: a safetensors file has at least 8 bytes"},
      {"1234567", "it is truncated: a safetensors file has at least 8 bytes"},
      {std::string("\xff\xff\xff\xff\xff\xff\xff\xff{}", 10),
       "it is not a safetensors file: its header would have "
       "18446744073709551615 bytes"},
      {std::string("\x10\0\0\0\0\0\0\0{}", 10),
       "it is truncated: its header should have 16 bytes"},
      {safetensors("", 0),
       "it is not a safetensors file: its header is no JSON object"},
      {safetensors("[1]", 0),
       "it is not a safetensors file: its header is no JSON object"},
      {safetensors("{", 0),
       "its header is not valid JSON (at byte 10 of the file)"},
      {safetensors("{} x", 0),
       "its header is not valid JSON (at byte 12 of the file)"},
      {safetensors("{\"\xff\":1}", 0),
       "its header is not valid UTF-8 (at byte 11 of the file)"},
      {safetensors("{\"a\":1}", 0),
       "its header has a number where none belongs"},
      {safetensors("{\"a\":[]}", 0),
       "its header has a list where none belongs"},
      {safetensors("{\"a\":{\"dtype\":{}}}", 0),
       "its header has an object where none belongs"},
      {safetensors("{\"__metadata__\":{\"a\":{}}}", 0),
       "its header has an object where none belongs"},
      {safetensors("{\"__metadata__\":{\"a\":1}}", 0),
       "its header has a number where none belongs"},
      {safetensors("{" + tensor("t", "F32", "[[2]]", 0, 8) + "}", 8),
       "its header has a list where none belongs"},
      {safetensors("{" + tensor("t", "F32", "[2.0]", 0, 8) + "}", 8),
       "its header has a fraction where none belongs"},
      {safetensors("{" + tensor("t", "F32", "[-2]", 0, 8) + "}", 8),
       "its header has a negative number where none belongs"},
      {safetensors("{" + tensor("t", "F32", "[null]", 0, 8) + "}", 8),
       "its header has null where none belongs"},
      {safetensors(
           "{" + tensor("t", "F32", "[99999999999999999999]", 0, 8) + "}", 8),
       "its header has a fraction where none belongs"},
      {safetensors("{" + good + "," + good + "}", 8),
       "its header has two of the tensor `t`"},
      {safetensors("{\"t\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 0),
       "tensor `t` has two fields 'dtype'"},
      {safetensors("{\"t\":{\"dtype\":\"F32\",\"x\":1}}", 0),
       "tensor `t` has an unknown field 'x'"},
      {safetensors("{\"t\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8),
       "tensor `t` has not all of dtype, shape and data_offsets"},
      {safetensors("{" + tensor("t", "F8_E4M3", "[2]", 0, 2) + "}", 2),
       "tensor `t` has the dtype 'F8_E4M3', which is none of F64, F32, F16, "
       "BF16, I64, I32, I16, I8, U64, U32, U16, U8, BOOL"},
      {safetensors("{" + tensor("t", "F32", "[2]", 8, 0) + "}", 8),
       "tensor `t` ends before it begins"},
      {safetensors("{" + tensor("t", "F32", "[2]", 0, 8) + "}", 7),
       "tensor `t` lies outside the file: it ends at byte 8 of 7"},
      {safetensors("{" + tensor("t", "F32", "[3]", 0, 8) + "}", 8),
       "tensor `t` has a shape and dtype of 12 bytes, but 8 bytes in the file"},
      {safetensors(
           "{" + tensor("t", "F32", "[4294967296,4294967296]", 0, 8) + "}", 8),
       "tensor `t` has a shape that overflows"},
      {safetensors(
           "{" + tensor("t", "F32", "[18446744073709551615]", 0, 8) + "}", 8),
       "tensor `t` has a shape that overflows"},
      {safetensors(
           "{" +
               tensor("t", "U8", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", 0, 1) +
               "}",
           1),
       "tensor `t` has more than 16 axes"},
      {safetensors("{" + tensor("a", "F32", "[2]", 0, 8) + "," +
                       tensor("b", "F32", "[2]", 4, 12) + "}",
                   12),
       "tensors `a` and `b` overlap"},
      {safetensors("{" + tensor("a", "F32", "[2]", 0, 8) + "," +
                       tensor("b", "F32", "[2]", 0, 8) + "}",
                   8),
       "tensors `a` and `b` overlap"},
      {safetensors("{" + tensor("a", "F32", "[1]", 0, 4) + "," +
                       tensor("b", "F32", "[1]", 8, 12) + "}",
                   12),
       "there is a hole of 4 bytes before tensor `b`"},
      {safetensors("{" + good + "}", 9),
       "it has 1 bytes after its last tensor"},
      {std::string(1000, 'x'),
       "it is not a safetensors file: its header would have "
       "8680820740569200760 bytes"},
  };
  for (const auto &c : cases)
    EXPECT_EQ(errorOf(c.file), "w.st: " + c.error);
  std::string deep(200'000, '[');
  EXPECT_EQ(errorOf(safetensors("{\"a\":" + deep + "}", 0)),
            "w.st: its header has a list where none belongs");
  std::string whole = safetensors("{" + good + "}", 8);
  for (size_t n = 0; n < whole.size(); ++n)
    EXPECT_NE(errorOf(whole.substr(0, n)), "") << n;
}

TEST(Safetensors, RandomDamageIsSurvived) {
  std::string good = safetensors("{" + tensor("a", "F32", "[2]", 0, 8) + "," +
                                     tensor("b", "I8", "[2,2]", 8, 12) + "}",
                                 12);
  std::mt19937 random(5);
  for (int round = 0; round < 20000; ++round) {
    std::string file = good;
    for (int n = 1 + int(random() % 3); n; --n)
      file[random() % file.size()] = char(random());
    std::vector<WeightTensor> tensors;
    std::string error;
    if (!parseSafetensors(bytesOf(file), tensors, error))
      continue;
    for (const WeightTensor &t : tensors) {
      EXPECT_GE(t.bytes.begin(), bytesOf(file).begin());
      EXPECT_LE(t.bytes.end(), bytesOf(file).end());
    }
  }
}

struct WeightFiles : testing::Test {
  std::vector<std::string> paths;
  std::string write(const std::string &name, const std::string &data) {
    paths.push_back(testing::TempDir() + std::to_string(getpid()) + "." + name);
    std::ofstream(paths.back(), std::ios::binary) << data;
    return paths.back();
  }
  ~WeightFiles() override {
    for (const std::string &path : paths)
      unlink(path.c_str());
  }
};

TEST_F(WeightFiles, SeveralFilesAreOneSet) {
  std::string one =
      write("one.safetensors",
            safetensors("{" + tensor("a", "F32", "[2]", 0, 8) + "}", 8));
  std::string two =
      write("two.safetensors",
            safetensors("{" + tensor("b", "F32", "[2]", 0, 8) + "}", 8));
  Weights weights;
  std::string error;
  ASSERT_TRUE(weights.open(one, error)) << error;
  ASSERT_TRUE(weights.open(two, error)) << error;
  EXPECT_TRUE(weights.find("a") && weights.find("b"));
  EXPECT_FALSE(weights.open(one, error));
  EXPECT_EQ(error, one + ": tensor `a` is in another file too");
  EXPECT_EQ(weights.tensors().size(), 2u);
  Weights moved = std::move(weights);
  EXPECT_EQ(moved.find("b")->bytes[0], 1);
}

TEST_F(WeightFiles, BadPathsAreErrors) {
  Weights weights;
  std::string error;
  EXPECT_FALSE(weights.open("/nonexistent", error));
  EXPECT_EQ(error, "/nonexistent: No such file or directory");
  EXPECT_FALSE(weights.open("/", error));
  EXPECT_EQ(error, "/: it is not a plain file");
  std::string empty = write("empty", "");
  EXPECT_FALSE(weights.open(empty, error));
  EXPECT_EQ(error, empty + ": it is empty");
}

TEST_F(WeightFiles, ReleasedPagesComeBack) {
  size_t size = 1 << 20;
  std::string path = write(
      "large.safetensors",
      safetensors(
          "{" + tensor("a", "U8", "[" + std::to_string(size) + "]", 0, size) +
              "}",
          size));
  Weights weights;
  std::string error;
  ASSERT_TRUE(weights.open(path, error)) << error;
  const WeightTensor &a = weights.tensors()[0];
  size_t sum = 0;
  for (int round = 0; round < 2; ++round) {
    for (uint8_t byte : a.bytes)
      sum += byte;
    weights.release(a);
  }
  EXPECT_EQ(sum, 2 * size);
}

TEST_F(WeightFiles, ReadsNpy) {
  std::string header =
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}";
  std::string file = std::string("\x93NUMPY\x01\x00", 8) + char(header.size()) +
                     '\0' + header + "abcdefgh";
  std::string path = write("fc.npy", file);
  Weights weights;
  std::string error;
  ASSERT_TRUE(weights.open(path, error)) << error;
  ASSERT_EQ(weights.tensors().size(), 1u);
  EXPECT_EQ(weights.tensors()[0].name, std::to_string(getpid()) + ".fc");
  EXPECT_EQ(weights.tensors()[0].bytes.size(), 8u);
  std::string cut = write("cut.npy", file.substr(0, file.size() - 1));
  EXPECT_FALSE(weights.open(cut, error));
  EXPECT_EQ(error, cut + ": it is truncated: its shape [2] needs 8 bytes, but "
                         "it has 7");
}

} // namespace
