// The formatter: what it writes, and that it loses nothing and settles at once.

#include "frontends/language/Format.h"
#include "frontends/language/Lexer.h"

#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

using namespace mapsto;
namespace fs = std::filesystem;

namespace {

std::string formatted(const std::string &text) {
  SourceFile source("text.mto", text);
  DiagnosticEngine diagnostics;
  auto result = format(source, diagnostics);
  EXPECT_TRUE(result) << diagnostics.render();
  return result.value_or("");
}

/// The tokens and comments, without what the formatter may change.
std::string essence(const std::string &text) {
  SourceFile source("text.mto", text);
  DiagnosticEngine diagnostics;
  TokenStream stream = lex(source, diagnostics);
  std::string out;
  for (const Token &token : stream.tokens)
    if (token.kind != Token::Semicolon)
      out += text.substr(token.begin, token.end - token.begin) + "\n";
  std::vector<std::string> comments;
  for (const Comment &comment : stream.comments)
    comments.push_back(text.substr(comment.begin, comment.end - comment.begin));
  for (const std::string &comment : comments)
    out += comment + "\n";
  return out;
}

void expectFormat(const std::string &text, const std::string &expected) {
  EXPECT_EQ(formatted(text), expected);
  EXPECT_EQ(formatted(expected), expected);
}

TEST(Format, Blanks) {
  expectFormat("fn  f( x :f32[ B,T ],n:int=4 )->f32[ B ]{\n"
               "y=- x[ 1 : , :: 2 ]**2+!m . a( k=-1 )\n"
               "  return( y )\n}",
               "fn f(x: f32[B, T], n: int = 4) -> f32[B] {\n"
               "  y = -x[1:, ::2] ** 2 + !m.a(k = -1)\n"
               "  return (y)\n"
               "}\n");
  expectFormat("let ( a,b )=( 1,[ ],[ i for i in 0 .. n ] )",
               "let (a, b) = (1, [], [i for i in 0..n])\n");
  expectFormat("let a = not  ( x )and -( y )", "let a = not (x) and -(y)\n");
}

TEST(Format, BlankLines) {
  expectFormat(
      "\n\nlet a = 1\nlet b = 2\n\n\n\nlet c = 3\nfn f() {\n\n\n  a\n\n"
      "\n  b\n\n}\nfn g() {\n}\n\n\n",
      "let a = 1\nlet b = 2\n\nlet c = 3\n\nfn f() {\n  a\n\n  b\n}\n"
      "\nfn g() {}\n");
}

TEST(Format, Comments) {
  expectFormat(
      "// top\n\n/// doc\nmodel M( // params\n  a, // first\n"
      "  // second\n  b\n  // last\n) { // body\n  // own\n"
      "  c = f(a) // behind\n\n\n  // before end\n} // end\n// tail\n",
      "// top\n\n/// doc\nmodel M(\n  // params\n  a,  // first\n"
      "  // second\n  b\n  // last\n) {  // body\n  // own\n"
      "  c = f(a)  // behind\n\n  // before end\n}  // end\n\n// tail\n");
  // From inside an expression they move above the statement.
  expectFormat("fn f() {\n  x = a + // why\n    b\n}\n",
               "fn f() {\n  // why\n  x = a + b\n}\n");
}

TEST(Format, BlocksOnOneLine) {
  expectFormat("fn f() { if a { x=1;y=2 } else { x = 2 }; x }\n",
               "fn f() { if a { x = 1; y = 2 } else { x = 2 }; x }\n");
  expectFormat(
      "fn f() {\n  if a { x = 1 } else {\n x = 2 }\n}\n",
      "fn f() {\n  if a {\n    x = 1\n  } else {\n    x = 2\n  }\n}\n");
}

TEST(Format, LongLines) {
  std::string a(30, 'a'), b(30, 'b'), c(30, 'c');
  expectFormat("let x = ffffffffffffff(" + a + "," + b + "," + c + ")\n",
               "let x = ffffffffffffff(\n  " + a + ",\n  " + b + ",\n  " + c +
                   "\n)\n");
  expectFormat("let x = " + a + " + " + b + " * " + b + " + " + c + "\n",
               "let x = " + a + " +\n    " + b + " * " + b + " + " + c + "\n");
  expectFormat("fn f(\n  a,\n  b,\n) {}\n", "fn f(\n  a,\n  b,\n) {}\n");
  expectFormat("fn f(\n  a,\n  b\n) {}\n", "fn f(a, b) {}\n");
}

TEST(Format, AlignedAssignments) {
  std::string aligned = "model M() {\n  rnn = RNN(1)\n  fc  = Linear(1)\n\n"
                        "  a = 1\n  bb = 2\n}\n";
  expectFormat(aligned, aligned);
  expectFormat("model M() {\n  rnn   = RNN(1)\n  fc    = Linear(1)\n}\n",
               "model M() {\n  rnn = RNN(1)\n  fc  = Linear(1)\n}\n");
  expectFormat("model M() {\n  rnn   = RNN(1)\n}\n",
               "model M() {\n  rnn = RNN(1)\n}\n");
}

TEST(Format, RefusesWhatDoesNotParse) {
  SourceFile source("text.mto", "fn f( {");
  DiagnosticEngine diagnostics;
  EXPECT_FALSE(format(source, diagnostics));
  EXPECT_TRUE(diagnostics.hasErrors());
}

/// Every model file of the project that parses: formatting loses no token and
/// no comment, and formatting again changes nothing.
TEST(Format, EveryFileOfTheProject) {
  unsigned count = 0;
  for (const char *folder : {"examples", "frontends", "tests", "docs"}) {
    fs::path root = fs::path(MAPSTO_SOURCE_DIR) / folder;
    if (!fs::exists(root))
      continue;
    for (const auto &entry : fs::recursive_directory_iterator(root)) {
      if (entry.path().extension() != ".mto")
        continue;
      std::ifstream in(entry.path(), std::ios::binary);
      std::stringstream buffer;
      buffer << in.rdbuf();
      std::string text = buffer.str();
      SourceFile source(entry.path().string(), text);
      DiagnosticEngine diagnostics;
      auto once = format(source, diagnostics);
      if (!once)
        continue; // a test of error messages
      ++count;
      EXPECT_EQ(essence(text), essence(*once)) << entry.path();
      EXPECT_EQ(formatted(*once), *once) << entry.path();
    }
  }
  EXPECT_GE(count, 1u);
}

} // namespace
