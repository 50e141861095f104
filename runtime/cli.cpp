#include "runtime/cli.h"

#include "runtime/cli_report.h"
#include "runtime/expr.h"
#include "runtime/session.h"

#include <errno.h>

using namespace mapsto::runtime;

namespace {

enum Exit { kDone = 0, kFailed = 1, kWrong = 2 };

int exitCode(mapsto_status status) {
  switch (status) {
  case MAPSTO_OK:
    return kDone;
  case MAPSTO_INVALID:
  case MAPSTO_BAD_ARTIFACT:
    return kWrong;
  default:
    return kFailed;
  }
}

bool endsWith(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n >= m && equal(text + n - m, end);
}

/// A value the command line gives for an input or a state, or expects of an
/// output.
struct Given {
  mapsto_role role;
  uint32_t index;
  const char *text; ///< null: not given
  Value value;
  String made; ///< what a benchmark gives instead
};

/// One invocation. Every step returns an exit code, with its error printed.
struct Command {
  mapsto_artifact &artifact;
  const Manifest &m;
  Options options;
  mapsto_session *session = nullptr;
  Array<int64_t> symbols; ///< kNoValue: not known yet
  Fixed<Given> inputs, states, expects;
  String error;

  ~Command() { mapsto_session_free(session); }

  __attribute__((format(printf, 3, 4))) int complain(Exit code,
                                                     const char *format, ...) {
    fputs("error: ", stderr);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return code;
  }
  int complain(mapsto_status status) {
    return status ? complain(Exit(exitCode(status)), "%s",
                             mapsto_session_error(session))
                  : kDone;
  }

  //===--- Names
  //-----------------------------------------------------------===//

  /// Finds the tensor that an option names.
  int find(mapsto_role role, const NamedText &named, const char *kind,
           const char *plural, uint32_t &index) {
    Suggestion suggestion{named.name, named.nameLength, nullptr, SIZE_MAX, {}};
    for (size_t i = 0; i < mapsto_count(&artifact, role); ++i) {
      mapsto_signature s;
      mapsto_describe(&artifact, role, i, &s);
      if (named.is(s.name)) {
        index = uint32_t(i);
        return kDone;
      }
      suggestion.offer(s.name);
    }
    String text;
    text.addf("`%s` has no %s `%.*s`", mapsto_model_name(&artifact), kind,
              int(named.nameLength), named.name);
    suggestion.addTo(text, plural);
    return complain(kWrong, "%s", text.c_str());
  }

  int setDims() {
    for (const NamedText &dim : options.dims) {
      Suggestion suggestion{dim.name, dim.nameLength, nullptr, SIZE_MAX, {}};
      uint32_t symbol = kNone;
      for (uint32_t i = 0; i < m.symbols.count; ++i) {
        if (dim.is(m.text(m.symbols[i].name)))
          symbol = i;
        suggestion.offer(m.text(m.symbols[i].name));
      }
      if (symbol == kNone) {
        String text;
        text.addf("`%s` has no symbolic size `%.*s`",
                  mapsto_model_name(&artifact), int(dim.nameLength), dim.name);
        suggestion.addTo(text, "symbolic sizes");
        return complain(kWrong, "%s", text.c_str());
      }
      char *end;
      errno = 0;
      long long value = strtoll(dim.value, &end, 10);
      if (end == dim.value || *end || errno || value < 0)
        return complain(kWrong, "--dim %s needs a size, not `%s`",
                        m.text(m.symbols[symbol].name), dim.value);
      symbols[symbol] = value;
      if (mapsto_status status = mapsto_session_set_dim(
              session, m.text(m.symbols[symbol].name), value))
        return complain(status);
    }
    return kDone;
  }

  //===--- Values
  //----------------------------------------------------------===//

  const TensorRecord &record(const Given &given) const {
    return given.role == MAPSTO_INPUT    ? m.inputs[given.index]
           : given.role == MAPSTO_OUTPUT ? m.outputs[given.index]
                                         : m.states[given.index];
  }

  bool unknown(const Given &given, uint32_t symbol) const {
    for (uint32_t dim : m.list(record(given).dims))
      if (symbols[symbol] == kNoValue && mentions(m, dim, symbol))
        return true;
    return false;
  }

