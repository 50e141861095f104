#include "tools/mapsto/Commands.h"

using namespace mapsto;

int mapsto::verifyCommand(const Arguments &, const char *) {
  return fail("not yet");
}
