//===- Lexer.cpp - From text to tokens ------------------------------------===//

#include "frontends/language/Lexer.h"

#include <algorithm>
#include <iterator>

using namespace mapsto;

namespace {

struct Spelling {
  std::string_view text;
  Token::Kind kind;
};

constexpr Spelling reservedWords[] = {
    {"if", Token::If},       {"else", Token::Else},     {"for", Token::For},
    {"in", Token::In},       {"return", Token::Return}, {"yield", Token::Yield},
    {"until", Token::Until}, {"true", Token::True},     {"false", Token::False},
    {"inf", Token::Inf},     {"None", Token::None},     {"and", Token::And},
    {"or", Token::Or},       {"not", Token::Not},
};

/// Longest first, so that the first match is the token.
constexpr Spelling punctuation[] = {
    {"...", Token::Ellipsis},
    {"\u21A6", Token::Arrow},
    {"..", Token::DotDot},
    {"->", Token::Arrow},
    {"==", Token::Equal},
    {"!=", Token::NotEqual},
    {"<=", Token::LessEqual},
    {">=", Token::GreaterEqual},
    {"**", Token::StarStar},
    {"&&", Token::And},
    {"||", Token::Or},
    {"+=", Token::AssignWithOp},
    {"-=", Token::AssignWithOp},
    {"*=", Token::AssignWithOp},
    {"/=", Token::AssignWithOp},
    {"%=", Token::AssignWithOp},
    {"@=", Token::AssignWithOp},
    {"(", Token::LeftParen},
    {")", Token::RightParen},
    {"[", Token::LeftBracket},
    {"]", Token::RightBracket},
    {"{", Token::LeftBrace},
    {"}", Token::RightBrace},
    {",", Token::Comma},
    {":", Token::Colon},
    {";", Token::Semicolon},
    {".", Token::Dot},
    {"=", Token::Assign},
    {"!", Token::Not},
    {"<", Token::Less},
    {">", Token::Greater},
    {"+", Token::Plus},
    {"-", Token::Minus},
    {"*", Token::Star},
    {"/", Token::Slash},
    {"%", Token::Percent},
    {"@", Token::At},
    {"?", Token::Question},
};

/// Text that people type from habit, with what to write instead.
struct Habit {
  std::string_view text;
  const char *hint;
};

constexpr Habit habits[] = {
    {"&", "logical and is written `&&` or `and`"},
    {"|", "logical or is written `||` or `or`"},
    {"^", "a power is written `**`"},
    {"`", "strings take double quotes: \"...\""},
    {"\u201C", "strings take straight double quotes: \"...\""},
    {"\u201D", "strings take straight double quotes: \"...\""},
    {"\u2018", "strings take straight double quotes: \"...\""},
    {"\u2019", "strings take straight double quotes: \"...\""},
    {"\u2212", "a minus sign is written `-`"},
    {"\u2013", "a minus sign is written `-`"},
    {"\u00D7", "multiplication is written `*`, a matrix product `@`"},
    {"\u00B7", "multiplication is written `*`, a matrix product `@`"},
    {"\u2192", "an arrow is written `->`"},
    {"\\", "a line goes on by itself inside brackets and after an operator"},
};

bool isDigit(char c) { return c >= '0' && c <= '9'; }
bool isNameStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool isNameChar(char c) { return isNameStart(c) || isDigit(c); }
bool isBlank(char c) { return c == ' ' || c == '\t' || c == '\r'; }
bool isAscii(char c) { return static_cast<unsigned char>(c) < 0x80; }

class Lexer {
public:
  Lexer(const SourceFile &source, DiagnosticEngine &diagnostics)
      : source(source), text(source.text()), diagnostics(diagnostics) {}

  TokenStream run();

private:
  bool at(std::string_view what) const {
    return text.substr(position, what.size()) == what;
  }
  char peek(size_t ahead = 0) const {
    return position + ahead < text.size() ? text[position + ahead] : '\0';
  }
  Span spanFrom(size_t begin) const {
    return {&source, uint32_t(begin), uint32_t(position)};
  }
  void add(Token::Kind kind, size_t begin) {
    stream.tokens.push_back(
        {kind, startsLine, uint32_t(begin), uint32_t(position)});
    startsLine = false;
  }

  void lexComment();
  void lexWord();
  void lexNumber();
  void lexString();
  void lexOther();
  void skipDigits() {
    while (isDigit(peek()) || (peek() == '_' && isDigit(peek(1))))
      ++position;
  }

