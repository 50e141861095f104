//===- Diagnostics.h - Source files, spans and error messages -------------===//
//
// What every stage of the language frontend uses to talk to the person who
// wrote a model: where something is (`Span`), what is wrong with it
// (`Diagnostic`), and how that is printed. Plain C++, no LLVM.
//
//   diagnostics.error(span, "`x` is f32[B, 16], and `fc` takes f32[..., 64]")
//       .note(other, "`fc` is declared here")
//       .hint("...");
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_FRONTENDS_LANGUAGE_DIAGNOSTICS_H
#define MAPSTO_FRONTENDS_LANGUAGE_DIAGNOSTICS_H

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mapsto {

/// A line and a column, both counted from 1; columns count code points.
struct LineColumn {
  unsigned line = 0;
  unsigned column = 0;
};

/// The text of one file and where its lines begin. Immovable: spans point here.
class SourceFile {
public:
  SourceFile(std::string name, std::string text);
  SourceFile(const SourceFile &) = delete;
  SourceFile &operator=(const SourceFile &) = delete;

  const std::string &name() const { return fileName; }
  std::string_view text() const { return contents; }
  size_t size() const { return contents.size(); }
  unsigned lineCount() const { return lineStarts.size(); }

  /// The line (from 1) that holds byte `offset`; offsets past the end give the
  /// last line.
  unsigned lineOf(size_t offset) const;
  LineColumn locate(size_t offset) const;
  /// Byte offset of the first character of `line` (from 1).
  size_t lineStart(unsigned line) const { return lineStarts[line - 1]; }
  /// The text of `line` (from 1) without its newline.
  std::string_view lineText(unsigned line) const;

private:
  std::string fileName;
  std::string contents;
  std::vector<size_t> lineStarts;
};

/// Bytes [begin, end) of a file. A default span means "nowhere".
struct Span {
  const SourceFile *file = nullptr;
  uint32_t begin = 0;
  uint32_t end = 0;

  explicit operator bool() const { return file != nullptr; }
  std::string_view text() const {
    return file ? file->text().substr(begin, end - begin) : std::string_view();
  }
  LineColumn start() const { return file ? file->locate(begin) : LineColumn(); }
  /// The smallest span that covers both; either may be nowhere.
  Span to(Span other) const {
    if (!file)
      return other;
    if (!other.file)
      return *this;
    return {file, begin < other.begin ? begin : other.begin,
            end > other.end ? end : other.end};
  }
};

/// Owns every source file of one compilation.
class SourceManager {
public:
  /// Registers `text` under `name` (as messages show it). The reference stays
  /// valid.
  const SourceFile &add(std::string name, std::string text);
  /// Reads `path`; null, with `error` set to one line, where it cannot be read
  /// or is larger than a source file may be (64 MiB).
  const SourceFile *open(const std::string &path, std::string &error);
  /// The file registered under `name`, or null.
  const SourceFile *find(std::string_view name) const;

private:
  std::vector<std::unique_ptr<SourceFile>> files;
};

enum class Severity { Error, Warning };

/// One message. Everything but `message` may be empty.
struct Diagnostic {
  struct Note {
    Span span;
    std::string message;
  };

  Severity severity = Severity::Error;
  Span span;
  std::string message;
  std::vector<Note> notes;
  std::string hintText;

  Diagnostic &note(Span where, std::string text) {
    notes.push_back({where, std::move(text)});
    return *this;
  }
  Diagnostic &hint(std::string text) {
    hintText = std::move(text);
    return *this;
  }
};

/// Collects all messages of a compilation. After `maxErrors` errors it keeps
/// counting no further and `full()` tells the stages to stop.
class DiagnosticEngine {
public:
  static constexpr unsigned maxErrors = 20;

  /// The reference is good until the engine dies, so notes can be chained on.
  Diagnostic &error(Span span, std::string message);
  Diagnostic &warning(Span span, std::string message);

  bool hasErrors() const { return errors != 0; }
  unsigned errorCount() const { return errors; }
  bool full() const { return errors >= maxErrors; }
  const std::deque<Diagnostic> &all() const { return diagnostics; }

  /// All messages, each file's in the order of its text, with source excerpts.
  /// `colour` adds ANSI escapes.
  std::string render(bool colour = false) const;
  /// Renders to standard error, coloured where that is a terminal.
  void print() const;

private:
  std::deque<Diagnostic> diagnostics;
  /// Where errors beyond the limit go.
  Diagnostic discarded;
  unsigned errors = 0;
};

/// One message as `render` shows it, ending in a newline.
std::string renderDiagnostic(const Diagnostic &diagnostic, bool colour = false);

/// The one of `candidates` that is spelled most like `wanted` (edit distance,
/// case ignored), or empty where none is near enough to be what was meant.
std::string nearestName(std::string_view wanted,
                        const std::vector<std::string> &candidates);

/// "did you mean `X`?" with the nearest name, or empty.
std::string didYouMean(std::string_view wanted,
                       const std::vector<std::string> &candidates);

} // namespace mapsto

#endif // MAPSTO_FRONTENDS_LANGUAGE_DIAGNOSTICS_H
