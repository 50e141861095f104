//===- language_robustness_test.cpp - Damaged programs --------------------===//
//
// Every model and example of the project, cut up and put together wrongly: each
// must compile or be refused with a message, and never bring the compiler down
// or make it say that it made a mistake.
//
//===----------------------------------------------------------------------===//

#include "language_test_support.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <gtest/gtest.h>
#include <random>

using namespace mapsto;
using namespace mapsto::test;

static std::vector<std::string> programs() {
  std::vector<std::string> paths;
  std::error_code ec;
  for (const char *folder : {"/tests/models", "/examples"})
    for (llvm::sys::fs::recursive_directory_iterator
             it(std::string(MAPSTO_SOURCE_DIR) + folder, ec),
         end;
         it != end && !ec; it.increment(ec))
      if (llvm::StringRef(it->path()).ends_with(".mto"))
        paths.push_back(it->path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

/// Words, numbers and single signs.
static std::vector<std::string> tokens(const std::string &text) {
  std::vector<std::string> result;
  for (size_t i = 0; i < text.size();) {
    size_t end = i + 1;
    auto isWord = [&](char c) { return isalnum(c) || c == '_'; };
    while (isWord(text[i]) && end < text.size() && isWord(text[end]))
      ++end;
    result.push_back(text.substr(i, end - i));
    i = end;
  }
  return result;
}

/// MAPSTO_ROUNDS=1000 looks further.
static int rounds(int usual) {
  const char *given = getenv("MAPSTO_ROUNDS");
  return given ? atoi(given) : usual;
}

static void check(const std::string &text) {
  if (const char *path = getenv("MAPSTO_LAST_PROGRAM")) // to see what crashed
    std::ofstream(path) << text;
  Compilation c;
  bool compiled = c.compile("damaged.mto", text);
  std::string messages = c.diagnostics.render();
  if (!compiled)
    EXPECT_TRUE(c.diagnostics.hasErrors()) << text;
  ASSERT_EQ(messages.find("a mistake of"), std::string::npos)
      << text << messages;
}

TEST(Robustness, DamagedPrograms) {
  std::mt19937 random(1);
  auto below = [&](size_t n) { return random() % n; };
  std::vector<std::string> all = programs();
  ASSERT_GT(all.size(), 20u);
  std::vector<std::vector<std::string>> sources;
  for (const std::string &path : all)
    sources.push_back(tokens(readFile(path)));
  for (auto &source : sources) {
    for (int round = 0; round < rounds(25); ++round) {
      std::vector<std::string> damaged = source;
      for (size_t edits = 1 + below(3); edits; --edits) {
        size_t at = below(damaged.size());
        const auto &other = sources[below(sources.size())];
        switch (below(4)) {
        case 0:
          damaged.erase(damaged.begin() + at);
          break;
        case 1:
          damaged[at] = other[below(other.size())];
          break;
        case 2:
          std::swap(damaged[at], damaged[below(damaged.size())]);
          break;
        default:
          damaged.insert(damaged.begin() + at, damaged[below(damaged.size())]);
        }
      }
      std::string text;
      for (const std::string &token : damaged)
        text += token;
      check(text);
      if (HasFatalFailure())
        return;
    }
  }
}

/// Only words change places: far more of these get past the parser.
TEST(Robustness, WordsExchanged) {
  std::mt19937 random(2);
  auto below = [&](size_t n) { return random() % n; };
  for (const std::string &path : programs()) {
    std::vector<std::string> source = tokens(readFile(path));
    std::vector<size_t> words;
    for (size_t i = 0; i < source.size(); ++i)
      if (isalnum(source[i][0]))
        words.push_back(i);
    for (int round = 0; round < rounds(40); ++round) {
      std::vector<std::string> damaged = source;
      for (size_t edits = 1 + below(2); edits; --edits)
        damaged[words[below(words.size())]] =
            source[words[below(words.size())]];
      std::string text;
      for (const std::string &token : damaged)
        text += token;
      check(text);
      if (HasFatalFailure())
        return;
    }
  }
}

TEST(Robustness, StaticCodeEnds) {
  check("fn f(x: f32[2]) { for i in 0..99999 { for j in 0..99999 { x = x } }\n "
        "x }");
  check("fn f(x: f32[2]) { a = [1]; for i in 0..60 { a = a + a }\n x }");
  check("fn f(x: f32[2]) { a = \"a\"; for i in 0..60 { a = a + a }\n x }");
  check(
      "fn f(x: f32[B, T]) { a = B + T; for i in 0..60 { a = a * a }\n x + a }");
  check("fn f(x: f32[2]) { for i in 0..60 { x = concat([x, x]) }\n x }");
  check("fn f(x: f32[2]) { a = 3; for i in 0..99 { a = a * a }\n zeros[a] }");
  check("model A { b = B()\n (x: f32[2]) -> f32[2] { x } }\n"
        "model B { a = A()\n (x: f32[2]) -> f32[2] { x } }");
  check("let a = b\nlet b = a\nfn f(x: f32[2]) { x + a }");
}
