//===- expr.h - values of size expressions --------------------------------===//

#ifndef MAPSTO_RUNTIME_EXPR_H
#define MAPSTO_RUNTIME_EXPR_H

#include "runtime/manifest.h"

namespace mapsto::runtime {

enum class ExprError { None, Overflow, DivisionByZero };

/// The value of expression `id` where symbol i is `symbols[i]`. `id` must be
/// in range, as every id in an opened manifest is.
ExprError evaluate(const Manifest &manifest, uint32_t id,
                   const int64_t *symbols, int64_t &value);

/// The symbol that expression `id` is, all by itself; else kNone.
uint32_t soleSymbol(const Manifest &manifest, uint32_t id);

/// Whether the expression's value depends on the symbol.
bool mentions(const Manifest &manifest, uint32_t id, uint32_t symbol);

} // namespace mapsto::runtime

#endif // MAPSTO_RUNTIME_EXPR_H