  const SourceFile &source;
  std::string_view text;
  DiagnosticEngine &diagnostics;
  TokenStream stream;
  size_t position = 0;
  bool startsLine = true;
};

TokenStream Lexer::run() {
  if (at("\xEF\xBB\xBF")) // byte order mark
    position = 3;
  while (position < text.size() && !diagnostics.full()) {
    char c = text[position];
    if (c == '\n') {
      startsLine = true;
      ++position;
    } else if (isBlank(c)) {
      ++position;
    } else if (at("//") || c == '#') {
      lexComment();
    } else if (isNameStart(c)) {
      lexWord();
    } else if (isDigit(c)) {
      lexNumber();
    } else if (c == '"') {
      lexString();
    } else {
      lexOther();
    }
  }
  size_t end = text.size();
  startsLine = true;
  position = end;
  add(Token::EndOfFile, end);
  return std::move(stream);
}

void Lexer::lexComment() {
  size_t begin = position;
  position = std::min(text.find('\n', begin), text.size());
  while (isBlank(text[position - 1]))
    --position;
  std::string_view comment = text.substr(begin, position - begin);
  if (comment[0] == '#') {
    diagnostics
        .error({&source, uint32_t(begin), uint32_t(begin + 1)},
               "unexpected `#`")
        .hint("comments begin with `//`");
    return;
  }
  bool isDoc = comment.substr(0, 3) == "///" && comment.substr(3, 1) != "/";
  stream.comments.push_back({uint32_t(begin), uint32_t(position),
                             uint32_t(stream.tokens.size()), startsLine,
                             isDoc});
}

void Lexer::lexWord() {
  size_t begin = position;
  while (isNameChar(peek()))
    ++position;
  std::string_view word = text.substr(begin, position - begin);
  Token::Kind kind = Token::Identifier;
  for (const Spelling &reserved : reservedWords)
    if (word == reserved.text)
      kind = reserved.kind;
  add(kind, begin);
}

/// `12`, `1_000`, `0.5`, `1.`, `1e-3`. A dot before another dot or a name
/// belongs to what follows: `0..n`.
void Lexer::lexNumber() {
  size_t begin = position;
  Token::Kind kind = Token::Integer;
  skipDigits();
  if (peek() == '.' && peek(1) != '.' && !isNameStart(peek(1))) {
    kind = Token::Float;
    ++position;
    skipDigits();
  }
  if (peek() == 'e' || peek() == 'E') {
    size_t sign = peek(1) == '+' || peek(1) == '-';
    if (isDigit(peek(1 + sign))) {
      kind = Token::Float;
      position += 1 + sign;
      skipDigits();
    }
  }
  if (isNameChar(peek())) {
    size_t numberEnd = position;
    while (isNameChar(peek()))
      ++position;
    std::string_view tail = text.substr(numberEnd, position - numberEnd);
    auto &error = diagnostics.error(
        spanFrom(begin),
        "`" +
            std::string(
                text.substr(begin, std::min<size_t>(position - begin, 40))) +
            "` is neither a number nor a name");
    if (tail[0] == 'x' || tail[0] == 'b')
      error.hint("numbers are decimal");
    else
      error.hint("a name cannot begin with a digit");
  }
  add(kind, begin);
}

void Lexer::lexString() {
  size_t begin = position++;
  while (position < text.size() && peek() != '"' && peek() != '\n') {
    if (peek() == '\\' && peek(1) != '\n' && position + 1 < text.size()) {
      if (std::string_view("nt\\\"").find(peek(1)) == std::string_view::npos) {
        size_t escape = position;
        position += 2;
        while (position < text.size() && !isAscii(peek()) &&
               (peek() & 0xC0) == 0x80)
          ++position;
        diagnostics.error(spanFrom(escape), "unknown escape in a string")
            .hint("the escapes are \\n, \\t, \\\\ and \\\"");
        continue;
      }
      ++position;
    }
    ++position;
  }
  if (peek() == '"') {
    ++position;
  } else {
    while (position > begin + 1 && isBlank(text[position - 1]))
      --position;
    diagnostics.error(spanFrom(begin), "this string is not closed")
        .hint("add a `\"` before the end of the line");
  }
  add(Token::String, begin);
}

void Lexer::lexOther() {
  size_t begin = position;
  if (at("/*")) {
    size_t close = text.find("*/", position);
    position = close == std::string_view::npos ? text.size() : close + 2;
    diagnostics
        .error({&source, uint32_t(begin), uint32_t(begin + 2)},
               "unexpected `/*`")
        .hint("comments begin with `//` and end with the line");
    return;
  }
  for (const Spelling &mark : punctuation)
    if (at(mark.text)) {
      position += mark.text.size();
      return add(mark.kind, begin);
    }
  if (peek() == '\'') {
    position = text.find_first_of("'\n", begin + 1);
    position = position < text.size() && text[position] == '\'' ? position + 1
                                                                : begin + 1;
    diagnostics.error(spanFrom(begin), "unexpected `'`")
        .hint("strings take double quotes: \"...\"");
    return add(Token::String, begin);
  }
  for (const Habit &habit : habits)
    if (at(habit.text)) {
      position += habit.text.size();
      diagnostics
          .error(spanFrom(begin),
                 "unexpected `" + std::string(habit.text) + "`")
          .hint(habit.hint);
      return;
    }

  // A run of anything else is one error.
  bool ascii = isAscii(peek());
  auto isGarbage = [&](char c) {
    return isAscii(c) ? (c < ' ' && !isBlank(c) && c != '\n') || c == 0x7F ||
                            c == '$' || c == '~'
                      : true;
  };
  while (position < text.size() && isGarbage(peek()) &&
         isAscii(peek()) == ascii)
    ++position;
  std::string_view garbage = text.substr(begin, position - begin);
  bool printable = std::all_of(garbage.begin(), garbage.end(),
                               [](char c) { return c >= ' ' && c < 0x7F; });
  if (printable)
    diagnostics.error(spanFrom(begin), "unexpected `" +
                                           std::string(garbage.substr(0, 40)) +
                                           "`");
  else
    diagnostics
        .error(spanFrom(begin), ascii ? "unexpected control character"
                                      : "unexpected text outside ASCII")
        .hint("names are letters, digits and `_`; anything may stand in "
              "comments and strings");
}

} // namespace

TokenStream mapsto::lex(const SourceFile &source,
                        DiagnosticEngine &diagnostics) {
  return Lexer(source, diagnostics).run();
}

bool mapsto::isIdentifier(std::string_view text) {
  if (text.empty() || !isNameStart(text[0]))
    return false;
  return std::all_of(text.begin(), text.end(), isNameChar) &&
         std::none_of(std::begin(reservedWords), std::end(reservedWords),
                      [&](const Spelling &s) { return s.text == text; });
}
