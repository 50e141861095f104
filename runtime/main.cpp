// The main of every compiled executable.
#include "runtime/cli.h"

extern "C" const mapsto_image mapsto_model_image;

int main(int argc, char **argv) {
  return mapsto_cli_main(&mapsto_model_image, argc, argv);
}
