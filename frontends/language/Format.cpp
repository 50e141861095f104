//===- Format.cpp - The formatter of the language -------------------------===//
//
// Works on tokens, not on the tree, so that nothing of the text can get lost:
// the parser only tells where statements begin. The tokens become nested
// `Statement`s, bracketed `Piece`s and their `Item`s, each with its comments;
// then every statement is laid out on one line if it fits, and otherwise with
// its longest brackets broken, one item a line.
//
//===----------------------------------------------------------------------===//

#include "frontends/language/Format.h"
#include "frontends/language/ParserCore.h"

using namespace mapsto;

namespace {

constexpr size_t maxColumns = 100;
constexpr size_t indentStep = 2;
constexpr size_t continuationIndent = 4;
/// Breaking shorter brackets than this makes a line worse.
constexpr size_t minBreakable = 20;
/// More plain values than this are packed into lines instead of one a line.
constexpr size_t maxOnePerLine = 8;

struct Statement;
struct Item;

/// A token, or a bracket pair with what it holds.
struct Piece {
  enum Kind { Plain, Brackets, Braces };
  Kind kind = Plain;
  uint32_t token = 0;
  uint32_t close = 0;
  std::vector<Item> items;           // of brackets
  std::vector<Statement> statements; // of braces
  std::vector<Comment> after;        // comments before the closing token
  /// Braces: written on one line, so they may stay there.
  bool oneLine = false;
  /// Comments are somewhere inside; brackets: or a comma before the close.
  bool mustBreak = false;
};
using Pieces = std::vector<Piece>;

/// What stands between commas.
struct Item {
  Pieces pieces;
  std::vector<Comment> above;
  std::vector<Comment> trailing;
  /// The `,` or `;` behind it; 0 for none.
  uint32_t separator = 0;
};

struct Statement {
  Pieces pieces;
  std::vector<Comment> above;
  std::vector<Comment> trailing;
  /// How many of `above` come from inside the statement.
  size_t hoisted = 0;
  /// Columns before `=`, to keep it aligned with its neighbours.
  size_t padding = 0;
};

/// One line of a layout; `settled` if it belongs to something inside that has
/// been laid out for itself.
struct Line {
  std::string text;
  bool settled = false;
};
using Lines = std::vector<Line>;

size_t columns(std::string_view text) {
  size_t count = 0;
  for (char c : text)
    count += (c & 0xC0) != 0x80;
  return count;
}

class Formatter {
public:
  Formatter(const SourceFile &source, const TokenStream &stream,
            const std::vector<uint32_t> &starts)
      : source(source), tokens(stream.tokens), comments(stream.comments),
        isStart(tokens.size()) {
    for (uint32_t start : starts)
      isStart[start] = true;
  }

  std::string run();

private:
  // Tokens to pieces.
  Token::Kind kind(uint32_t token) const { return tokens[token].kind; }
  std::string_view text(uint32_t token) const {
    return source.text().substr(tokens[token].begin,
                                tokens[token].end - tokens[token].begin);
  }
  std::vector<Comment> takeComments();
  std::vector<Statement> readStatements(Token::Kind end,
                                        std::vector<Comment> &after,
                                        std::vector<Comment> *beforeFirst);
  Statement readStatement();
  Piece readPiece();
  Piece readBraces();
  Piece readBrackets();
  Item readItem();
  void align(std::vector<Statement> &statements);

  // Pieces to lines.
  struct Layout {
    bool bracesFlat = false;
    std::vector<bool> broken;
    std::vector<bool> breakAfter;
    size_t padding = 0;
    /// What the pieces stand in: decides on the blanks around `:`.
    Token::Kind bracket = Token::EndOfFile;
  };
  static Layout flatLayout() {
    Layout layout;
    layout.bracesFlat = true;
    return layout;
  }
  Lines layOut(const Pieces &pieces, size_t indent, const Layout &layout);
  Lines best(const Pieces &pieces, size_t indent, size_t padding,
             Token::Kind bracket);
  void appendBrackets(Lines &lines, const Piece &piece, size_t indent,
                      const Layout &layout, bool broken);
  void appendBraces(Lines &lines, const Piece &piece, size_t indent,
                    const Layout &layout);
  void appendStatements(Lines &lines, const std::vector<Statement> &statements,
                        const std::vector<Comment> &after, size_t indent,
                        bool topLevel);
  std::vector<bool> operatorBreaks(const Pieces &pieces, size_t indent);
  size_t flatWidth(const Piece &piece);
  bool canBeFlat(const Pieces &pieces) const;
  bool packs(const Piece &brackets) const;
  bool spaceBetween(uint32_t left, uint32_t right, Token::Kind bracket) const;
  bool endsOperand(uint32_t token) const;
  bool isUnary(uint32_t token) const;
  bool blankLineBefore(uint32_t offset) const;
  std::string commentText(const Comment &comment) const {
    return std::string(
        source.text().substr(comment.begin, comment.end - comment.begin));
  }

