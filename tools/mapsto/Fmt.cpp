#include "compiler/package/TemporaryFile.h"
#include "frontends/language/Format.h"
#include "tools/mapsto/Commands.h"

#include <cstdio>

using namespace mapsto;

int mapsto::fmtCommand(const Arguments &arguments, const char *) {
  int code = kDone;
  bool check = arguments.has("--check");
  for (const std::string &path : arguments.files) {
    SourceManager sources;
    DiagnosticEngine diagnostics;
    std::string error;
    const SourceFile *source = sources.open(path, error);
    if (!source) {
      code = fail(error);
      continue;
    }
    auto text = format(*source, diagnostics);
    if (!text) {
      diagnostics.print();
      code = kBadInput;
      continue;
    }
    if (*text == source->text())
      continue;
    if (check) {
      printf("%s\n", path.c_str());
      code = code == kDone ? kRunFailed : code;
      continue;
    }
    TemporaryFile file(path);
    if (file.ok())
      file.stream() << *text;
    if (!file.ok() || !file.keep())
      code = fail(file.error());
  }
  return code;
}
