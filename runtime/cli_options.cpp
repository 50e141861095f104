#include "runtime/cli_options.h"

namespace mapsto::runtime {

namespace {

enum class Takes : uint8_t { Nothing, Text, Named, MaybeNumber };

/// The name lies inside: a pointer would cost an executable a relocation each.
struct OptionKind {
  char name[15];
  Takes takes;
};

constexpr OptionKind kOptions[] = {
    {"--input", Takes::Named},       {"--output", Takes::Named},
    {"--expect", Takes::Named},      {"--dim", Takes::Named},
    {"--state", Takes::Named},       {"--save-state", Takes::Named},
    {"--rtol", Takes::Text},         {"--atol", Takes::Text},
    {"--threads", Takes::Text},      {"--repeat", Takes::Text},
    {"--bench", Takes::MaybeNumber}, {"--profile", Takes::Text},
    {"--limits", Takes::Text},       {"--device", Takes::Text},
    {"--help", Takes::Nothing},      {"-h", Takes::Nothing},
    {"--version", Takes::Nothing},
};

bool fail(String &error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool fail(String &error, const char *format, ...) {
  error.clear();
  va_list args;
  va_start(args, format);
  error.vaddf(format, args);
  va_end(args);
  return false;
}

bool parseCount(const char *option, const char *text, long least, long &count,
                String &error) {
  char *end;
  count = strtoll(text, &end, 10);
  if (end != text && !*end && count >= least && count <= 1'000'000'000)
    return true;
  return fail(error, "%s needs a number of at least %ld, not `%s`", option,
              least, text);
}

bool parseTolerance(const char *option, const char *text, double &value,
                    String &error) {
  char *end;
  value = strtod(text, &end);
  if (end != text && !*end && value >= 0)
    return true;
  return fail(error, "%s needs a number of at least 0, not `%s`", option, text);
}

bool apply(const char *option, const char *value, Options &o, String &error) {
  auto is = [&](const char *name) { return equal(option, name); };
  auto named = [&](Array<NamedText> &list, bool needsValue) {
    const char *sign = strchr(value, '=');
    if ((!sign && needsValue) || sign == value || !*value)
      return fail(error, "%s needs NAME=VALUE, not `%s`", option, value);
    size_t length = sign ? size_t(sign - value) : strlen(value);
    list.push({value, uint32_t(length), sign ? sign + 1 : nullptr});
    return true;
  };
  if (is("--input"))
    return named(o.inputs, true);
  if (is("--output"))
    return named(o.outputs, false);
  if (is("--expect"))
    return named(o.expects, true);
  if (is("--dim"))
    return named(o.dims, true);
  if (is("--state"))
    return named(o.states, true);
  if (is("--save-state"))
    return named(o.saveStates, true);
  if (is("--rtol"))
    return parseTolerance(option, value, o.rtol, error);
  if (is("--atol"))
    return parseTolerance(option, value, o.atol, error);
  if (is("--repeat"))
    return parseCount(option, value, 1, o.repeat, error);
  if (is("--threads")) {
    long threads;
    if (!parseCount(option, value, 1, threads, error))
      return false;
    o.threads = int(threads);
    return true;
  }
  if (is("--bench")) {
    o.bench = true;
    return !value || parseCount(option, value, 1, o.benchRuns, error);
  }
  if (is("--profile")) {
    o.profile = value;
    return true;
  }
  if (is("--limits"))
    return o.limits.parse(value) ||
           fail(error, "%s needs FLOP/S,BYTES:BYTES/S,..., not `%s`", option,
                value);
  if (is("--device")) {
    o.device = value;
    return true;
  }
  if (is("--version"))
    return o.version = true;
  return o.help = true;
}

bool allDigits(const char *text) {
  if (!text || !*text)
    return false;
  return text[strspn(text, "0123456789")] == '\0';
}

} // namespace

bool Limits::parse(const char *text) {
  auto take = [&](char before, double &number) {
    if (before && *text++ != before)
      return false;
    char *end;
    number = strtod(text, &end);
    bool good = end != text && number > 0;
    text = end;
    return good;
  };
  if (!take('\0', flops))
    return false;
  for (levels = 0; *text && levels < kMostLevels; ++levels)
    if (!take(',', bytes[levels]) || !take(':', bandwidth[levels]))
      return false;
  return levels && !*text;
}

bool parseOptions(int argc, char **argv, Options &options, String &error) {
  for (int i = 1; i < argc; ++i) {
    const char *argument = argv[i];
    const char *sign =
        strncmp(argument, "--", 2) == 0 ? strchr(argument, '=') : nullptr;
    size_t length = sign ? size_t(sign - argument) : strlen(argument);
    const OptionKind *kind = nullptr;
    for (const OptionKind &k : kOptions)
      if (strlen(k.name) == length && memcmp(k.name, argument, length) == 0)
        kind = &k;
    if (!kind) {
      if (*argument != '-')
        return fail(error,
                    "`%s` is no option; inputs are given as --input "
                    "NAME=VALUE",
                    argument);
      Suggestion suggestion{argument, length, nullptr, SIZE_MAX, {}};
      for (const OptionKind &k : kOptions)
        suggestion.offer(k.name);
      fail(error, "there is no option %.*s", int(length), argument);
      suggestion.addTo(error, nullptr);
      return false;
    }
    const char *value = sign ? sign + 1 : nullptr;
    if (kind->takes == Takes::Nothing && sign)
      return fail(error, "%s takes no value", kind->name);
    bool wants = kind->takes == Takes::Text || kind->takes == Takes::Named ||
                 (kind->takes == Takes::MaybeNumber && i + 1 < argc &&
                  allDigits(argv[i + 1]));
    if (wants && !sign) {
      if (i + 1 == argc)
        return fail(error, "%s needs a value", kind->name);
      value = argv[++i];
    }
    if (!apply(kind->name, value, options, error))
      return false;
  }
  return true;
}

const char *optionsHelp() {
  return "options:\n"
         "  --input NAME=VALUE     an input\n"
         "  --output NAME[=@FILE]  write an output as .npy, or print it (the "
         "default: print all)\n"
         "  --expect NAME=VALUE    compare an output; exit code 1 if it "
         "differs\n"
         "  --rtol R, --atol A     by |got - expected| <= A + R*|expected|; "
         "integers exactly\n"
         "                         (f32: R 1e-4, A 1e-5 of the largest "
         "expected)\n"
         "  --dim NAME=SIZE        a symbolic size that no input settles\n"
         "  --state NAME=VALUE     start from this state instead of zeros\n"
         "  --save-state NAME=@FILE  write a state after the last run\n"
         "  --threads N            threads to use (default: one a core)\n"
         "  --repeat N             run N times, keeping the state\n"
         "  --bench [N]            time N runs: latencies, FLOP/s, bytes/s, "
         "per kernel; inputs\n"
         "                         that are not given are random\n"
         "  --limits LIST          the machine's, for --bench; `mapsto bench` "
         "measures them\n"
         "  --profile FILE         write a trace for chrome://tracing or "
         "ui.perfetto.dev\n"
         "  --device DEVICE        where to run: cpu or vulkan[:N], of those "
         "it was compiled for;\n"
         "                         MAPSTO_DEVICE says so for all models\n"
         "  --help, --version\n"
         "\n"
         "values:\n"
         "  1,2,3   [[1,2],[3,4]]   true,false   elements\n"
         "  zeros   random:SEED     uniform in [-1, 1)\n"
         "  random:SEED:N           integers 0 to N - 1\n"
         "  @x.npy  @x.npz  @x.npz:NAME   from NumPy\n";
}

//===----------------------------------------------------------------------===//
// Suggestions
//===----------------------------------------------------------------------===//

/// Levenshtein's distance, over a row of the table.
static size_t distance(const char *a, size_t n, const char *b) {
  size_t m = strlen(b);
  Array<size_t> row;
  for (size_t j = 0; j <= m; ++j)
    row.push(j);
  for (size_t i = 1; i <= n; ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= m; ++j) {
      size_t change = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      size_t shift = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
      row[j] = change < shift ? change : shift;
    }
  }
  return row[m];
}

void Suggestion::offer(const char *name) {
  all.addf("%s`%s`", all.empty() ? "" : ", ", name);
  size_t d = distance(wanted, wantedLength < 64 ? wantedLength : 64, name);
  if (d < bestDistance) {
    bestDistance = d;
    best = name;
  }
}

void Suggestion::addTo(String &text, const char *kind) const {
  size_t length = wantedLength > 3 ? wantedLength : 3;
  if (best && bestDistance <= length / 3)
    text.addf("; did you mean `%s`?", best);
  else if (kind && best)
    text.addf("; its %s are %s", kind, all.c_str());
  else if (kind)
    text.addf("; it has no %s", kind);
  else
    text.add("; see --help");
}

} // namespace mapsto::runtime
