#include "tools/mapsto/Options.h"
#include "frontends/language/Diagnostics.h"
#include "frontends/onnx/Onnx.h"

#include <cstdio>
#include <cstring>
#include <unistd.h>

using namespace mapsto;

namespace {

enum Command : unsigned {
  Compile = 1,
  Run = 2,
  Bench = 4,
  Inspect = 8,
  Verify = 16,
  Fmt = 32,
  Devices = 64,
  Help = 128,
  Import = 256,
  /// Those that read a model file.
  OfModels = Compile | Run | Bench | Inspect | Verify,
  Everywhere = 511
};

struct CommandInfo {
  Command command;
  const char *name;
  const char *usage;
  const char *summary;
  int minFiles, maxFiles;
};

constexpr CommandInfo kCommands[] = {
    {Compile, "compile", "MODEL -o OUT",
     "make an executable, a library or an object of a model", 1, 1},
    {Run, "run", "MODEL|ARTIFACT --input NAME=VALUE ...",
     "run a model file, compiled in memory, or a compiled model", 1, 1},
    {Bench, "bench", "MODEL|ARTIFACT --dim NAME=SIZE ...",
     "time a model: latencies, FLOP/s, bytes/s and share of this machine's "
     "limits, per kernel",
     1, 1},
    {Inspect, "inspect", "MODEL|ARTIFACT",
     "show a model: signature, kernels, memory, or any phase of it", 1, 1},
    {Verify, "verify", "MODEL",
     "compare the compiled model with the interpreter, kernel by kernel", 1, 1},
    {Import, "import", "MODEL -o MODEL.mto",
     "write a model (.onnx) in Mapsto's language, with its weights beside it",
     1, 1},
    {Fmt, "fmt", "FILE...", "format model files in place", 1, 1 << 20},
    {Devices, "devices", "", "show what models can run on here", 0, 0},
    {Help, "help", "[COMMAND|onnx]",
     "show this, a command's options, or the ops of ONNX that are read", 0, 1},
};

enum class Takes { Nothing, Value, MaybeNumber };

struct OptionInfo {
  const char *name;
  unsigned commands;
  Takes takes;
  const char *metavar;
  const char *help;
  bool forwarded = false; ///< to the model's own command line
};

constexpr OptionInfo kOptions[] = {
    {"-o", Compile | Inspect | Import, Takes::Value, "OUT",
     "the file to write"},
    {"--emit", Compile, Takes::Value, "WHAT",
     "exe (default), lib (.so or .a, with a C header), obj, or a phase as "
     "text: graph, optimized, kernels, loops, llvm, asm, glsl, spirv"},
    {"--weights", OfModels | Import, Takes::Value, "FILE",
     ".safetensors, .npz or .npy; random:SEED for made-up ones"},
    {"--weights-output", Import, Takes::Value, "FILE",
     "where to write the weights (default: OUT's name with .safetensors)"},
    {"--quantize", OfModels, Takes::Value, "FORMAT",
     "store matrices in fewer bits: f16, bf16 or int8; compile reports the "
     "error that this causes"},
    {"--model", OfModels | Import, Takes::Value, "NAME",
     "which model of the file (default: the last)"},
    {"--arg", OfModels | Import, Takes::Value, "NAME=VALUE",
     "a parameter of the model: units=24"},
    {"--set", OfModels | Import, Takes::Value, "NAME=VALUE",
     "the value of an ONNX model's input, if a shape depends on it: k=3  "
     "k.npy  k.pb"},
    {"--length", OfModels | Import, Takes::Value, "NAME=N",
     "how many tensors an ONNX model's input has that is a sequence: NAME_0, "
     "...; none for an optional that holds nothing"},
    {"--carry", OfModels | Import, Takes::Value, "OUTPUT=INPUT",
     "keep an output as a state, which is that input of the next run (zeros at "
     "first)"},
    {"--dim", Compile | Import, Takes::Value, "NAME=SIZE",
     "compile for one size of a symbolic dimension: T=128"},
    {"--dim", Inspect | Verify, Takes::Value, "NAME=SIZE",
     "a size to use for a symbolic dimension"},
    {"--sizes", Verify, Takes::Value, "LIST",
     "several settings of the sizes to try: \"B=1,T=5;B=0,T=61\""},
    {"--trials", Verify, Takes::Value, "N",
     "try N random settings of the sizes"},
    {"--seed", Verify, Takes::Value, "SEED", "where --trials starts"},
    {"--threads", Verify, Takes::Value, "N",
     "threads to use (default: runs with 1, 2, 3 and 4, equal to the bit)"},
    {"--device", Verify, Takes::Value, "DEVICE",
     "what to verify: cpu (default), vulkan, vulkan:N, both"},
    {"-I", OfModels | Import, Takes::Value, "FOLDER",
     "also look for imports there"},
    {"--target", OfModels, Takes::Value, "TARGET",
     "what to compile for: cpu (default), vulkan, or both"},
    {"--cpu", OfModels, Takes::Value, "NAME",
     "native, x86-64-v2, x86-64-v3, x86-64-v4, or a CPU by LLVM's name"},
    {"--target-triple", Compile | Inspect, Takes::Value, "TRIPLE",
     "compile for another machine: aarch64-linux-gnu"},
    {"--weights-separate", Compile, Takes::Nothing, "",
     "leave the weights in OUT.weights, to lie beside OUT"},
    {"--static", Compile, Takes::Nothing, "",
     "an executable that needs no shared library at all"},
    {"-O", OfModels, Takes::Value, "LEVEL", "effort, 0 to 3 (default 2)"},
    {"--time", OfModels, Takes::Nothing, "",
     "show where compile time goes, by stage and by kernel"},
    {"--interpret", Run, Takes::Nothing, "",
     "run through the interpreter instead of compiled code"},
    {"--phase", Inspect, Takes::Value, "PHASE",
     "the model as text in that phase: graph, optimized, kernels, loops, llvm, "
     "asm, glsl, spirv"},
    {"--html", Inspect, Takes::Nothing, "",
     "everything as one self-contained page (to -o, or stdout)"},
    {"--check", Fmt, Takes::Nothing, "",
     "change nothing; exit code 1 where a file is not formatted"},
    {"--cpus", Devices, Takes::Nothing, "", "list the names for --cpu"},
    {"--limits", Devices, Takes::Nothing, "",
     "measure what this machine can do at most: arithmetic and reading, by "
     "level of memory"},
    {"--threads", Devices, Takes::Value, "N",
     "threads to measure with (default: one, then one a core)"},
    {"--input", Verify, Takes::Value, "NAME=VALUE",
     "an input; random where none is given"},
    {"--input", Run, Takes::Value, "NAME=VALUE",
     "an input: 1,2,3  [[1],[2]]  random:SEED  @x.npy  @x.npz:NAME", true},
    {"--input", Bench, Takes::Value, "NAME=VALUE",
     "an input, as for `mapsto run`; random where none is given (integers: 0 "
     "and 1)",
     true},
    {"--output", Run, Takes::Value, "NAME[=@FILE]",
     "write an output as .npy, or print only it (default: print all)", true},
    {"--expect", Run, Takes::Value, "NAME=VALUE",
     "compare an output; exit code 1 where it differs", true},
    {"--test-data", Run, Takes::Value, "FOLDER",
     "run an ONNX model on its test data (input_0.pb, output_0.pb, ...), or on "
     "every test_data_set_N in the folder; exit code 1 where an output "
     "differs"},
    {"--rtol", Run, Takes::Value, "R",
     "relative tolerance of --expect and --test-data", true},
    {"--atol", Run, Takes::Value, "A",
     "absolute tolerance of --expect and --test-data", true},
    {"--dim", Run | Bench, Takes::Value, "NAME=SIZE",
     "a symbolic size that no input settles", true},
    {"--state", Run | Bench, Takes::Value, "NAME=VALUE",
     "start from this state instead of zeros", true},
    {"--save-state", Run, Takes::Value, "NAME=@FILE",
     "write a state after the last run", true},
    {"--threads", Run | Bench, Takes::Value, "N",
     "threads to use (default: one a core)", true},
    {"--repeat", Run, Takes::Value, "N", "run N times, keeping the state",
     true},
    {"--bench", Run, Takes::MaybeNumber, "[N]", "time N runs", true},
    {"--runs", Bench, Takes::Value, "N", "how many runs to time"},
    {"--profile", Run | Bench, Takes::Value, "FILE",
     "write a trace for chrome://tracing or ui.perfetto.dev", true},
    {"--device", Run | Bench, Takes::Value, "DEVICE",
     "where to run: cpu or vulkan[:N] (see `mapsto devices`); default: "
     "MAPSTO_DEVICE, else cpu",
     true},
    {"--help", Everywhere, Takes::Nothing, "", "show this"},
};

const CommandInfo *findCommand(std::string_view name) {
  for (const CommandInfo &info : kCommands)
    if (name == info.name)
      return &info;
  return nullptr;
}

const OptionInfo *findOption(std::string_view name, Command command) {
  for (const OptionInfo &info : kOptions)
    if (name == info.name && (info.commands & command))
      return &info;
  return nullptr;
}

/// "-O3" is "-O 3", "-Ifolder" is "-I folder".
bool isAttached(const std::string &text) {
  return text.size() > 2 &&
         (text.rfind("-O", 0) == 0 || text.rfind("-I", 0) == 0 ||
          text.rfind("-o", 0) == 0);
}

bool isNumber(const char *text) {
  return text && *text && text[strspn(text, "0123456789")] == '\0';
}

bool unknownOption(const std::string &name, const CommandInfo &command,
                   std::string &error) {
  std::vector<std::string> names;
  for (const OptionInfo &info : kOptions)
    if (info.commands & command.command)
      names.push_back(info.name);
  std::string elsewhere;
  for (const CommandInfo &other : kCommands)
    if (elsewhere.empty() && findOption(name, other.command))
      elsewhere = other.name;
  error =
      "`mapsto " + std::string(command.name) + "` has no option `" + name + "`";
  std::string near = didYouMean(name, names);
  if (!elsewhere.empty())
    error += "; `mapsto " + elsewhere + "` has it";
  else if (!near.empty())
    error += "; " + near;
  else
    error += "; see `mapsto " + std::string(command.name) + " --help`";
  return false;
}

void addRow(std::string &text, std::string left, std::string right) {
  constexpr size_t kColumn = 27, kWidth = 96;
  text += "  " + left;
  size_t at = left.size() + 2;
  if (at + 2 > kColumn) {
    text += '\n';
    at = 0;
  }
  text.append(kColumn - at, ' ');
  at = kColumn;
  // Words that do not fit begin a new line under the first.
  while (!right.empty()) {
    size_t end = right.find(' ');
    std::string word = right.substr(0, end);
    right = end == std::string::npos ? "" : right.substr(end + 1);
    if (at + 1 + word.size() > kWidth) {
      text += "\n" + std::string(kColumn, ' ');
      at = kColumn;
    }
    text += (at == kColumn ? "" : " ") + word;
    at += word.size() + 1;
  }
  text += '\n';
}

} // namespace

