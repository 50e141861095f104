//===- SourcePlace.h - Where in the source an op stands ---------*- C++ -*-===//

#ifndef MAPSTO_DIALECT_SOURCEPLACE_H
#define MAPSTO_DIALECT_SOURCEPLACE_H

#include "mlir/IR/Location.h"

#include <string>

namespace mapsto {

/// "model.mto:7:10", or nothing where the source is not known. Without the
/// file's folder: what is compiled is the same wherever the model lies.
std::string placeOf(mlir::Location loc);

} // namespace mapsto

#endif // MAPSTO_DIALECT_SOURCEPLACE_H
