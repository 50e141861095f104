//===- cli_options.h - a command line, taken apart ------------------------===//

#ifndef MAPSTO_RUNTIME_CLI_OPTIONS_H
#define MAPSTO_RUNTIME_CLI_OPTIONS_H

#include "runtime/base.h"

namespace mapsto::runtime {

/// NAME=VALUE of an option; pointers into argv.
struct NamedText {
  const char *name;
  uint32_t nameLength;
  const char *value; ///< null without '='

  bool is(const char *other) const {
    return strlen(other) == nameLength && memcmp(name, other, nameLength) == 0;
  }
};

/// What a machine can do at most, as `mapsto bench` measures it.
struct Limits {
  static constexpr int kMostLevels = 5;
  double flops = 0; ///< a second; 0: not known
  int levels = 0;   ///< of memory, the nearest first
  double bytes[kMostLevels], bandwidth[kMostLevels];

  bool parse(const char *text);
};

struct Options {
  bool help = false, version = false;
  Array<NamedText> inputs, outputs, expects, dims, states, saveStates;
  double rtol = -1, atol = -1; ///< negative: by dtype
  int threads = 0;
  const char *device = nullptr; ///< null: not given
  long repeat = 1;
  bool bench = false;
  long benchRuns = 0; ///< 0: as many as a second takes
  Limits limits;
  const char *profile = nullptr;
};

/// Reads argv[1...]. False, and a line in `error`, when it is wrong.
bool parseOptions(int argc, char **argv, Options &options, String &error);

/// What --help says of the options.
const char *optionsHelp();

/// Adds "; did you mean `x`?" for the nearest of the names, or the list of
/// them all where none is near.
struct Suggestion {
  const char *wanted;
  size_t wantedLength;
  const char *best = nullptr;
  size_t bestDistance = SIZE_MAX;
  String all;

  void offer(const char *name);
  void addTo(String &text, const char *kind) const;
};

} // namespace mapsto::runtime

#endif // MAPSTO_RUNTIME_CLI_OPTIONS_H
