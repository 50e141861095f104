/*===- cli.h - the command line of compiled models -------------------------===

  Every compiled executable is this and a model; `mapsto run` and `mapsto bench`
  call it with a model that was just compiled in memory or opened from a file.

===----------------------------------------------------------------------===*/
#ifndef MAPSTO_RUNTIME_CLI_H
#define MAPSTO_RUNTIME_CLI_H

#include "runtime/mapsto.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Runs the command line of a model: argv[0] is what to call the program (may be
   two words, "mapsto run model.mto"), the rest its options (--help lists them).
   Returns the process's exit code: 0 done; 1 the run failed or an expectation
   was not met; 2 the command line or an input was wrong. Results go to stdout,
   errors, a line or two each, to stderr. */
MAPSTO_API int mapsto_cli_main(const mapsto_image *image, int argc,
                               char **argv);

/* The same for an artifact that is already open; it stays open. */
MAPSTO_API int mapsto_cli_artifact(mapsto_artifact *artifact, int argc,
                                   char **argv);

#ifdef __cplusplus
}
#endif

#endif /* MAPSTO_RUNTIME_CLI_H */
