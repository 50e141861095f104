//===- weights_file.cpp - weights that lie beside an artifact -------------===//

#include "runtime/artifact.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mapsto::runtime {

static bool addOwnDirectory(String &path) {
  char own[4096];
  ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
  if (n <= 0)
    return false;
  own[n] = '\0';
  addDirectory(path, own);
  return true;
}

static mapsto_status mapFile(mapsto_artifact &artifact, int fd,
                             const char *path) {
  const Header &head = artifact.manifest.header();
  struct stat info;
  WeightsFileHeader file;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) ||
      pread(fd, &file, sizeof file, 0) != ssize_t(sizeof file) ||
      memcmp(file.magic, kWeightsMagic, sizeof file.magic) != 0)
    return fail(MAPSTO_BAD_ARTIFACT, "%s: not a Mapsto weights file", path);
  if (file.id != head.weightsId || file.size != head.weightsSize)
    return fail(MAPSTO_BAD_ARTIFACT,
                "%s: these weights belong to another artifact than `%s`", path,
                artifact.manifest.text(head.name));
  uint64_t size = uint64_t(info.st_size);
  if (size - sizeof file != file.size)
    return fail(
        MAPSTO_BAD_ARTIFACT,
        "%s: the file is damaged: %llu bytes where there should be %llu", path,
        (unsigned long long)size,
        (unsigned long long)(file.size + sizeof file));
  void *at = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (at == MAP_FAILED)
    return fail(MAPSTO_BAD_ARTIFACT, "%s: %s", path, strerror(errno));
  artifact.mapping = at;
  artifact.mappingSize = size;
  artifact.weights = static_cast<const char *>(at) + sizeof file;
  return MAPSTO_OK;
}

mapsto_status mapWeights(mapsto_artifact &artifact, const char *directory) {
  const char *name =
      artifact.manifest.text(artifact.manifest.header().weightsFile);
  String path;
  if (directory)
    path.add(directory);
  else if (!addOwnDirectory(path))
    path.add(".");
  path.addf("/%s", name);
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return fail(MAPSTO_BAD_ARTIFACT, "%s: %s; `%s` needs its weights there",
                path.c_str(), strerror(errno),
                artifact.manifest.text(artifact.manifest.header().name));
  mapsto_status status = mapFile(artifact, fd, path.c_str());
  close(fd);
  return status;
}

void unmapWeights(mapsto_artifact &artifact) {
  if (artifact.mapping)
    munmap(artifact.mapping, artifact.mappingSize);
  artifact.mapping = nullptr;
}

} // namespace mapsto::runtime
