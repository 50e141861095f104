#include "runtime/values.h"

#include <fstream>
#include <gtest/gtest.h>
#include <sstream>
#include <string>
#include <unistd.h>

using namespace mapsto::runtime;

namespace {

WantedShape wanted(std::initializer_list<int64_t> dims) {
  WantedShape shape;
  for (int64_t dim : dims)
    shape.dims[shape.rank++] = dim;
  return shape;
}

/// The value as "[2, 2]: 1 2 3 4", or its error.
std::string read(const char *text, mapsto_dtype dtype,
                 std::initializer_list<int64_t> dims) {
  Value value;
  String error;
  if (!readValue(text, "x", dtype, wanted(dims), value, error))
    return error.c_str();
  String shape;
  addShape(shape, value.shape);
  std::ostringstream out;
  out << shape.c_str() << ":";
  for (int64_t i = 0; i < value.count; ++i)
    out << " " << elementAsDouble(dtype, value.data, i);
  return out.str();
}

TEST(Values, ReadsLists) {
  EXPECT_EQ(read("1,2,3", MAPSTO_F32, {-1}), "[3]: 1 2 3");
  EXPECT_EQ(read(" 1 , -2.5e1,3 ", MAPSTO_F32, {-1}), "[3]: 1 -25 3");
  EXPECT_EQ(read("[[1, 2], [3, 4]]", MAPSTO_I64, {-1, -1}), "[2, 2]: 1 2 3 4");
  EXPECT_EQ(read("[]", MAPSTO_F32, {-1}), "[0]:");
  EXPECT_EQ(read("", MAPSTO_F32, {-1}), "[0]:");
  EXPECT_EQ(read("[[],[]]", MAPSTO_F32, {-1, -1}), "[2, 0]:");
  EXPECT_EQ(read("0.5", MAPSTO_F16, {}), "[]: 0.5");
  EXPECT_EQ(read("true,false,1", MAPSTO_BOOL, {-1}), "[3]: 1 0 1");
  EXPECT_EQ(read("-128", MAPSTO_I8, {}), "[]: -128");
}

TEST(Values, FlatListsFillHigherRanks) {
  EXPECT_EQ(read("1,2,3", MAPSTO_F32, {-1, -1, 1}), "[1, 3, 1]: 1 2 3");
  EXPECT_EQ(read("1,2,3,4", MAPSTO_F32, {-1, 2}), "[2, 2]: 1 2 3 4");
  EXPECT_EQ(read("1,2,3", MAPSTO_F32, {-1, 2}),
            "3 elements cannot fill its shape");
  EXPECT_EQ(read("1", MAPSTO_F32, {2, 2}), "1 element cannot fill its shape");
}

TEST(Values, NamesWhatIsWrong) {
  EXPECT_EQ(read("1,x", MAPSTO_F32, {-1}), "`x` is not a number");
  EXPECT_EQ(read("1.5", MAPSTO_I64, {-1}), "`1.5` is not an integer");
  EXPECT_EQ(read("300", MAPSTO_U8, {-1}), "300 does not fit in u8");
  EXPECT_EQ(read("99999999999999999999", MAPSTO_I64, {-1}),
            "99999999999999999999 does not fit in i64");
  EXPECT_EQ(read("-32768, 32767", MAPSTO_I16, {-1}), "[2]: -32768 32767");
  EXPECT_EQ(read("65536", MAPSTO_U16, {-1}), "65536 does not fit in u16");
  EXPECT_EQ(read("4294967296", MAPSTO_U32, {-1}),
            "4294967296 does not fit in u32");
  EXPECT_EQ(read("18446744073709551616", MAPSTO_U64, {-1}),
            "18446744073709551616 does not fit in u64");
  EXPECT_EQ(read("18446744073709551615", MAPSTO_U64, {}), "[]: 1.84467e+19");
  EXPECT_EQ(read("-1", MAPSTO_U64, {-1}), "-1 does not fit in u64");
  EXPECT_EQ(read("2", MAPSTO_BOOL, {-1}), "2 does not fit in bool");
  EXPECT_EQ(read("[1, 2", MAPSTO_F32, {-1}), "a `]` is missing");
  EXPECT_EQ(read("[1] 2", MAPSTO_F32, {-1}), "`2` follows the list");
  EXPECT_EQ(read("[[1], 2]", MAPSTO_F32, {-1}),
            "the lists in it are nested unevenly");
  EXPECT_EQ(read("[1, [2]]", MAPSTO_F32, {-1}),
            "the lists in it are nested unevenly");
  EXPECT_EQ(read("[[1], [2, 3]]", MAPSTO_F32, {-1}),
            "the lists in it have 1 and 2 elements");
  EXPECT_EQ(read(std::string(5000, '[').c_str(), MAPSTO_F32, {-1}),
            "a list is nested more than 16 deep");
  EXPECT_EQ(read("1,,2", MAPSTO_F32, {-1}), "a number is missing after `1,`");
  EXPECT_EQ(read("zeros", MAPSTO_F32, {-1}),
            "the shape of `zeros` is not known");
  EXPECT_EQ(read("random:x", MAPSTO_F32, {2}),
            "`random:x` is not random:SEED or random:SEED:N");
  EXPECT_EQ(read("random:1", MAPSTO_I64, {2}),
            "random integers need a bound: `random:1:N` gives 0 to N - 1");
  EXPECT_EQ(read("random:1:300", MAPSTO_I8, {2}),
            "`random:1:300` is not random:SEED or random:SEED:N");
}

TEST(Values, RandomIsRepeatableAndInRange) {
  EXPECT_EQ(read("zeros", MAPSTO_F32, {2, 2}), "[2, 2]: 0 0 0 0");
  EXPECT_EQ(read("random:5", MAPSTO_F32, {8}),
            read("random:5", MAPSTO_F32, {8}));
  EXPECT_NE(read("random:5", MAPSTO_F32, {8}),
            read("random:6", MAPSTO_F32, {8}));
  EXPECT_EQ(read("random:5", MAPSTO_F32, {8}),
            read("random:5", MAPSTO_F64, {8}));
  Value value;
  String error;
  ASSERT_TRUE(
      readValue("random:1", "x", MAPSTO_F32, wanted({100, 100}), value, error));
  double sum = 0, low = 0, high = 0;
  for (int64_t i = 0; i < value.count; ++i) {
    double x = elementAsDouble(MAPSTO_F32, value.data, i);
    sum += x;
    low = std::min(low, x);
    high = std::max(high, x);
  }
  EXPECT_GE(low, -1);
  EXPECT_LT(low, -0.99);
  EXPECT_LT(high, 1);
  EXPECT_GT(high, 0.99);
  EXPECT_NEAR(sum / 10000, 0, 0.03);
  ASSERT_TRUE(
      readValue("random:1:5", "x", MAPSTO_I64, wanted({1000}), value, error));
  int seen[5] = {};
  for (int64_t i = 0; i < value.count; ++i)
    ++seen[elementAsInt(MAPSTO_I64, value.data, i)];
  for (int n : seen)
    EXPECT_GT(n, 100);
}

struct Files : testing::Test {
  std::string directory =
      testing::TempDir() + "values." + std::to_string(getpid()) + ".";
  std::string path(const char *name) { return directory + name; }
  bool exists(const std::string &file) {
    return access(file.c_str(), F_OK) == 0;
  }
};

TEST_F(Files, WrittenFilesAreRead) {
  float data[] = {1, 2, 3};
  mapsto_tensor tensor{MAPSTO_F32, 1, {3}, data, sizeof data};
  std::string file = path("x.npy");
  String error;
  {
    OutputFile out;
    ASSERT_TRUE(writeNpy(out, file.c_str(), tensor, error));
    EXPECT_FALSE(exists(file)); // until it is committed
    ASSERT_TRUE(out.commit(error));
  }
  EXPECT_EQ(read(("@" + file).c_str(), MAPSTO_F32, {-1}), "[3]: 1 2 3");
  EXPECT_EQ(read(("@" + file).c_str(), MAPSTO_F64, {-1}),
            file + " is f32, not f64; convert it with numpy's astype");
  unlink(file.c_str());
  EXPECT_EQ(read(("@" + file).c_str(), MAPSTO_F32, {-1}),
            file + ": No such file or directory");
}

TEST_F(Files, AbandonedFilesLeaveNothing) {
  std::string file = path("y.npy");
  std::ofstream(file) << "what was there";
  String error;
  {
    OutputFile out;
    ASSERT_TRUE(out.open(file.c_str(), error));
    out.write("partial", 7);
  }
  std::string content;
  std::getline(std::ifstream(file), content);
  EXPECT_EQ(content, "what was there");
  EXPECT_FALSE(exists(file + "." + std::to_string(getpid()) + ".partial"));
  unlink(file.c_str());
}

TEST_F(Files, UnwritableIsAnError) {
  String error;
  OutputFile out;
  EXPECT_FALSE(out.open("/nonexistent/y.npy", error));
  EXPECT_STREQ(error.c_str(), "/nonexistent/y.npy: No such file or directory");
  OutputFile full;
  ASSERT_TRUE(full.open("/dev/full", error));
  full.write("x", 1);
  EXPECT_FALSE(full.finish(error));
  EXPECT_STREQ(error.c_str(), "/dev/full: No space left on device");
}

} // namespace
