// Any text: the parser survives it, and where it parses the formatter keeps its
// tokens and settles at once.

#include "frontends/language/Format.h"
#include "frontends/language/Lexer.h"
#include "frontends/language/Parser.h"

#include <cstdlib>

using namespace mapsto;

/// The tokens, without the semicolons that the formatter may drop.
static std::vector<std::string> tokensOf(const std::string &text) {
  SourceFile source("fuzz.mto", text);
  DiagnosticEngine diagnostics;
  std::vector<std::string> tokens;
  for (const Token &token : lex(source, diagnostics).tokens)
    if (token.kind != Token::Semicolon)
      tokens.push_back(text.substr(token.begin, token.end - token.begin));
  return tokens;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string text(reinterpret_cast<const char *>(data), size);
  SourceFile source("fuzz.mto", text);
  DiagnosticEngine diagnostics;
  parse(source, diagnostics);
  diagnostics.render();
  DiagnosticEngine formatDiagnostics;
  auto once = format(source, formatDiagnostics);
  if (!once)
    return 0;
  SourceFile again("again.mto", *once);
  auto twice = format(again, formatDiagnostics);
  if (!twice || *twice != *once || tokensOf(text) != tokensOf(*once))
    abort();
  return 0;
}
