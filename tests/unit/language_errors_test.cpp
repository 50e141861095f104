//===- language_errors_test.cpp - The exact text of semantic errors -------===//
//
// Every tests/diagnostics/*.mto that is no syntax_* has beside it what is
// printed for it. MAPSTO_UPDATE_EXPECTED=1 rewrites those files; read the
// difference before you commit it.
//
//===----------------------------------------------------------------------===//

#include "language_test_support.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <gtest/gtest.h>

using namespace mapsto;
using namespace mapsto::test;

static std::vector<std::string> cases() {
  std::vector<std::string> names;
  std::error_code ec;
  llvm::sys::fs::directory_iterator it(MAPSTO_SOURCE_DIR "/tests/diagnostics",
                                       ec),
      end;
  for (; it != end && !ec; it.increment(ec)) {
    llvm::StringRef name = llvm::sys::path::filename(it->path());
    if (name.ends_with(".mto") && !name.starts_with("syntax_"))
      names.push_back(name.drop_back(4).str());
  }
  std::sort(names.begin(), names.end());
  return names;
}

namespace {
struct SemanticErrors : ::testing::TestWithParam<std::string> {};
} // namespace

TEST_P(SemanticErrors, ExactText) {
  std::string stem = MAPSTO_SOURCE_DIR "/tests/diagnostics/" + GetParam();
  Compilation c;
  bool compiled = c.compile(GetParam() + ".mto", readFile(stem + ".mto"));
  std::string text = c.diagnostics.render();
  if (getenv("MAPSTO_UPDATE_EXPECTED"))
    std::ofstream(stem + ".expected", std::ios::binary) << text;
  EXPECT_FALSE(compiled);
  EXPECT_EQ(text, readFile(stem + ".expected"));
}

INSTANTIATE_TEST_SUITE_P(All, SemanticErrors, ::testing::ValuesIn(cases()),
                         [](auto &info) { return info.param; });
