//===- Commands.h - One function a command ----------------------*- C++ -*-===//
//
// Each takes its checked arguments and returns the exit code, with its errors
// printed. `program` is argv[0].
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_TOOLS_COMMANDS_H
#define MAPSTO_TOOLS_COMMANDS_H

#include "tools/mapsto/Options.h"

namespace mapsto {

int compileCommand(const Arguments &arguments, const char *program);
int runCommand(const Arguments &arguments, const char *program);
int benchCommand(const Arguments &arguments, const char *program);
int inspectCommand(const Arguments &arguments, const char *program);
int verifyCommand(const Arguments &arguments, const char *program);
int importCommand(const Arguments &arguments, const char *program);
int fmtCommand(const Arguments &arguments, const char *program);
int devicesCommand(const Arguments &arguments, const char *program);

} // namespace mapsto

#endif // MAPSTO_TOOLS_COMMANDS_H
