//===- artifact_open.cpp - a compiled shared library as an artifact -------===//
//
// Apart from the rest, so that executables, which never open one, do not pull
// in the dynamic loader.
//
//===----------------------------------------------------------------------===//

#include "runtime/artifact.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace mapsto::runtime;

static void closeLibrary(void *library) { dlclose(library); }

/// Whether the file has all that its headers promise. The loader maps segments
/// unseen and would end the process where one reaches past the end.
static bool isWhole(int fd) {
  struct stat info;
  Elf64_Ehdr header;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) ||
      pread(fd, &header, sizeof header, 0) != ssize_t(sizeof header) ||
      memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_type != ET_DYN ||
      header.e_phentsize != sizeof(Elf64_Phdr))
    return false;
  uint64_t size = uint64_t(info.st_size);
  for (uint64_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    uint64_t at = header.e_phoff + i * sizeof segment;
    if (at > size ||
        pread(fd, &segment, sizeof segment, off_t(at)) !=
            ssize_t(sizeof segment) ||
        segment.p_offset > size || segment.p_filesz > size - segment.p_offset)
      return false;
  }
  return header.e_phnum != 0;
}

mapsto_status mapsto_artifact_open(const char *path,
                                   mapsto_artifact **artifact) {
  *artifact = nullptr;
  if (!path || !*path)
    return fail(MAPSTO_INVALID, "no path given");
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return fail(MAPSTO_BAD_ARTIFACT, "%s: %s", path, strerror(errno));
  bool whole = isWhole(fd);
  close(fd);
  if (!whole)
    return fail(MAPSTO_BAD_ARTIFACT,
                "%s: not a shared library, or a damaged one", path);
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
