//===- Parser.h - From text to the syntax tree ----------------------------===//

#ifndef MAPSTO_FRONTENDS_LANGUAGE_PARSER_H
#define MAPSTO_FRONTENDS_LANGUAGE_PARSER_H

#include "frontends/language/AST.h"

namespace mapsto {

/// Parses a whole file. Never null and never throws: what could not be read is
/// reported to `diagnostics` and left out, so that later stages may go on to
/// report more; they must not compile anything once `hasErrors()`.
std::unique_ptr<ast::File> parse(const SourceFile &source,
                                 DiagnosticEngine &diagnostics);

/// Parses one expression, as given on a command line (`--arg units=2*12`).
/// Null, with an error reported, where the text is not one expression.
ast::ExprPtr parseExpression(const SourceFile &source,
                             DiagnosticEngine &diagnostics);

} // namespace mapsto

#endif // MAPSTO_FRONTENDS_LANGUAGE_PARSER_H
