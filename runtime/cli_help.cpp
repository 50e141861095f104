#include "runtime/cli_report.h"

namespace mapsto::runtime {

static size_t longestName(const mapsto_artifact &artifact, mapsto_role role) {
  size_t longest = 0;
  for (size_t i = 0; i < mapsto_count(&artifact, role); ++i) {
    mapsto_signature signature;
    mapsto_describe(&artifact, role, i, &signature);
    size_t length = strlen(signature.name);
    longest = length > longest ? length : longest;
  }
  return longest;
}

static void addTensors(String &text, const mapsto_artifact &artifact,
                       mapsto_role role, const char *title) {
  size_t count = mapsto_count(&artifact, role);
  if (!count)
    return;
  size_t width = longestName(artifact, role);
  text.addf("\n%s:\n", title);
  for (size_t i = 0; i < count; ++i) {
    mapsto_signature s;
    mapsto_describe(&artifact, role, i, &s);
    text.addf("  %-*s  %s", int(width), s.name, s.type);
    if (*s.doc)
      text.addf("  %s", s.doc);
    text.add('\n');
  }
}

void printHelp(const mapsto_artifact &artifact, const char *program) {
  const Manifest &m = artifact.manifest;
  String text;
  text.addf("%s: a model compiled by Mapsto\n", mapsto_model_name(&artifact));
  if (*mapsto_model_doc(&artifact))
    text.addf("%s\n", mapsto_model_doc(&artifact));
  text.addf("\nusage: %s", program);
  for (const TensorRecord &input : m.inputs)
    text.addf(" --input %s=VALUE", m.text(input.name));
  text.add(" [options]\n");

  addTensors(text, artifact, MAPSTO_INPUT, "inputs");
  addTensors(text, artifact, MAPSTO_OUTPUT, "outputs");
  addTensors(text, artifact, MAPSTO_STATE,
             "state, kept between the runs of --repeat");
  if (!m.symbols.empty()) {
    text.add("\nsizes: ");
    const char *separator = "";
    for (const SymbolRecord &symbol : m.symbols) {
      text.addf("%s%s", separator, m.text(symbol.name));
      if (symbol.defaultValue >= 0)
        text.addf(" (default %lld)", (long long)symbol.defaultValue);
      separator = ", ";
    }
    text.add('\n');
  }
  addTensors(text, artifact, MAPSTO_PARAMETER, "parameters, compiled in");
  text.add("\ncompiled for: ");
  addDevices(text, artifact);
  text.add('\n');
  text.addf("\n%s", optionsHelp());
  fputs(text.c_str(), stdout);
}

} // namespace mapsto::runtime
