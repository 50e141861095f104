//===- cpu_features.h - does this CPU have what the code needs? -----------===//

#ifndef MAPSTO_RUNTIME_CPU_FEATURES_H
#define MAPSTO_RUNTIME_CPU_FEATURES_H

namespace mapsto::runtime {

/// Whether code that uses the feature, by LLVM's name ("avx2", "fullfp16"),
/// runs here: the CPU has it and the system saves its registers. Features that
/// compiled models cannot use are not in the table and count as present.
bool cpuHas(const char *feature);

} // namespace mapsto::runtime

#endif // MAPSTO_RUNTIME_CPU_FEATURES_H