  const SourceFile &source;
  const std::vector<Token> &tokens;
  const std::vector<Comment> &comments;
  std::vector<bool> isStart;
  uint32_t position = 0;
  size_t nextComment = 0;
};

//===----------------------------------------------------------------------===//
// Tokens to pieces
//===----------------------------------------------------------------------===//

/// The comments right before the current token.
std::vector<Comment> Formatter::takeComments() {
  std::vector<Comment> taken;
  while (nextComment < comments.size() &&
         comments[nextComment].nextToken <= position)
    taken.push_back(comments[nextComment++]);
  return taken;
}

/// Divides comments at a boundary: those on the line of what comes before are
/// its own, the others belong to what follows. Only one fits behind a line.
void divide(std::vector<Comment> found, std::vector<Comment> *before,
            std::vector<Comment> &after) {
  for (Comment &comment : found)
    if (!comment.ownLine && before && before->empty())
      before->push_back(comment);
    else
      after.push_back(comment);
}

/// Statements up to `end`. `beforeFirst` takes a comment behind the `{`.
std::vector<Statement>
Formatter::readStatements(Token::Kind end, std::vector<Comment> &after,
                          std::vector<Comment> *beforeFirst) {
  std::vector<Statement> statements;
  for (;;) {
    std::vector<Comment> above;
    for (;; ++position) {
      std::vector<Comment> *before =
          statements.empty() ? beforeFirst : &statements.back().trailing;
      divide(takeComments(), before, above);
      if (kind(position) != Token::Semicolon)
        break;
    }
    if (kind(position) == end || kind(position) == Token::EndOfFile) {
      after = std::move(above);
      align(statements);
      return statements;
    }
    Statement statement = readStatement();
    statement.hoisted = statement.above.size();
    above.insert(above.end(), statement.above.begin(), statement.above.end());
    statement.above = std::move(above);
    statements.push_back(std::move(statement));
  }
}

Statement Formatter::readStatement() {
  Statement statement;
  do {
    // Comments inside an expression move above its statement.
    for (const Comment &comment : takeComments())
      statement.above.push_back(comment);
    statement.pieces.push_back(readPiece());
  } while (!isStart[position] && kind(position) != Token::RightBrace &&
           kind(position) != Token::Semicolon &&
           kind(position) != Token::EndOfFile);
  return statement;
}

Piece Formatter::readPiece() {
  switch (kind(position)) {
  case Token::LeftBrace:
    return readBraces();
  case Token::LeftParen:
  case Token::LeftBracket:
    return readBrackets();
  default:
    Piece piece;
    piece.token = piece.close = position++;
    return piece;
  }
}

Piece Formatter::readBraces() {
  Piece piece;
  piece.kind = Piece::Braces;
  piece.token = position++;
  size_t firstComment = nextComment;
  piece.items.emplace_back(); // holds a comment behind the `{`
  piece.statements =
      readStatements(Token::RightBrace, piece.after, &piece.items[0].trailing);
  piece.close = position++;
  piece.mustBreak = nextComment != firstComment;
  piece.oneLine = !piece.mustBreak;
  for (uint32_t i = piece.token + 1; i <= piece.close; ++i)
    piece.oneLine &= !tokens[i].startsLine;
  return piece;
}

Piece Formatter::readBrackets() {
  Piece piece;
  piece.kind = Piece::Brackets;
  piece.token = position++;
  Token::Kind close = kind(piece.token) == Token::LeftParen
                          ? Token::RightParen
                          : Token::RightBracket;
  size_t firstComment = nextComment;
  for (;;) {
    std::vector<Comment> above;
    divide(takeComments(),
           piece.items.empty() ? nullptr : &piece.items.back().trailing, above);
    if (kind(position) == close) {
      piece.after = std::move(above);
      break;
    }
    Item item = readItem();
    above.insert(above.end(), item.above.begin(), item.above.end());
    item.above = std::move(above);
    piece.items.push_back(std::move(item));
  }
  piece.close = position++;
  piece.mustBreak = nextComment != firstComment ||
                    (piece.items.size() > 1 && piece.items.back().separator);
  for (const Item &item : piece.items)
    for (const Piece &inner : item.pieces)
      piece.mustBreak |= inner.kind == Piece::Brackets && inner.mustBreak;
  return piece;
}

Item Formatter::readItem() {
  Item item;
  for (;;) {
    Token::Kind k = kind(position);
    if (k == Token::RightParen || k == Token::RightBracket)
      return item;
    bool isSeparator = k == Token::Comma || k == Token::Semicolon;
    divide(takeComments(), isSeparator ? &item.trailing : nullptr, item.above);
    if (isSeparator) {
      item.separator = position++;
      return item;
    }
    item.pieces.push_back(readPiece());
    // A comment before the closing bracket belongs to the brackets.
    if (kind(position) == Token::RightParen ||
        kind(position) == Token::RightBracket)
      return item;
  }
}

/// Finds runs of neighbours whose `=` signs were aligned, and pads them.
void Formatter::align(std::vector<Statement> &statements) {
  struct Candidate {
    /// Columns from the statement's beginning to its `=`: as written, and
    /// with single blanks.
    size_t written = 0, natural = 0, width = 0;
  };
  auto examine = [&](const Statement &statement) -> Candidate {
    size_t assign = 0;
    while (assign < statement.pieces.size() &&
           kind(statement.pieces[assign].token) != Token::Assign)
      ++assign;
    if (assign == 0 || assign == statement.pieces.size())
      return {};
    for (const Piece &piece : statement.pieces)
      if (piece.kind == Piece::Braces || piece.mustBreak)
        return {};
    uint32_t first = statement.pieces[0].token,
             equals = statement.pieces[assign].token;
    for (uint32_t i = first + 1; i <= equals; ++i)
      if (tokens[i].startsLine)
        return {};
    Pieces target(statement.pieces.begin(), statement.pieces.begin() + assign);
    Lines whole = layOut(statement.pieces, 0, flatLayout());
    Lines head = layOut(target, 0, flatLayout());
    if (whole.size() != 1)
      return {};
    return {tokens[equals].begin - tokens[first].begin,
            columns(head[0].text) + 1, columns(whole[0].text)};
  };

  std::vector<Candidate> candidates;
  for (const Statement &statement : statements)
    candidates.push_back(examine(statement));
  for (size_t begin = 0, end; begin < statements.size(); begin = end) {
    size_t widest = candidates[begin].natural;
    end = begin + 1;
    while (end < statements.size() && candidates[begin].natural &&
           candidates[end].natural && statements[end].above.empty() &&
           !blankLineBefore(tokens[statements[end].pieces[0].token].begin) &&
           candidates[end].written == candidates[begin].written)
      widest = std::max(widest, candidates[end++].natural);
    if (end - begin < 2)
      continue;
    // Indentation is not known here; a deep block may still break a line.
    constexpr size_t room = maxColumns - 20;
    bool fits = true;
    for (size_t i = begin; i < end; ++i)
      fits &= candidates[i].width + widest - candidates[i].natural <= room;
    for (size_t i = begin; i < end && fits; ++i)
      statements[i].padding = widest - candidates[i].natural;
  }
}

//===----------------------------------------------------------------------===//
// Blanks between tokens
//===----------------------------------------------------------------------===//

bool Formatter::endsOperand(uint32_t token) const {
  switch (kind(token)) {
  case Token::Identifier:
  case Token::Integer:
  case Token::Float:
  case Token::String:
  case Token::True:
  case Token::False:
  case Token::Inf:
  case Token::None:
  case Token::RightParen:
  case Token::RightBracket:
  case Token::RightBrace:
  case Token::Question:
  case Token::Ellipsis:
    return true;
  default:
    // A reserved word behind a dot is a member's name.
    return isIdentifier(std::string(text(token)) + "_") && token > 0 &&
           kind(token - 1) == Token::Dot;
  }
}

bool Formatter::isUnary(uint32_t token) const {
  if (kind(token) == Token::Not)
    return text(token) == "!";
  return kind(token) == Token::Minus &&
         (token == 0 || isStart[token] || !endsOperand(token - 1));
}

/// Whether a blank stands between two tokens; `bracket` is what they are in.
bool Formatter::spaceBetween(uint32_t left, uint32_t right,
                             Token::Kind bracket) const {
  Token::Kind l = kind(left), r = kind(right);
  switch (r) {
  case Token::Comma:
  case Token::Semicolon:
  case Token::Dot:
  case Token::DotDot:
  case Token::Question:
  case Token::Colon:
  case Token::RightParen:
  case Token::RightBracket:
    return false;
  default:
    break;
  }
  if (l == Token::Dot || l == Token::DotDot || isUnary(left) ||
      l == Token::LeftParen || l == Token::LeftBracket)
    return false;
  if (l == Token::Colon)
    return bracket != Token::LeftBracket;
  if (r == Token::LeftParen || r == Token::LeftBracket) {
    bool isLet = isStart[left] && text(left) == "let" && r == Token::LeftParen;
    return isLet || !endsOperand(left);
  }
  return true;
}

bool Formatter::blankLineBefore(uint32_t offset) const {
  std::string_view text = source.text();
  unsigned newlines = 0;
  while (offset > 0) {
    char c = text[--offset];
    if (c == '\n')
      ++newlines;
    else if (c != ' ' && c != '\t' && c != '\r')
      break;
  }
  return newlines > 1;
}

//===----------------------------------------------------------------------===//
// Pieces to lines
//===----------------------------------------------------------------------===//

std::string blanks(size_t count) { return std::string(count, ' '); }

/// Continues the last of `lines` with `more`, whose first line it swallows.
void join(Lines &lines, const Lines &more, bool settled) {
  lines.back().text += more[0].text;
  for (size_t i = 1; i < more.size(); ++i)
    lines.push_back({more[i].text, settled || more[i].settled});
}

Lines Formatter::layOut(const Pieces &pieces, size_t indent,
                        const Layout &layout) {
  Lines lines(1);
  for (size_t i = 0; i < pieces.size(); ++i) {
    const Piece &piece = pieces[i];
    if (i > 0 && !layout.breakAfter.empty() && layout.breakAfter[i - 1])
      lines.push_back({blanks(indent + continuationIndent)});
    else if (i > 0 &&
             spaceBetween(pieces[i - 1].close, piece.token, layout.bracket))
      lines.back().text += ' ';
    bool broken = !layout.broken.empty() && layout.broken[i];
    if (piece.kind == Piece::Brackets)
      appendBrackets(lines, piece, indent, layout, broken || piece.mustBreak);
    else if (piece.kind == Piece::Braces)
      appendBraces(lines, piece, indent, layout);
    else {
      if (kind(piece.token) == Token::Assign && i > 0)
        lines.back().text += blanks(layout.padding);
      lines.back().text += text(piece.token);
    }
  }
  return lines;
}

void Formatter::appendBrackets(Lines &lines, const Piece &piece, size_t indent,
                               const Layout &layout, bool broken) {
  Token::Kind bracket = kind(piece.token);
  lines.back().text += text(piece.token);
  if (!broken) {
    Layout inside;
    inside.bracesFlat = layout.bracesFlat;
    inside.bracket = bracket;
    for (size_t i = 0; i < piece.items.size(); ++i) {
      const Item &item = piece.items[i];
      if (i > 0)
        lines.back().text += ' ';
      join(lines, layOut(item.pieces, indent, inside), false);
      if (item.separator)
        lines.back().text += text(item.separator);
    }
    lines.back().text += text(piece.close);
    return;
  }

  size_t inner = indent + indentStep;
  bool pack = packs(piece);
  for (size_t i = 0; i < piece.items.size(); ++i) {
    const Item &item = piece.items[i];
    for (const Comment &comment : item.above)
      lines.push_back({blanks(inner) + commentText(comment), true});
    Lines content = best(item.pieces, inner, 0, bracket);
    if (item.separator)
      content.back().text += text(item.separator);
    if (pack && i > 0 &&
        columns(lines.back().text) + 1 + columns(content[0].text) <= maxColumns)
      lines.back().text += ' ';
    else
      lines.push_back({blanks(inner), true});
    join(lines, content, true);
    for (const Comment &comment : item.trailing)
      lines.back().text += "  " + commentText(comment);
  }
  for (const Comment &comment : piece.after)
    lines.push_back({blanks(inner) + commentText(comment), true});
  lines.push_back({blanks(indent) + std::string(text(piece.close))});
}

void Formatter::appendBraces(Lines &lines, const Piece &piece, size_t indent,
                             const Layout &layout) {
  lines.back().text += '{';
  if (piece.statements.empty() && !piece.mustBreak) {
    lines.back().text += '}';
    return;
  }
  if (layout.bracesFlat) {
    const char *separator = " ";
    for (const Statement &statement : piece.statements) {
      lines.back().text += separator;
      Layout inside;
      inside.bracesFlat = true;
      join(lines, layOut(statement.pieces, indent, inside), true);
      separator = "; ";
    }
    lines.back().text += " }";
    return;
  }
  for (const Comment &comment : piece.items[0].trailing)
    lines.back().text += "  " + commentText(comment);
  appendStatements(lines, piece.statements, piece.after, indent + indentStep,
                   false);
  lines.push_back({blanks(indent) + "}"});
}

void Formatter::appendStatements(Lines &lines,
                                 const std::vector<Statement> &statements,
                                 const std::vector<Comment> &after,
                                 size_t indent, bool topLevel) {
  bool first = true;
  bool afterBlock = false;
  auto blankLine = [&](uint32_t offset, bool forced) {
    if (!first && (forced || blankLineBefore(offset)))
      lines.push_back({"", true});
    first = false;
  };
  auto addComment = [&](const Comment &comment, bool forced) {
    blankLine(comment.begin, forced);
    lines.push_back({blanks(indent) + commentText(comment), true});
  };
  for (const Statement &statement : statements) {
    // A blank line on both sides of a declaration with a body.
    bool hasBlock = false;
    for (const Piece &piece : statement.pieces)
      hasBlock |= piece.kind == Piece::Braces;
    bool forced = topLevel && (hasBlock || afterBlock);
    afterBlock = hasBlock;
    size_t boundary = statement.above.size() - statement.hoisted;
    for (size_t i = 0; i < boundary; ++i) {
      addComment(statement.above[i], forced);
      forced = false;
    }
    blankLine(tokens[statement.pieces[0].token].begin, forced);
    for (size_t i = boundary; i < statement.above.size(); ++i)
      lines.push_back({blanks(indent) + commentText(statement.above[i]), true});
    lines.push_back({blanks(indent), true});
    join(lines,
         best(statement.pieces, indent, statement.padding, Token::EndOfFile),
         true);
    for (const Comment &comment : statement.trailing)
      lines.back().text += "  " + commentText(comment);
  }
  for (const Comment &comment : after)
    addComment(comment, topLevel && afterBlock && &comment == &after[0]);
}

bool Formatter::canBeFlat(const Pieces &pieces) const {
  for (const Piece &piece : pieces) {
    if (piece.mustBreak || (piece.kind == Piece::Braces && !piece.oneLine &&
                            !(piece.statements.empty() && !piece.mustBreak)))
      return false;
    for (const Item &item : piece.items)
      if (!canBeFlat(item.pieces))
        return false;
    for (const Statement &statement : piece.statements)
      if (!canBeFlat(statement.pieces))
        return false;
  }
  return true;
}

/// Many short values, such as a list of numbers.
bool Formatter::packs(const Piece &brackets) const {
  if (brackets.items.size() <= maxOnePerLine)
    return false;
  for (const Item &item : brackets.items) {
    if (!item.above.empty() || !item.trailing.empty() ||
        item.pieces.size() > 2 || item.pieces.back().kind != Piece::Plain)
      return false;
  }
  return true;
}

size_t Formatter::flatWidth(const Piece &piece) {
  Lines lines = layOut(Pieces(1, piece), 0, flatLayout());
  size_t width = 0;
  for (const Line &line : lines)
    width += columns(line.text);
  return width;
}

/// Where to break a line of operators: behind those that bind loosest, as many
/// of them as needed.
std::vector<bool> Formatter::operatorBreaks(const Pieces &pieces,
                                            size_t indent) {
  auto looseness = [&](size_t i) {
    uint32_t token = pieces[i].token;
    if (i == 0 || i + 1 == pieces.size() || pieces[i].kind != Piece::Plain ||
        pieces[i - 1].kind == Piece::Braces ||
        pieces[i + 1].kind == Piece::Braces || isUnary(token))
      return 0;
    switch (kind(token)) {
    case Token::If:
    case Token::Else:
      return kind(pieces[i - 1].token) == Token::Else ||
                     kind(token - 1) == Token::Dot
                 ? 0
                 : 6;
    case Token::Or:
      return 5;
    case Token::And:
      return 4;
    case Token::Plus:
    case Token::Minus:
      return 2;
    case Token::Star:
    case Token::Slash:
    case Token::At:
      return 1;
    default:
      return 0;
    }
  };
  int loosest = 0;
  for (size_t i = 0; i < pieces.size(); ++i)
    loosest = std::max(loosest, looseness(i));
  std::vector<bool> breaks(pieces.size());
  if (loosest == 0)
    return {};
  size_t column = indent, lastOperator = 0, sinceOperator = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    size_t width = flatWidth(pieces[i]) + 1;
    column += width;
    sinceOperator += width;
    if (column > maxColumns + 1 && lastOperator) {
      breaks[lastOperator] = true;
      lastOperator = 0;
      column = indent + continuationIndent + sinceOperator;
    }
    if (looseness(i) == loosest) {
      lastOperator = i;
      sinceOperator = 0;
    }
  }
  return breaks;
}

