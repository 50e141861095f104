//===- cli_report.h - what the command line says of tensors and times -----===//

#ifndef MAPSTO_RUNTIME_CLI_REPORT_H
#define MAPSTO_RUNTIME_CLI_REPORT_H

#include "runtime/artifact.h"
#include "runtime/cli_options.h"
#include "runtime/values.h"

namespace mapsto::runtime {

/// Prints a tensor as NumPy does, large ones with their middle left out.
void printTensor(FILE *to, const char *name, const mapsto_tensor &tensor);

struct Tolerance {
  double relative, absolute;
};
/// What rounding may do in a model of ordinary depth, by the elements' type.
/// An element is a sum of terms of the tensor's magnitude, whatever its own:
/// the absolute part grows with the largest expected number.
Tolerance defaultTolerance(mapsto_dtype dtype, const Value &expected);

/// Compares an output with what was expected, of any dtype: integers exactly,
/// floats by the tolerance; NaN agrees with NaN only. Adds one line that says
/// how far they are apart, and where.
bool compare(const char *name, const mapsto_tensor &got, const Value &expected,
             Tolerance tolerance, String &line);

/// Collects the launches of runs: for a trace, or summed by kernel.
struct Profile {
  Array<mapsto_step_time> steps;
  static void onStep(void *user, const mapsto_step_time *time) {
    static_cast<Profile *>(user)->steps.push(*time);
  }
};

/// Writes the launches in the Chrome trace format.
bool writeTrace(const mapsto_artifact &artifact, const Profile &profile,
                const char *path, String &error);

/// Times runs of a session whose inputs are bound and prints latencies and
/// rates, of the whole and of each kernel, and where the machine's limits are
/// known the share of them. `restore` puts the state back before every run,
/// outside the timing. `profile` gets the launches of the last runs.
mapsto_status bench(mapsto_artifact &artifact, mapsto_session &session,
                    const Options &options, Profile &profile,
                    mapsto_status (*restore)(void *), void *user);

/// Puts the session where --device says (null: not given), else MAPSTO_DEVICE,
/// else where the model was compiled for, the CPU first. Where `vulkan` is
/// asked for and this machine has none, that is the CPU, and a line on stderr
/// says so; a device of a number has to be there.
mapsto_status chooseDevice(mapsto_session &session, const char *option);

/// Prints the model's signature and the options.
void printHelp(const mapsto_artifact &artifact, const char *program);

} // namespace mapsto::runtime

#endif // MAPSTO_RUNTIME_CLI_REPORT_H