  /// What is known of a tensor's shape so far.
  WantedShape wantedShape(const Given &given) const {
    WantedShape wanted;
    Records<uint32_t> dims = m.list(record(given).dims);
    wanted.rank = int(dims.count);
    for (uint32_t axis = 0; axis < dims.count; ++axis) {
      int64_t &size = wanted.dims[axis];
      size = 0;
      for (uint32_t i = 0; i < m.symbols.count; ++i)
        if (symbols[i] == kNoValue && mentions(m, dims[axis], i))
          size = WantedShape::kAny;
      if (size == 0 &&
          evaluate(m, dims[axis], symbols.data(), size) != ExprError::None)
        size = WantedShape::kAny;
    }
    return wanted;
  }

  /// All --dim options that are missing at once.
  int complainOfSizes(const Given &given, const char *kind) {
    String missing;
    for (uint32_t i = 0; i < m.symbols.count; ++i) {
      bool needed = unknown(given, i);
      for (Given &other : inputs)
        needed |= other.text && needsShape(other.text) && unknown(other, i);
      if (needed)
        missing.addf(" --dim %s=16", m.text(m.symbols[i].name));
    }
    return complain(kWrong, "%s `%s` is %s, so `%s` needs%s", kind,
                    m.text(record(given).name),
                    artifact.types[given.role][given.index].c_str(), given.text,
                    missing.c_str());
  }

  void learnSymbols(const Given &given) {
    Records<uint32_t> dims = m.list(record(given).dims);
    for (uint32_t axis = 0; axis < dims.count; ++axis) {
      uint32_t symbol = soleSymbol(m, dims[axis]);
      if (symbol != kNone && symbols[symbol] == kNoValue &&
          int(axis) < given.value.shape.rank)
        symbols[symbol] = given.value.shape.dims[axis];
    }
  }

  int read(Given &given, const char *kind) {
    const TensorRecord &r = record(given);
    const char *name = m.text(r.name);
    WantedShape wanted = wantedShape(given);
    if (needsShape(given.text))
      for (uint32_t i = 0; i < m.symbols.count; ++i)
        if (unknown(given, i))
          return complainOfSizes(given, kind);
    bool expected = given.role == MAPSTO_OUTPUT;
    given.value.dtype = mapsto_dtype(r.dtype);
    bool good = expected && *given.text == '@'
                    ? readFile(given.text, name, given.value, error)
                    : readValue(given.text, name, mapsto_dtype(r.dtype), wanted,
                                given.value, error);
    if (!good)
      return complain(kWrong, "%s `%s` (%s): %s", kind, name,
                      artifact.types[given.role][given.index].c_str(),
                      error.c_str());
    learnSymbols(given);
    return kDone;
  }

  /// Files say their shapes; lists say them with what files have told; zeros
  /// and random numbers need them all.
  static int pass(const char *text) {
    return *text == '@' ? 0 : needsShape(text) ? 2 : 1;
  }

  int readAll() {
    for (int now = 0; now < 3; ++now) {
      for (Given &given : inputs)
        if (given.text && pass(given.text) == now)
          if (int code = read(given, "input"))
            return code;
      for (Given &given : states)
        if (given.text && pass(given.text) == now)
          if (int code = read(given, "state"))
            return code;
      if (now == 1) // what is still open takes its default
        for (uint32_t i = 0; i < m.symbols.count; ++i)
          if (symbols[i] == kNoValue && m.symbols[i].defaultValue >= 0)
            symbols[i] = m.symbols[i].defaultValue;
    }
    return kDone;
  }

  int collect(Fixed<Given> &all, mapsto_role role,
              const Array<NamedText> &named, const char *kind,
              const char *plural) {
    if (!all.create(mapsto_count(&artifact, role)))
      return complain(kFailed, "out of memory");
    for (uint32_t i = 0; i < all.size(); ++i) {
      all[i].role = role;
      all[i].index = i;
    }
    for (const NamedText &n : named) {
      uint32_t index;
      if (int code = find(role, n, kind, plural, index))
        return code;
      if (all[index].text)
        return complain(kWrong, "%s `%.*s` is given twice", kind,
                        int(n.nameLength), n.name);
      all[index].text = n.value;
    }
    return kDone;
  }

  mapsto_status writeStates() {
    for (Given &given : states)
      if (given.text)
        if (mapsto_status status = mapsto_session_write_state(
                session, given.index, given.value.dtype, given.value.shape.dims,
                given.value.shape.rank, given.value.data))
          return status;
    return MAPSTO_OK;
  }

