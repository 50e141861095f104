//===- SpirvWords.cpp - SPIR-V as an artifact holds it --------------------===//

#include "compiler/vulkan/SpirvWords.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

#include <cstring>
#include <glslang/SPIRV/spirv.hpp>

using llvm::ArrayRef;

namespace mapsto {

namespace {

constexpr size_t kHeaderWords = 5, kBoundWord = 3;

// SPV_KHR_cooperative_matrix, which the headers have since 2023.
constexpr uint32_t kCapabilityKhr = 6022;
enum KhrOp : uint32_t {
  kTypeKhr = 4456,
  kLoadKhr = 4457,
  kStoreKhr = 4458,
  kMulAddKhr = 4459
};
/// Of a type in a product, and of elements in memory.
enum Use : uint32_t { kUseA = 0, kUseB = 1, kUseAccumulator = 2 };
enum Layout : uint32_t { kRowMajor = 0, kColumnMajor = 1 };

/// Calls `body` with each instruction's opcode and operands.
void eachInstruction(
    const std::vector<uint32_t> &words,
    llvm::function_ref<void(spv::Op, ArrayRef<uint32_t>)> body) {
  for (size_t at = kHeaderWords; at < words.size();) {
    size_t length = words[at] >> spv::WordCountShift;
    body(spv::Op(words[at] & spv::OpCodeMask),
         ArrayRef(words).slice(at + 1, length - 1));
    at += length;
  }
}

class Writer {
public:
  explicit Writer(const std::vector<uint32_t> &from)
      : words(from.begin(), from.begin() + kHeaderWords) {}

  void add(uint32_t opcode, ArrayRef<uint32_t> operands) {
    words.push_back(uint32_t(operands.size() + 1) << spv::WordCountShift |
                    opcode);
    words.insert(words.end(), operands.begin(), operands.end());
  }
  void addExtension(llvm::StringRef name) {
    std::vector<uint32_t> text(name.size() / 4 + 1); // with a NUL
    std::memcpy(text.data(), name.data(), name.size());
    add(spv::OpExtension, text);
  }
  uint32_t newId() { return words[kBoundWord]++; }

  std::vector<uint32_t> words;
};

/// What the module says of its matrices.
struct Matrices {
  llvm::DenseMap<uint32_t, uint32_t> uses;  ///< by type
  llvm::DenseMap<uint32_t, uint32_t> types; ///< by value
  llvm::DenseMap<uint32_t, bool> booleans;  ///< constants
  uint32_t int32 = 0;                       ///< the type

  explicit Matrices(const std::vector<uint32_t> &words) {
    eachInstruction(words, [&](spv::Op op, ArrayRef<uint32_t> x) {
      if (op == spv::OpTypeCooperativeMatrixNV)
        uses[x[0]] = kUseAccumulator;
      else if (op == spv::OpTypeInt && x[1] == 32 && !int32)
        int32 = x[0];
      else if (op == spv::OpConstantTrue || op == spv::OpConstantFalse)
        booleans[x[1]] = op == spv::OpConstantTrue;
      else if (x.size() > 1 && uses.contains(x[0]))
        types[x[1]] = x[0];
      if (op != spv::OpCooperativeMatrixMulAddNV)
        return;
      uses[types.lookup(x[2])] = kUseA;
      uses[types.lookup(x[3])] = kUseB;
    });
  }
};

} // namespace

std::vector<uint32_t> withoutNames(const std::vector<uint32_t> &words) {
  Writer to(words);
  eachInstruction(words, [&](spv::Op op, ArrayRef<uint32_t> x) {
    if (op != spv::OpName && op != spv::OpMemberName && op != spv::OpSource &&
        op != spv::OpSourceContinued && op != spv::OpSourceExtension)
      to.add(op, x);
  });
  return std::move(to.words);
}

std::vector<uint32_t> withKhrMatrices(const std::vector<uint32_t> &words) {
  Matrices matrices(words);
  if (matrices.uses.empty())
    return words;
  Writer to(words);
  uint32_t numbers[3] = {}; // constants 0, 1 and 2
  auto layout = [&](uint32_t isColumnMajor) {
    return numbers[matrices.booleans.lookup(isColumnMajor) ? kColumnMajor
                                                           : kRowMajor];
  };
  eachInstruction(words, [&](spv::Op op, ArrayRef<uint32_t> x) {
    llvm::SmallVector<uint32_t, 8> operands(x);
    switch (op) {
    case spv::OpCapability:
      if (x[0] == spv::CapabilityCooperativeMatrixNV)
        operands[0] = kCapabilityKhr;
      return to.add(op, operands);
    case spv::OpExtension:
      if (llvm::StringRef(reinterpret_cast<const char *>(x.data())) ==
          "SPV_NV_cooperative_matrix")
        return to.addExtension("SPV_KHR_cooperative_matrix");
      return to.add(op, x);
    case spv::OpTypeCooperativeMatrixNV:
      if (!numbers[0]) // their type is there: the scope is of it
        for (uint32_t i = 0; i != 3; ++i) {
          numbers[i] = to.newId();
          to.add(spv::OpConstant, {matrices.int32, numbers[i], i});
        }
      operands.push_back(numbers[matrices.uses.lookup(x[0])]);
      return to.add(kTypeKhr, operands);
    case spv::OpCooperativeMatrixLoadNV: // type, result, pointer, stride, major
      operands[3] = layout(x[4]);
      operands[4] = x[3];
      return to.add(kLoadKhr, operands);
    case spv::OpCooperativeMatrixStoreNV: // pointer, object, stride, major
      operands[2] = layout(x[3]);
      operands[3] = x[2];
      return to.add(kStoreKhr, operands);
    case spv::OpCooperativeMatrixMulAddNV:
      return to.add(kMulAddKhr, operands);
    default:
      return to.add(op, x);
    }
  });
  return std::move(to.words);
}

} // namespace mapsto
