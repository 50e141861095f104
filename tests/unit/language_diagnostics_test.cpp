// The exact text of syntax errors: every tests/diagnostics/syntax_*.mto has
// beside it what is printed for it. MAPSTO_UPDATE_EXPECTED=1 rewrites those
// files; read the difference before you commit it.

#include "frontends/language/Parser.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

using namespace mapsto;
namespace fs = std::filesystem;

namespace {

std::string readFile(const fs::path &path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<fs::path> cases() {
  std::vector<fs::path> paths;
  for (const auto &entry :
       fs::directory_iterator(MAPSTO_SOURCE_DIR "/tests/diagnostics")) {
    fs::path path = entry.path();
    if (path.extension() == ".mto" &&
        path.filename().string().rfind("syntax_", 0) == 0)
      paths.push_back(path);
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

class SyntaxErrors : public testing::TestWithParam<fs::path> {};

TEST_P(SyntaxErrors, ExactText) {
  fs::path path = GetParam(), expectedPath = path;
  expectedPath.replace_extension(".expected");
  SourceFile source(path.filename().string(), readFile(path));
  DiagnosticEngine diagnostics;
  parse(source, diagnostics);
  if (getenv("MAPSTO_UPDATE_EXPECTED"))
    std::ofstream(expectedPath, std::ios::binary) << diagnostics.render();
  EXPECT_TRUE(diagnostics.hasErrors());
  EXPECT_EQ(diagnostics.render(), readFile(expectedPath));
}

INSTANTIATE_TEST_SUITE_P(All, SyntaxErrors, testing::ValuesIn(cases()),
                         [](const auto &info) {
                           return info.param.stem().string();
                         });

TEST(Rendering, WideCharactersAndTabs) {
  SourceFile source("m.mto", "a\t= \"注意\" + é + x\n");
  DiagnosticEngine diagnostics;
  uint32_t x = source.text().find('x');
  diagnostics.error({&source, x, x + 1}, "here");
  EXPECT_EQ(diagnostics.render(), "m.mto:1:16: error: here\n"
                                  "   1 | a   = \"注意\" + é + x\n"
                                  "     |                    ^\n");
}

TEST(Rendering, NoFileAndNoText) {
  DiagnosticEngine diagnostics;
  diagnostics.error({}, "nowhere").hint("look elsewhere");
  SourceFile empty("e.mto", "");
  diagnostics.warning({&empty, 0, 0}, "empty");
  EXPECT_EQ(diagnostics.render(), "error: nowhere\n  hint: look elsewhere\n"
                                  "e.mto:1:1: warning: empty\n"
                                  "   1 |\n     | ^\n");
}

TEST(Rendering, Colour) {
  SourceFile source("m.mto", "x\n");
  DiagnosticEngine diagnostics;
  diagnostics.error({&source, 0, 1}, "bad");
  EXPECT_NE(diagnostics.render(true).find("\033[1;31m"), std::string::npos);
  EXPECT_EQ(diagnostics.render(false).find('\033'), std::string::npos);
}

TEST(Rendering, StopsAfterTheLimit) {
  SourceFile source("m.mto", "x\n");
  DiagnosticEngine diagnostics;
  for (int i = 0; i < 100; ++i)
    diagnostics.error({&source, 0, 1}, "bad").note({}, "note").hint("hint");
  EXPECT_EQ(diagnostics.errorCount(), DiagnosticEngine::maxErrors);
  EXPECT_EQ(diagnostics.all().size(), size_t(DiagnosticEngine::maxErrors));
  EXPECT_TRUE(diagnostics.full());
}

} // namespace