/// The nicest lines for `pieces`, the first of them without its indentation.
Lines Formatter::best(const Pieces &pieces, size_t indent, size_t padding,
                      Token::Kind bracket) {
  auto fits = [&](const Lines &lines) {
    for (size_t i = 0; i < lines.size(); ++i)
      if (!lines[i].settled &&
          columns(lines[i].text) + (i ? 0 : indent) > maxColumns)
        return false;
    return true;
  };
  Layout layout;
  layout.padding = padding;
  layout.bracket = bracket;
  if (canBeFlat(pieces)) {
    layout.bracesFlat = true;
    Lines lines = layOut(pieces, indent, layout);
    if (fits(lines))
      return lines;
    layout.bracesFlat = false;
  }
  Lines lines = layOut(pieces, indent, layout);
  if (fits(lines))
    return lines;

  Layout atOperators = layout;
  atOperators.breakAfter = operatorBreaks(pieces, indent);
  if (!atOperators.breakAfter.empty()) {
    Lines split = layOut(pieces, indent, atOperators);
    if (fits(split))
      return split;
  }

  // The widest brackets first; of equal ones, those further left.
  std::vector<std::pair<ptrdiff_t, size_t>> breakable;
  for (size_t i = 0; i < pieces.size(); ++i)
    if (pieces[i].kind == Piece::Brackets && !pieces[i].items.empty())
      if (size_t width = flatWidth(pieces[i]); width >= minBreakable)
        breakable.push_back({-ptrdiff_t(width), i});
  std::sort(breakable.begin(), breakable.end());
  layout.broken.resize(pieces.size());
  for (auto [negativeWidth, index] : breakable) {
    layout.broken[index] = true;
    lines = layOut(pieces, indent, layout);
    if (fits(lines))
      break;
  }
  return lines;
}

std::string Formatter::run() {
  std::vector<Comment> after;
  std::vector<Statement> statements =
      readStatements(Token::EndOfFile, after, nullptr);
  Lines lines;
  appendStatements(lines, statements, after, 0, true);
  std::string out;
  for (const Line &line : lines) {
    out += line.text;
    out += '\n';
  }
  return out;
}

} // namespace

std::optional<std::string> mapsto::format(const SourceFile &source,
                                          DiagnosticEngine &diagnostics) {
  unsigned before = diagnostics.errorCount();
  ParserCore parser(source, diagnostics);
  parser.parseFile();
  if (diagnostics.errorCount() != before)
    return std::nullopt;
  return Formatter(source, parser.tokenStream(), parser.statementStarts())
      .run();
}
