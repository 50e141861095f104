list(APPEND compiler_sources
  graph/AnnotateCosts.cpp
  graph/Batching.cpp
  graph/ExpandRecurrences.cpp
  graph/ExpandSoftmax.cpp
  graph/FormKernels.cpp
  graph/Grouping.cpp
  graph/HoistFromAttention.cpp
  graph/HoistFromScan.cpp
  graph/Hoisting.cpp
  graph/MaskBounds.cpp
  graph/NoteSizeChecks.cpp
  graph/PackWeights.cpp
  graph/PlaceSideBySide.cpp
  graph/QuantizeWeights.cpp
  graph/WidenWeights.cpp
)
