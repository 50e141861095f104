#include "runtime/dtype.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace mapsto::runtime;

TEST(Dtype, EveryHalfComesBack) {
  for (uint32_t bits = 0; bits <= 0xffff; ++bits) {
    uint16_t half = uint16_t(bits);
    float value = halfToFloat(half);
    if (std::isnan(value))
      EXPECT_TRUE(std::isnan(halfToFloat(floatToHalf(value))));
    else
      EXPECT_EQ(floatToHalf(value), half);
    float wide = bf16ToFloat(half);
    if (std::isnan(wide))
      EXPECT_TRUE(std::isnan(bf16ToFloat(floatToBf16(wide))));
    else
      EXPECT_EQ(floatToBf16(wide), half);
  }
}

TEST(Dtype, HalvesAreWhatTheyShouldBe) {
  EXPECT_EQ(halfToFloat(0x3c00), 1.0f);
  EXPECT_EQ(halfToFloat(0xc000), -2.0f);
  EXPECT_EQ(halfToFloat(0x7bff), 65504.0f);
  EXPECT_EQ(halfToFloat(0x0001), 0x1p-24f);
  EXPECT_EQ(halfToFloat(0x0400), 0x1p-14f);
  EXPECT_TRUE(std::isinf(halfToFloat(0x7c00)));
}

TEST(Dtype, RoundsToNearestEven) {
  EXPECT_EQ(floatToHalf(1 + 0x1p-11f), 0x3c00); // a tie goes to even
  EXPECT_EQ(floatToHalf(1 + 3 * 0x1p-11f), 0x3c02);
  EXPECT_EQ(floatToHalf(65519.0f), 0x7bff);
  EXPECT_EQ(floatToHalf(65520.0f), 0x7c00);
  EXPECT_EQ(floatToHalf(0x1p-25f), 0);
  EXPECT_EQ(floatToHalf(0x1.8p-25f), 1);
  EXPECT_EQ(floatToHalf(-1e-9f), 0x8000);
  EXPECT_EQ(floatToBf16(1 + 0x1p-8f), 0x3f80);
  EXPECT_EQ(floatToBf16(1 + 3 * 0x1p-8f), 0x3f82);
}

TEST(Dtype, IntegersWrapAndWiden) {
  struct {
    mapsto_dtype dtype;
    int64_t minusTwo; // stored and read again
    int64_t most;
  } cases[] = {{MAPSTO_I8, -2, INT8_MAX},
               {MAPSTO_I16, -2, INT16_MAX},
               {MAPSTO_I32, -2, INT32_MAX},
               {MAPSTO_I64, -2, INT64_MAX},
               {MAPSTO_U8, UINT8_MAX - 1, UINT8_MAX},
               {MAPSTO_U16, UINT16_MAX - 1, UINT16_MAX},
               {MAPSTO_U32, UINT32_MAX - 1ll, UINT32_MAX},
               {MAPSTO_BOOL, 1, 1}};
  for (auto c : cases) {
    int64_t data[2] = {};
    storeInt(c.dtype, data, 1, -2);
    EXPECT_EQ(elementAsInt(c.dtype, data, 0), 0);
    EXPECT_EQ(elementAsInt(c.dtype, data, 1), c.minusTwo);
    EXPECT_EQ(elementAsDouble(c.dtype, data, 1), double(c.minusTwo));
    EXPECT_TRUE(fitsInt(c.dtype, c.most));
    EXPECT_EQ(fitsInt(c.dtype, -1), c.minusTwo < 0);
    if (c.most != INT64_MAX)
      EXPECT_FALSE(fitsInt(c.dtype, c.most + 1));
  }
  uint64_t large = UINT64_MAX;
  EXPECT_EQ(elementAsDouble(MAPSTO_U64, &large, 0), 0x1p64);
  EXPECT_FALSE(fitsInt(MAPSTO_U64, -1));
}

TEST(Dtype, FloatsAreStoredRounded) {
  for (mapsto_dtype dtype : {MAPSTO_F32, MAPSTO_F16, MAPSTO_BF16, MAPSTO_F64}) {
    double data[2] = {};
    storeDouble(dtype, data, 1, -1.5);
    EXPECT_EQ(elementAsDouble(dtype, data, 1), -1.5);
    storeInt(dtype, data, 0, 3);
    EXPECT_EQ(elementAsDouble(dtype, data, 0), 3);
    EXPECT_EQ(elementAsDouble(dtype, data, 1), -1.5);
  }
}

TEST(Dtype, CountsElements) {
  int64_t dims[] = {2, 3, 4};
  EXPECT_EQ(elementCount(MAPSTO_F32, dims, 3), 24);
  EXPECT_EQ(elementCount(MAPSTO_F32, dims, 0), 1);
  int64_t negative[] = {2, -1};
  EXPECT_EQ(elementCount(MAPSTO_F32, negative, 2), -1);
  int64_t empty[] = {INT64_MAX, 0};
  EXPECT_EQ(elementCount(MAPSTO_U8, empty, 2), 0);
  int64_t large[] = {INT64_MAX, 2};
  EXPECT_EQ(elementCount(MAPSTO_U8, large, 2), -1);
  int64_t bytes[] = {INT64_MAX / 2};
  EXPECT_EQ(elementCount(MAPSTO_F64, bytes, 1), -1);
}
