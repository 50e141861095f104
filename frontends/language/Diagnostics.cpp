//===- Diagnostics.cpp - Source files, spans and error messages -----------===//

#include "frontends/language/Diagnostics.h"

#include <algorithm>
#include <cstdio>
#include <tuple>
#include <unistd.h>

using namespace mapsto;

//===----------------------------------------------------------------------===//
// Source files
//===----------------------------------------------------------------------===//

/// Spans hold 32-bit offsets; no source file comes near this.
static constexpr size_t maxFileSize = size_t(64) << 20;

static bool isContinuationByte(char c) { return (c & 0xC0) == 0x80; }

SourceFile::SourceFile(std::string name, std::string text)
    : fileName(std::move(name)), contents(std::move(text)) {
  if (contents.size() > maxFileSize)
    contents.resize(maxFileSize);
  lineStarts.push_back(0);
  for (size_t i = 0; i < contents.size(); ++i)
    if (contents[i] == '\n')
      lineStarts.push_back(i + 1);
}

unsigned SourceFile::lineOf(size_t offset) const {
  auto next = std::upper_bound(lineStarts.begin(), lineStarts.end(), offset);
  return next - lineStarts.begin();
}

LineColumn SourceFile::locate(size_t offset) const {
  offset = std::min(offset, contents.size());
  unsigned line = lineOf(offset), column = 1;
  for (size_t i = lineStart(line); i < offset; ++i)
    column += !isContinuationByte(contents[i]);
  return {line, column};
}

std::string_view SourceFile::lineText(unsigned line) const {
  size_t begin = lineStart(line);
  size_t end = line < lineCount() ? lineStarts[line] - 1 : contents.size();
  std::string_view text = std::string_view(contents).substr(begin, end - begin);
  if (!text.empty() && text.back() == '\r')
    text.remove_suffix(1);
  return text;
}

const SourceFile &SourceManager::add(std::string name, std::string text) {
  files.push_back(
      std::make_unique<SourceFile>(std::move(name), std::move(text)));
  return *files.back();
}

const SourceFile *SourceManager::open(const std::string &path,
                                      std::string &error) {
  FILE *file = fopen(path.c_str(), "rb");
  if (!file) {
    error = "cannot open `" + path + "`";
    return nullptr;
  }
  std::string text;
  char buffer[1 << 16];
  size_t count;
  while (text.size() <= maxFileSize &&
         (count = fread(buffer, 1, sizeof buffer, file)) > 0)
    text.append(buffer, count);
  bool failed = ferror(file);
  fclose(file);
  if (failed)
    error = "cannot read `" + path + "`";
  else if (text.size() > maxFileSize)
    error = "`" + path + "` is larger than a source file may be (64 MiB)";
  else
    return &add(path, std::move(text));
  return nullptr;
}

