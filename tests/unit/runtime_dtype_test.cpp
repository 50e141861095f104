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
