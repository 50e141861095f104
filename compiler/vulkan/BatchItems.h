//===- BatchItems.h - Recurrences of a batch whose items are apart -*- C++ -*-//

#ifndef MAPSTO_COMPILER_VULKAN_BATCHITEMS_H
#define MAPSTO_COMPILER_VULKAN_BATCHITEMS_H

#include "dialect/MapstoDialect.h"

namespace mapsto {

/// The first axis of all that a scan carries and yields, if its body computes
/// each of their items from the same item of what the body has: then every item
/// can have a workgroup of its own.
std::optional<Dim> independentItems(ScanOp op);

} // namespace mapsto

#endif // MAPSTO_COMPILER_VULKAN_BATCHITEMS_H