  /// Random numbers for the inputs that a benchmark is not given, and a line
  /// that says which. Integers are 0 and 1: the most that every table of rows
  /// and every count allows.
  String makeInputs() {
    String line;
    for (Given &given : inputs) {
      if (given.text)
        continue;
      const TensorRecord &r = record(given);
      given.made.addf("random:%u%s", given.index + 1,
                      isFloat(mapsto_dtype(r.dtype)) ? "" : ":2");
      given.text = given.made.c_str();
      line.addf(" %s=%s", m.text(r.name), given.text);
    }
    return line;
  }

  int bindInputs() {
    String made;
    if (options.bench)
      made = makeInputs();
    for (Given &given : inputs) {
      if (!given.text) {
        const char *name = m.text(m.inputs[given.index].name);
        return complain(kWrong,
                        "input `%s` (%s) is missing: give it with --input "
                        "%s=VALUE (see --help)",
                        name, artifact.types[MAPSTO_INPUT][given.index].c_str(),
                        name);
      }
    }
    if (int code = readAll())
      return code;
    if (!made.empty())
      printf("inputs  %s\n", made.c_str());
    for (Given &given : inputs)
      if (mapsto_status status = mapsto_session_bind_input(
              session, given.index, given.value.dtype, given.value.shape.dims,
              given.value.shape.rank, given.value.data))
        return complain(status);
    return complain(writeStates());
  }

  /// Before the run, so that a bad reference costs nothing. `symbols` becomes
  /// what the session has settled.
  int readExpectations() {
    if (mapsto_status status = settle(*session))
      return complain(status);
    for (uint32_t i = 0; i < m.symbols.count; ++i)
      symbols[i] = session->symbols[i];
    for (Given &given : expects)
      if (given.text)
        if (int code = read(given, "expected output"))
          return code;
    return kDone;
  }

  //===--- Results
  //---------------------------------------------------------===//

  int checkExpectations() {
    int code = kDone;
    for (Given &given : expects) {
      if (!given.text)
        continue;
      mapsto_tensor tensor;
      if (mapsto_status status =
              mapsto_session_output(session, given.index, &tensor))
        return complain(status);
      Tolerance tolerance = defaultTolerance(tensor.dtype, given.value);
      if (options.rtol >= 0)
        tolerance.relative = options.rtol;
      if (options.atol >= 0)
        tolerance.absolute = options.atol;
      String line;
      bool good = compare(m.text(m.outputs[given.index].name), tensor,
                          given.value, tolerance, line);
      fprintf(good ? stdout : stderr, "%s%s\n",
              good ? "" : "error: ", line.c_str());
      if (!good)
        code = kFailed;
    }
    return code;
  }

  /// A tensor that goes to a file or to stdout.
  struct Result {
    mapsto_role role;
    uint32_t index;
    const char *path; ///< null: print
  };

  int chooseResults(Array<Result> &results) {
    auto choose = [&](mapsto_role role, const Array<NamedText> &named,
                      const char *kind, const char *plural) -> int {
      for (const NamedText &n : named) {
        uint32_t index;
        if (int code = find(role, n, kind, plural, index))
          return code;
        bool file = n.value && *n.value == '@' && n.value[1];
        if (n.value && !file && !equal(n.value, "-"))
          return complain(kWrong,
                          "--%s %.*s needs @FILE, or - to print it, not `%s`",
                          role == MAPSTO_OUTPUT ? "output" : "save-state",
                          int(n.nameLength), n.name, n.value);
        if (file && endsWith(n.value, ".npz"))
          return complain(kWrong, "%s: tensors are written one a file, as .npy",
                          n.value + 1);
        results.push({role, index, file ? n.value + 1 : nullptr});
      }
      return kDone;
    };
    if (int code = choose(MAPSTO_OUTPUT, options.outputs, "output", "outputs"))
      return code;
    if (options.outputs.empty() && options.expects.empty())
      for (uint32_t i = 0; i < m.outputs.count; ++i)
        results.push({MAPSTO_OUTPUT, i, nullptr});
    return choose(MAPSTO_STATE, options.saveStates, "state", "states");
  }

