//===- language_reference_test.cpp - The reference is true ----------------===//
//
// Every example in the reference runs and holds; REFERENCE.md is what the
// table and the standard library say (with MAPSTO_UPDATE_EXPECTED set, it is
// rewritten).
//
//===----------------------------------------------------------------------===//

#include "frontends/language/Parser.h"
#include "frontends/language/Reference.h"
#include "language_test_support.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace mapsto;
using namespace mapsto::test;

static std::vector<Tensor> run(Compilation &c, const std::string &text) {
  if (!c.compile("example.mto", text)) {
    ADD_FAILURE() << c.diagnostics.render();
    return {};
  }
  std::string error;
  Interpreter interpreter([](llvm::StringRef) { return mlir::failure(); });
  auto results = interpreter.run(c.main(), {}, error);
  EXPECT_TRUE(mlir::succeeded(results)) << error;
  return mlir::succeeded(results) ? *results : std::vector<Tensor>();
}

static void expectEqual(const std::string &a, const std::string &b) {
  Compilation c;
  auto results = run(c, "fn example() { return (" + a + "), (" + b + ") }");
  if (results.size() != 2)
    return;
  EXPECT_EQ(str(results[0].shape), str(results[1].shape)) << a;
  ASSERT_EQ(results[0].size(), results[1].size()) << a;
  for (int64_t i = 0; i < results[0].size(); ++i)
    EXPECT_NEAR(results[0].number(i), results[1].number(i), 1e-6)
        << a << " at " << i;
}

TEST(Reference, EveryExampleHolds) {
  unsigned count = 0;
  for (const ReferenceGroup &group : referenceGroups()) {
    for (const ReferenceEntry &entry : group.entries) {
      EXPECT_FALSE(entry.doc.empty()) << entry.name;
      if (entry.example.empty())
        continue;
      SCOPED_TRACE(entry.example);
      ++count;
      SourceManager sources;
      DiagnosticEngine diagnostics;
      const SourceFile &source = sources.add("example", entry.example);
      ast::ExprPtr expr = parseExpression(source, diagnostics);
      ASSERT_TRUE(expr) << diagnostics.render();
      auto *equal = ast::as<ast::BinaryExpr>(expr);
      ASSERT_TRUE(equal && equal->op == ast::BinaryOp::Equal);
      std::string lhs(equal->lhs->span.text());
      if (auto *tuple = ast::as<ast::TupleExpr>(equal->rhs)) {
        for (size_t i = 0; i < tuple->elements.size(); ++i)
          expectEqual(lhs + "[" + std::to_string(i) + "]",
                      std::string(tuple->elements[i]->span.text()));
      } else {
        expectEqual(lhs, std::string(equal->rhs->span.text()));
      }
    }
  }
  EXPECT_GT(count, 100u);
}

TEST(Reference, IsWhatTheTableSays) {
  std::string path = MAPSTO_SOURCE_DIR "/frontends/language/REFERENCE.md";
  std::string text = readFile(path);
  const std::string begin = "<!-- generated: begin -->\n",
                    end = "<!-- generated: end -->";
  size_t from = text.find(begin), to = text.find(end);
  ASSERT_TRUE(from != std::string::npos && to != std::string::npos);
  from += begin.size();
  std::string wanted = "\n" + writeReference();
  if (getenv("MAPSTO_UPDATE_EXPECTED")) {
    std::ofstream(path) << text.substr(0, from) << wanted << text.substr(to);
    return;
  }
  EXPECT_TRUE(text.substr(from, to - from) == wanted)
      << "frontends/language/REFERENCE.md is out of date: run this test with "
         "MAPSTO_UPDATE_EXPECTED=1";
}
