#include "runtime/cpu_features.h"

#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace mapsto::runtime {

#if defined(__x86_64__)

namespace {

enum Register : uint8_t { Eax, Ebx, Ecx, Edx };
/// What the system must save for a feature.
enum Saved : uint8_t { Always, Ymm, Zmm, Tiles };
/// The same as bits of XCR0.
constexpr uint32_t kSavedBits[] = {0, 0x6, 0xe6, 0x60000};
/// Bit 31 of a leaf's number is bit 7 here.
constexpr uint8_t kExtended = 0x81;

/// The name lies inside: a pointer would cost an executable a relocation each.
struct Feature {
  char name[16];
  uint8_t leaf, subleaf;
  Register reg;
  uint8_t bit;
  Saved saved;
};

// Intel SDM volume 2, CPUID.
constexpr Feature kFeatures[] = {
    {"sse3", 1, 0, Ecx, 0, Always},
    {"pclmul", 1, 0, Ecx, 1, Always},
    {"ssse3", 1, 0, Ecx, 9, Always},
    {"fma", 1, 0, Ecx, 12, Ymm},
    {"cx16", 1, 0, Ecx, 13, Always},
    {"sse4.1", 1, 0, Ecx, 19, Always},
    {"sse4.2", 1, 0, Ecx, 20, Always},
    {"movbe", 1, 0, Ecx, 22, Always},
    {"popcnt", 1, 0, Ecx, 23, Always},
    {"aes", 1, 0, Ecx, 25, Always},
    {"avx", 1, 0, Ecx, 28, Ymm},
    {"f16c", 1, 0, Ecx, 29, Ymm},
    {"bmi", 7, 0, Ebx, 3, Always},
    {"avx2", 7, 0, Ebx, 5, Ymm},
    {"bmi2", 7, 0, Ebx, 8, Always},
    {"avx512f", 7, 0, Ebx, 16, Zmm},
    {"avx512dq", 7, 0, Ebx, 17, Zmm},
    {"adx", 7, 0, Ebx, 19, Always},
    {"avx512ifma", 7, 0, Ebx, 21, Zmm},
    {"avx512cd", 7, 0, Ebx, 28, Zmm},
    {"sha", 7, 0, Ebx, 29, Always},
    {"avx512bw", 7, 0, Ebx, 30, Zmm},
    {"avx512vl", 7, 0, Ebx, 31, Zmm},
    {"avx512vbmi", 7, 0, Ecx, 1, Zmm},
    {"avx512vbmi2", 7, 0, Ecx, 6, Zmm},
    {"gfni", 7, 0, Ecx, 8, Always},
    {"vaes", 7, 0, Ecx, 9, Ymm},
    {"vpclmulqdq", 7, 0, Ecx, 10, Ymm},
    {"avx512vnni", 7, 0, Ecx, 11, Zmm},
    {"avx512bitalg", 7, 0, Ecx, 12, Zmm},
    {"avx512vpopcntdq", 7, 0, Ecx, 14, Zmm},
    {"amx-bf16", 7, 0, Edx, 22, Tiles},
    {"avx512fp16", 7, 0, Edx, 23, Zmm},
    {"amx-tile", 7, 0, Edx, 24, Tiles},
    {"amx-int8", 7, 0, Edx, 25, Tiles},
    {"avxvnni", 7, 1, Eax, 4, Ymm},
    {"avx512bf16", 7, 1, Eax, 5, Zmm},
    {"avxifma", 7, 1, Eax, 23, Ymm},
    {"lzcnt", kExtended, 0, Ecx, 5, Always},
    {"sse4a", kExtended, 0, Ecx, 6, Always},
    {"xop", kExtended, 0, Ecx, 11, Ymm},
    {"fma4", kExtended, 0, Ecx, 16, Ymm},
};

uint64_t savedRegisters() {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1u << 27))) // OSXSAVE
    return 0;
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
}

bool has(const Feature &feature) {
  uint32_t regs[4] = {};
  uint32_t leaf = uint32_t(feature.leaf & 0x80) << 24 | (feature.leaf & 0x7f);
  if (!__get_cpuid_count(leaf, feature.subleaf, &regs[Eax], &regs[Ebx],
                         &regs[Ecx], &regs[Edx]))
    return false;
  if (!(regs[feature.reg] >> feature.bit & 1))
    return false;
  uint32_t saved = kSavedBits[feature.saved];
  return (savedRegisters() & saved) == saved;
}

} // namespace

#elif defined(__aarch64__)

namespace {

struct Feature {
  char name[16];
  unsigned long word; // AT_HWCAP or AT_HWCAP2
  int bit;
};

// Linux, arch/arm64/include/uapi/asm/hwcap.h.
constexpr Feature kFeatures[] = {
    {"fp-armv8", AT_HWCAP, 0},   {"neon", AT_HWCAP, 1},
    {"aes", AT_HWCAP, 3},        {"sha2", AT_HWCAP, 6},
    {"crc", AT_HWCAP, 7},        {"lse", AT_HWCAP, 8},
    {"fullfp16", AT_HWCAP, 10},  {"rdm", AT_HWCAP, 12},
    {"complxnum", AT_HWCAP, 14}, {"rcpc", AT_HWCAP, 15},
    {"dotprod", AT_HWCAP, 20},   {"sve", AT_HWCAP, 22},
    {"fp16fml", AT_HWCAP, 23},   {"sve2", AT_HWCAP2, 1},
    {"i8mm", AT_HWCAP2, 13},     {"bf16", AT_HWCAP2, 14},
};

bool has(const Feature &feature) {
  return getauxval(feature.word) >> feature.bit & 1;
}

} // namespace

#else

namespace {
struct Feature {
  const char *name;
};
constexpr Feature kFeatures[] = {{""}};
bool has(const Feature &) { return true; }
} // namespace

#endif

bool cpuHas(const char *name) {
  for (const Feature &feature : kFeatures)
    if (strcmp(feature.name, name) == 0)
      return has(feature);
  return true;
}

} // namespace mapsto::runtime
