//===- Format.h - The formatter of the language ---------------------------===//

#ifndef MAPSTO_FRONTENDS_LANGUAGE_FORMAT_H
#define MAPSTO_FRONTENDS_LANGUAGE_FORMAT_H

#include "frontends/language/Diagnostics.h"

#include <optional>

namespace mapsto {

/// The file as `mapsto fmt` writes it: two blanks of indentation, lines of at
/// most 100 columns where they can be broken, one statement a line, at most one
/// blank line in a row. Comments stay; `=` signs that were aligned stay
/// aligned; a block on one line stays there while it fits. Only blanks, line
/// breaks and the `;` between statements change. Formatting twice changes
/// nothing more.
///
/// Nothing, with the errors reported, where the file does not parse.
std::optional<std::string> format(const SourceFile &source,
                                  DiagnosticEngine &diagnostics);

} // namespace mapsto

#endif // MAPSTO_FRONTENDS_LANGUAGE_FORMAT_H