std::string Arguments::get(std::string_view option,
                           std::string otherwise) const {
  const std::vector<std::string> &given = all(option);
  return given.empty() ? otherwise : given.back();
}

const std::vector<std::string> &Arguments::all(std::string_view option) const {
  static const std::vector<std::string> none;
  auto found = values.find(option);
  return found == values.end() ? none : found->second;
}

bool mapsto::parseArguments(int argc, char **argv, Arguments &arguments,
                            std::string &error) {
  std::string first = argc > 1 ? argv[1] : "help";
  if (first == "-h" || first == "--help")
    first = "help";
  if (first == "--version") {
    arguments.command = "version";
    return true;
  }
  const CommandInfo *command = findCommand(first);
  if (!command) {
    std::vector<std::string> names;
    for (const CommandInfo &info : kCommands)
      names.push_back(info.name);
    std::string near = didYouMean(first, names);
    error = "there is no command `" + first + "`; " +
            (near.empty() ? "see `mapsto help`" : near);
    return false;
  }
  arguments.command = command->name;

  for (int i = 2; i < argc; ++i) {
    std::string text = argv[i];
    if (text.empty() || text[0] != '-' || text == "-") {
      arguments.files.push_back(text);
      continue;
    }
    std::string name = text, value;
    bool hasValue = false;
    if (isAttached(text) && text[1] != '-') {
      name = text.substr(0, 2);
      value = text.substr(2);
      hasValue = true;
    } else if (size_t sign = text.find('=');
               sign != std::string::npos && text[1] == '-') {
      name = text.substr(0, sign);
      value = text.substr(sign + 1);
      hasValue = true;
    }
    if (name == "-h")
      name = "--help";
    const OptionInfo *option = findOption(name, command->command);
    if (!option)
      return unknownOption(name, *command, error);
    if (option->takes == Takes::Nothing && hasValue) {
      error = "`" + name + "` takes no value";
      return false;
    }
    if (option->takes == Takes::Value && !hasValue) {
      if (i + 1 == argc) {
        error = "`" + name + "` needs a value: " + name + " " + option->metavar;
        return false;
      }
      value = argv[++i];
      hasValue = true;
    }
    if (option->takes == Takes::MaybeNumber && !hasValue && i + 1 < argc &&
        isNumber(argv[i + 1])) {
      value = argv[++i];
      hasValue = true;
    }
    arguments.values[name].push_back(value);
    if (option->forwarded) {
      arguments.forwarded.push_back(name);
      if (hasValue)
        arguments.forwarded.push_back(value);
    }
  }
  if (arguments.has("--help"))
    return true;
  int files = int(arguments.files.size());
  if (files < command->minFiles || files > command->maxFiles) {
    error = files < command->minFiles
                ? "no file given"
                : "one file too many: `" + arguments.files.back() + "`";
    error += "\nusage: mapsto " + std::string(command->name) + " " +
             command->usage + " [OPTIONS]";
    return false;
  }
  return true;
}

