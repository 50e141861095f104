// Writes the test model's image as a C file, in the place of the compiler.

#include "runtime_model.h"

#include <cstdio>

int main(int argc, char **argv) {
  FILE *file = argc == 2 ? fopen(argv[1], "w") : nullptr;
  if (!file)
    return 1;
  std::vector<uint8_t> blob =
      mapsto::serialize(mapsto::test::accumulateModel());
  fputs("#include \"runtime_model_kernels.h\"\n"
        "_Alignas(8) static const unsigned char manifest[] = {",
        file);
  for (uint8_t byte : blob)
    fprintf(file, "%d,", byte);
  fprintf(file, "};\n"
                "MAPSTO_API const mapsto_image mapsto_model_image = {\n"
                "  MAPSTO_IMAGE_MAGIC, MAPSTO_IMAGE_VERSION, manifest,\n"
                "  sizeof manifest, accumulate_kernels, 3, accumulate_table,\n"
                "  sizeof accumulate_table};\n");
  return fclose(file);
}
