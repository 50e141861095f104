// mapsto, the driver: see Options.cpp for the commands and their options.
#include "runtime/mapsto.h"
#include "tools/mapsto/Commands.h"

#include <cstdio>

using namespace mapsto;

using Function = int (*)(const Arguments &, const char *program);

static constexpr struct {
  const char *name;
  Function run;
} kFunctions[] = {
    {"compile", compileCommand}, {"run", runCommand},
    {"bench", benchCommand},     {"inspect", inspectCommand},
    {"verify", verifyCommand},   {"import", importCommand},
    {"fmt", fmtCommand},         {"devices", devicesCommand},
};

int main(int argc, char **argv) {
  Arguments arguments;
  std::string error;
  if (!parseArguments(argc, argv, arguments, error))
    return fail(error);
  if (arguments.command == "version") {
    printf("mapsto %s\n", mapsto_version());
    return kDone;
  }
  if (arguments.command == "help" || arguments.has("--help")) {
    std::string topic = arguments.command == "help"
                            ? arguments.files.empty() ? "" : arguments.files[0]
                            : arguments.command;
    fputs((topic == "onnx" ? onnxHelpText() : helpText(topic)).c_str(), stdout);
    return kDone;
  }
  for (const auto &[name, run] : kFunctions)
    if (arguments.command == name)
      return run(arguments, argv[0]);
  return kBadInput;
}