std::string mapsto::helpText(std::string_view name) {
  std::string text;
  if (const CommandInfo *command = findCommand(name)) {
    text += "usage: mapsto " + std::string(command->name) + " " +
            command->usage + " [OPTIONS]\n\n";
    text += command->summary;
    text += "\n\noptions:\n";
    for (const OptionInfo &option : kOptions) {
      if (!(option.commands & command->command))
        continue;
      std::string left = option.name;
      if (*option.metavar)
        left += std::string(" ") + option.metavar;
      addRow(text, left, option.help);
    }
    return text;
  }
  text += "Mapsto compiles sequence models to native code.\n\n"
          "usage: mapsto COMMAND [OPTIONS]\n\ncommands:\n";
  for (const CommandInfo &command : kCommands)
    addRow(text, std::string(command.name) + " " + command.usage,
           command.summary);
  text += "\n`mapsto COMMAND --help` lists a command's options.\n"
          "Exit codes: 0 done; 1 the run failed or a comparison did not hold; "
          "2 the command line or an input was wrong.\n";
  return text;
}

std::string mapsto::onnxHelpText() {
  constexpr size_t kWidth = 96;
  std::string text = "ONNX ops that are imported, of operator sets 9 and "
                     "newer:\n\n",
              line = " ";
  for (const std::string &op : onnxOps()) {
    if (line.size() + 1 + op.size() > kWidth) {
      text += line + '\n';
      line = " ";
    }
    line += " " + op;
  }
  return text + line +
         "\n\nA model's own functions are inlined. Model files of older "
         "operator sets are read as far\nas their ops mean the same.\n";
}

bool mapsto::splitNamed(const std::string &text, std::string &name,
                        std::string &value) {
  size_t sign = text.find('=');
  if (sign == std::string::npos || sign == 0 || sign + 1 == text.size())
    return false;
  name = text.substr(0, sign);
  value = text.substr(sign + 1);
  return true;
}

int mapsto::fail(const std::string &message, int code) {
  bool colour = isatty(STDERR_FILENO);
  fprintf(stderr, "%smapsto: error:%s %s\n", colour ? "\033[1;31m" : "",
          colour ? "\033[0m" : "", message.c_str());
  return code;
}
