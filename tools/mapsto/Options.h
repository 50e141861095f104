//===- Options.h - The command line of mapsto -------------------*- C++ -*-===//
//
// One table of commands and one of options: what each takes, which commands
// know it, what --help says. Adding an option is a line there.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_TOOLS_OPTIONS_H
#define MAPSTO_TOOLS_OPTIONS_H

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace mapsto {

/// What a command exits with.
enum ExitCode { kDone = 0, kRunFailed = 1, kBadInput = 2 };

/// The arguments of one command, checked against the tables.
class Arguments {
public:
  std::string command;
  std::vector<std::string> files;
  /// Options for the model itself (--input, --expect, ...), in order, as
  /// runtime/cli.h takes them.
  std::vector<std::string> forwarded;

  bool has(std::string_view option) const { return !all(option).empty(); }
  /// The last value given, or `otherwise`.
  std::string get(std::string_view option, std::string otherwise = "") const;
  const std::vector<std::string> &all(std::string_view option) const;

  std::map<std::string, std::vector<std::string>, std::less<>> values;
};

/// Reads argv[1...]. False, and a line or two in `error`, when it is wrong.
/// `help` options are left to the caller: `has("--help")`.
bool parseArguments(int argc, char **argv, Arguments &arguments,
                    std::string &error);

/// The text of `mapsto help`, or of `mapsto COMMAND --help`.
std::string helpText(std::string_view command = "");
/// The text of `mapsto help onnx`: the ops that are imported.
std::string onnxHelpText();

/// "name=value" of --arg, --dim and their like.
bool splitNamed(const std::string &text, std::string &name, std::string &value);

/// Prints "mapsto: error: ..." to stderr and returns `code`.
int fail(const std::string &message, int code = kBadInput);

} // namespace mapsto

#endif // MAPSTO_TOOLS_OPTIONS_H
