//===- Carry.h - Outputs that are the next run's inputs ---------*- C++ -*-===//

#ifndef MAPSTO_TOOLS_CARRY_H
#define MAPSTO_TOOLS_CARRY_H

#include "tools/mapsto/Load.h"

namespace mapsto {

/// `--carry OUTPUT=INPUT`: both are a state of the model from here on, by the
/// input's name: zero at first, then what the run before made. False, with the
/// reason in `error`, where there are no such two of one type.
bool carryStates(Model &model, const Arguments &arguments, std::string &error);

} // namespace mapsto

#endif // MAPSTO_TOOLS_CARRY_H