  /// Writes every file under another name first and renames them at the end.
  int giveResults(const Array<Result> &results) {
    Fixed<OutputFile> files;
    if (!files.create(results.size()))
      return complain(kFailed, "out of memory");
    for (size_t i = 0; i < results.size(); ++i) {
      const Result &r = results[i];
      mapsto_tensor tensor;
      mapsto_status status =
          r.role == MAPSTO_OUTPUT
              ? mapsto_session_output(session, r.index, &tensor)
              : mapsto_session_read_state(session, r.index, &tensor);
      if (status)
        return complain(status);
      const TensorRecord &record =
          r.role == MAPSTO_OUTPUT ? m.outputs[r.index] : m.states[r.index];
      if (!r.path)
        printTensor(stdout, m.text(record.name), tensor);
      else if (!writeNpy(files[i], r.path, tensor, error))
        return complain(kWrong, "%s", error.c_str());
    }
    for (size_t i = 0; i < results.size(); ++i)
      if (results[i].path && !files[i].commit(error))
        return complain(kWrong, "%s", error.c_str());
    return kDone;
  }

  //===--- The whole
  //-------------------------------------------------------===//

  static mapsto_status restore(void *user) {
    Command &command = *static_cast<Command *>(user);
    mapsto_session_reset(command.session);
    return command.writeStates();
  }

  int runModel(Profile &profile) {
    if (options.bench)
      return complain(
          bench(artifact, *session, options, profile, restore, this));
    if (options.profile)
      mapsto_session_on_step(session, Profile::onStep, &profile);
    for (long i = 0; i < options.repeat; ++i)
      if (mapsto_status status = mapsto_session_run(session))
        return complain(status);
    return kDone;
  }

  int run(int argc, char **argv) {
    if (!parseOptions(argc, argv, options, error))
      return complain(kWrong, "%s", error.c_str());
    if (options.help) {
      printHelp(artifact, argc ? argv[0] : mapsto_model_name(&artifact));
      return kDone;
    }
    if (options.version) {
      printf("%s, compiled by Mapsto %s for %s\n", mapsto_model_name(&artifact),
             mapsto_version(), m.text(m.header().triple));
      return kDone;
    }
    if (mapsto_session_create(&artifact, &session))
      return complain(kFailed, "%s", mapsto_last_error());
    mapsto_session_set_threads(session, options.threads);
    if (mapsto_status status = chooseDevice(*session, options.device))
      return complain(status);
    for (uint32_t i = 0; i < m.symbols.count; ++i)
      symbols.push(kNoValue);

    Array<Result> results;
    if (int code = setDims())
      return code;
    if (int code =
            collect(inputs, MAPSTO_INPUT, options.inputs, "input", "inputs"))
      return code;
    if (int code =
            collect(states, MAPSTO_STATE, options.states, "state", "states"))
      return code;
    if (int code = collect(expects, MAPSTO_OUTPUT, options.expects, "output",
                           "outputs"))
      return code;
    if (int code = chooseResults(results))
      return code;
    if (int code = bindInputs())
      return code;
    if (int code = readExpectations())
      return code;

    Profile profile;
    if (int code = runModel(profile))
      return code;
    int verdict = kDone;
    if (!options.bench) {
      verdict = checkExpectations();
      if (int code = giveResults(results))
        return code;
    }
    if (options.profile &&
        !writeTrace(artifact, profile, options.profile, error))
      return complain(kWrong, "%s", error.c_str());
    return verdict;
  }
};

} // namespace

int mapsto_cli_artifact(mapsto_artifact *artifact, int argc, char **argv) {
  int code;
  {
    Command command{*artifact, artifact->manifest, {}, nullptr, {}, {}, {}, {},
                    {}};
    code = command.run(argc, argv);
  }
  if (fflush(stdout) != 0 || ferror(stdout)) {
    fprintf(stderr, "error: cannot write the results: %s\n", strerror(errno));
    return code ? code : kFailed;
  }
  return code;
}

int mapsto_cli_main(const mapsto_image *image, int argc, char **argv) {
  mapsto_artifact *artifact;
  if (mapsto_status status =
          mapsto_artifact_from_image(image, nullptr, &artifact)) {
    fprintf(stderr, "error: %s\n", mapsto_last_error());
    return exitCode(status);
  }
  int code = mapsto_cli_artifact(artifact, argc, argv);
  mapsto_artifact_close(artifact);
  return code;
}
