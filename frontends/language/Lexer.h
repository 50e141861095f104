//===- Lexer.h - From text to tokens --------------------------------------===//
//
// Splits a file into tokens, and keeps its comments beside them: the parser
// takes doc comments from there, the formatter all of them. Newlines are no
// tokens: a token knows whether it is the first of its line.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_FRONTENDS_LANGUAGE_LEXER_H
#define MAPSTO_FRONTENDS_LANGUAGE_LEXER_H

#include "frontends/language/Diagnostics.h"

namespace mapsto {

struct Token {
  enum Kind : uint8_t {
    EndOfFile,
    Identifier,
    Integer,
    Float,
    String,
    // Words that are never names. All others (`model`, `param`, `scan`, ...)
    // are keywords only where the grammar looks for them.
    If,
    Else,
    For,
    In,
    Return,
    Yield,
    Until,
    True,
    False,
    Inf,
    None,
    And, // `and`, `&&`
    Or,  // `or`, `||`
    Not, // `not`, `!`
    LeftParen,
    RightParen,
    LeftBracket,
    RightBracket,
    LeftBrace,
    RightBrace,
    Comma,
    Colon,
    Semicolon,
    Dot,
    DotDot,
    Ellipsis,
    Assign,
    AssignWithOp, // `+=` and its like: no part of the language, for a good
                  // message
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Plus,
    Minus,
    Star,
    StarStar,
    Slash,
    Percent,
    At,
    Arrow, // `->`, `↦`
    Question,
  };

  Kind kind = EndOfFile;
  bool startsLine = false;
  uint32_t begin = 0;
  uint32_t end = 0;
};

struct Comment {
  uint32_t begin = 0;
  uint32_t end = 0;
  /// Index of the token that follows.
  uint32_t nextToken = 0;
  /// Nothing but blanks before it on its line.
  bool ownLine = false;
  /// Begins with exactly three slashes.
  bool isDoc = false;
};

struct TokenStream {
  /// Ends with an EndOfFile token.
  std::vector<Token> tokens;
  std::vector<Comment> comments;
};

/// Text that is no token is reported and skipped. Where the limit of errors is
/// reached the stream ends early.
TokenStream lex(const SourceFile &source, DiagnosticEngine &diagnostics);

/// True for letters, digits and `_`, not beginning with a digit, that are not
/// reserved.
bool isIdentifier(std::string_view text);

} // namespace mapsto

#endif // MAPSTO_FRONTENDS_LANGUAGE_LEXER_H