const SourceFile *SourceManager::find(std::string_view name) const {
  for (const auto &file : files)
    if (file->name() == name)
      return file.get();
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Collecting
//===----------------------------------------------------------------------===//

Diagnostic &DiagnosticEngine::error(Span span, std::string message) {
  if (full()) {
    discarded = {};
    return discarded;
  }
  ++errors;
  diagnostics.push_back({Severity::Error, span, std::move(message), {}, {}});
  return diagnostics.back();
}

Diagnostic &DiagnosticEngine::warning(Span span, std::string message) {
  if (full()) {
    discarded = {};
    return discarded;
  }
  diagnostics.push_back({Severity::Warning, span, std::move(message), {}, {}});
  return diagnostics.back();
}

//===----------------------------------------------------------------------===//
// Printing
//===----------------------------------------------------------------------===//

namespace {

constexpr unsigned tabWidth = 4;
/// A longer line is shown as a window around its span.
constexpr unsigned maxExcerptColumns = 160;
constexpr unsigned columnsBeforeSpan = 60;

/// Decodes one character of `text` at `at`, and moves past it. A byte that is
/// not UTF-8 gives U+FFFD.
char32_t decode(std::string_view text, size_t &at) {
  unsigned char lead = text[at++];
  if (lead < 0x80)
    return lead;
  unsigned length = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC2 ? 1 : 0;
  if (length == 0 || lead > 0xF4 || at + length > text.size())
    return 0xFFFD;
  char32_t point = lead & (0x3F >> length);
  for (unsigned i = 0; i < length; ++i) {
    if (!isContinuationByte(text[at + i]))
      return 0xFFFD;
    point = point << 6 | (text[at + i] & 0x3F);
  }
  at += length;
  return point;
}

/// Terminal cells of a character: combining marks none, CJK and emoji two.
unsigned cells(char32_t c) {
  if ((c >= 0x300 && c <= 0x36F) || (c >= 0x200B && c <= 0x200F) ||
      (c >= 0xFE00 && c <= 0xFE0F))
    return 0;
  bool wide = (c >= 0x1100 && c <= 0x115F) || (c >= 0x2E80 && c <= 0xA4CF) ||
              (c >= 0xAC00 && c <= 0xD7A3) || (c >= 0xF900 && c <= 0xFAFF) ||
              (c >= 0xFE30 && c <= 0xFE6F) || (c >= 0xFF00 && c <= 0xFF60) ||
              (c >= 0x1F300 && c <= 0x1FAFF) || (c >= 0x20000 && c <= 0x3FFFD);
  return wide ? 2 : 1;
}

/// Control characters would let a file draw on the terminal.
bool isPrintable(char32_t c) {
  return c >= 0x20 && c != 0x7F && !(c >= 0x80 && c <= 0x9F) && c != 0xFFFD &&
         !(c >= 0x202A && c <= 0x202E) && !(c >= 0x2066 && c <= 0x2069);
}

struct Colours {
  const char *bold = "", *error = "", *warning = "", *note = "", *reset = "";
};

Colours coloursFor(bool colour) {
  if (!colour)
    return {};
  return {"\033[1m", "\033[1;31m", "\033[1;35m", "\033[1;36m", "\033[0m"};
}

/// The source line of a span with the span underlined.
void renderExcerpt(std::string &out, Span span, const Colours &colours) {
  unsigned line = span.start().line;
  size_t lineStart = span.file->lineStart(line);
  std::string_view text = span.file->lineText(line);
  size_t begin = std::min<size_t>(span.begin - lineStart, text.size());
  size_t end = std::clamp<size_t>(span.end - lineStart, begin, text.size());

  // The part of a very long line that is shown.
  size_t from = 0, to = text.size();
  if (text.size() > maxExcerptColumns) {
    from = begin > columnsBeforeSpan ? begin - columnsBeforeSpan : 0;
    to = std::min(text.size(), from + maxExcerptColumns);
    while (from > 0 && isContinuationByte(text[from]))
      --from;
    while (to < text.size() && isContinuationByte(text[to]))
      ++to;
  }

  std::string shown = from > 0 ? "..." : "";
  std::string under(shown.size(), ' ');
  unsigned column = 0;
  bool marked = false;
  for (size_t at = from; at < to;) {
    bool inside = at >= begin && at < end;
    size_t start = at;
    char32_t c = decode(text, at);
    unsigned width = cells(c);
    if (c == '\t') {
      width = tabWidth - column % tabWidth;
      shown.append(width, ' ');
    } else if (isPrintable(c)) {
      shown.append(text.substr(start, at - start));
    } else {
      shown += "\uFFFD";
      width = 1;
    }
    column += width;
    for (unsigned i = 0; i < width && start < std::max(end, begin + 1); ++i) {
      bool mark = inside || start == begin;
      under += !mark ? ' ' : marked ? '~' : '^';
      marked |= mark;
    }
  }
  if (to < text.size())
    shown += "...";
  if (!marked)
    under += '^';

  char number[32];
  snprintf(number, sizeof number, "%4u", line);
  std::string blank(std::string_view(number).size(), ' ');
  while (!shown.empty() && shown.back() == ' ')
    shown.pop_back();
  out += std::string(number) + (shown.empty() ? " |" : " | " + shown) + "\n";
  out += blank + " | " + colours.error + under + colours.reset + "\n";
}

void renderMessage(std::string &out, Span span, const char *kind,
                   const char *kindColour, const std::string &message,
                   const Colours &colours) {
  out += colours.bold;
  if (span) {
    LineColumn start = span.start();
    out += span.file->name() + ":" + std::to_string(start.line) + ":" +
           std::to_string(start.column) + ": ";
  }
  out += colours.reset;
  out += kindColour;
  out += kind;
  out += colours.reset;
  out += ": " + message + "\n";
  if (span)
    renderExcerpt(out, span, colours);
}

} // namespace

std::string mapsto::renderDiagnostic(const Diagnostic &diagnostic,
                                     bool colour) {
  Colours colours = coloursFor(colour);
  std::string out;
  bool isError = diagnostic.severity == Severity::Error;
  renderMessage(out, diagnostic.span, isError ? "error" : "warning",
                isError ? colours.error : colours.warning, diagnostic.message,
                colours);
  for (const Diagnostic::Note &note : diagnostic.notes)
    renderMessage(out, note.span, "note", colours.note, note.message, colours);
  if (!diagnostic.hintText.empty())
    out += std::string("  ") + colours.note + "hint" + colours.reset + ": " +
           diagnostic.hintText + "\n";
  return out;
}

std::string DiagnosticEngine::render(bool colour) const {
  // Files in the order in which they were first complained about; within one,
  // the order of its text.
  std::vector<const SourceFile *> files;
  std::vector<std::tuple<size_t, uint32_t, size_t>> order;
  for (size_t i = 0; i < diagnostics.size(); ++i) {
    Span span = diagnostics[i].span;
    size_t rank =
        std::find(files.begin(), files.end(), span.file) - files.begin();
    if (rank == files.size())
      files.push_back(span.file);
    order.emplace_back(rank, span.begin, i);
  }
  std::sort(order.begin(), order.end());
  std::string out;
  for (auto [rank, begin, index] : order)
    out += renderDiagnostic(diagnostics[index], colour);
  if (full())
    out += "stopped after " + std::to_string(maxErrors) + " errors\n";
  return out;
}

void DiagnosticEngine::print() const {
  std::string text = render(isatty(STDERR_FILENO));
  fwrite(text.data(), 1, text.size(), stderr);
}

//===----------------------------------------------------------------------===//
// Suggestions
//===----------------------------------------------------------------------===//

static char lower(char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; }

/// Edits (insert, delete, replace, swap of neighbours) between two names.
static unsigned editDistance(std::string_view a, std::string_view b) {
  std::vector<unsigned> beforeLast(b.size() + 1), last(b.size() + 1),
      row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j)
    last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      bool same = lower(a[i - 1]) == lower(b[j - 1]);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + !same});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
          lower(a[i - 2]) == lower(b[j - 1]))
        row[j] = std::min(row[j], beforeLast[j - 2] + 1);
    }
    beforeLast.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

std::string mapsto::nearestName(std::string_view wanted,
                                const std::vector<std::string> &candidates) {
  constexpr size_t longestName = 100;
  if (wanted.empty() || wanted.size() > longestName)
    return {};
  // A third of the letters may differ; one of a two-letter name.
  unsigned best = std::max<size_t>(1, wanted.size() / 3) + 1;
  std::string nearest;
  for (const std::string &candidate : candidates) {
    if (candidate.size() > longestName || candidate == wanted)
      continue;
    unsigned distance = editDistance(wanted, candidate);
    // One letter is never a misspelling of another.
    bool unrelated =
        distance >= std::min(wanted.size(), candidate.size()) && distance > 0;
    if (distance < best && !unrelated) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::string mapsto::didYouMean(std::string_view wanted,
                               const std::vector<std::string> &candidates) {
  std::string nearest = nearestName(wanted, candidates);
  return nearest.empty() ? "" : "did you mean `" + nearest + "`?";
}
