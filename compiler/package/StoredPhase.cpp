#include "compiler/package/StoredPhase.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Compression.h"
#include "llvm/Support/Error.h"

using namespace mapsto;
namespace zlib = llvm::compression::zlib;

/// Damaged files must not ask for all memory.
static constexpr uint32_t kLongestText = 1u << 30;

ManifestPhase mapsto::storePhase(llvm::StringRef name, llvm::StringRef text) {
  ManifestPhase phase{name.str(), text.str(), uint32_t(text.size())};
  if (!zlib::isAvailable())
    return phase;
  llvm::SmallVector<uint8_t> compressed;
  zlib::compress(llvm::arrayRefFromStringRef(text), compressed,
                 zlib::BestSizeCompression);
  if (compressed.size() < text.size())
    phase.stored = llvm::toStringRef(compressed).str();
  return phase;
}

std::optional<std::string>
mapsto::readPhase(const runtime::Manifest &manifest,
                  const runtime::PhaseRecord &phase) {
  llvm::StringRef stored(manifest.text(phase.stored), phase.stored.length);
  if (stored.size() == phase.length)
    return stored.str();
  if (!zlib::isAvailable() || phase.length > kLongestText)
    return std::nullopt;
  llvm::SmallVector<uint8_t> text;
  if (llvm::Error error = zlib::decompress(llvm::arrayRefFromStringRef(stored),
                                           text, phase.length)) {
    llvm::consumeError(std::move(error));
    return std::nullopt;
  }
  return llvm::toStringRef(text).str();
}
