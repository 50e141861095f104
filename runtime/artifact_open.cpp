//===- artifact_open.cpp - a compiled shared library as an artifact -------===//
//
// Apart from the rest, so that executables, which never open one, do not pull
// in the dynamic loader.
//
//===----------------------------------------------------------------------===//

#include "runtime/artifact.h"

#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>

using namespace mapsto::runtime;

static void closeLibrary(void *library) { dlclose(library); }

mapsto_status mapsto_artifact_open(const char *path,
                                   mapsto_artifact **artifact) {
  *artifact = nullptr;
  if (!path || !*path)
    return fail(MAPSTO_INVALID, "no path given");
  if (access(path, R_OK) != 0)
    return fail(MAPSTO_BAD_ARTIFACT, "%s: %s", path, strerror(errno));
  // Without a slash dlopen would search the system's libraries.
  String here;
  if (!strchr(path, '/'))
    here.add("./");
  here.add(path);
  void *library = dlopen(here.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return fail(MAPSTO_BAD_ARTIFACT, "cannot load the artifact: %s", dlerror());
  auto *image =
      static_cast<const mapsto_image *>(dlsym(library, "mapsto_model_image"));
  if (!image) {
    dlclose(library);
    return fail(MAPSTO_BAD_ARTIFACT, "%s: not a compiled Mapsto model", path);
  }
  String directory;
  addDirectory(directory, path);
  if (mapsto_status status =
          mapsto_artifact_from_image(image, directory.c_str(), artifact)) {
    dlclose(library);
    return status;
  }
  (*artifact)->library = library;
  (*artifact)->closeLibrary = closeLibrary;
  return MAPSTO_OK;
}
