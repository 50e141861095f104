//===- files.cpp - values in and out of files -----------------------------===//

#include "runtime/npy.h"
#include "runtime/values.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mapsto::runtime {

static bool failWith(String &error, const char *path, const char *what) {
  String text; // `what` may be the old error
  text.addf("%s: %s", path, what);
  error.swap(text);
  return false;
}

//===----------------------------------------------------------------------===//
// Reading
//===----------------------------------------------------------------------===//

/// Reads all there is. Allocates by what was read, or by the file's true size.
static bool readAll(int fd, Memory &memory, uint64_t &size) {
  struct stat info;
  uint64_t room = 1 << 16;
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0)
    room = uint64_t(info.st_size) + 1; // the end is seen without growing
  if (!memory.ensure(room))
    return errno = ENOMEM, false;
  for (size = 0;;) {
    if (size == memory.size()) {
      Memory grown;
      if (!grown.ensure(size * 2))
        return errno = ENOMEM, false;
      memcpy(grown.data(), memory.data(), size);
      memory.swap(grown);
    }
    ssize_t n = read(fd, memory.data() + size, memory.size() - size);
    if (n == 0)
      return true;
    if (n < 0 && errno != EINTR)
      return false;
    size += n > 0 ? uint64_t(n) : 0;
  }
}

/// "file.npz:name" into its parts; `entry` is empty where there is none.
static void splitPath(const char *text, String &path, String &entry) {
  const char *colon = nullptr;
  for (const char *at = text; (at = strstr(at, ".npz:")); at += 5)
    colon = at + 4;
  if (!colon) {
    path.add(text);
    return;
  }
  path.add(text, size_t(colon - text));
  entry.add(colon + 1);
}

static bool chooseEntry(const char *path, const String &wanted,
                        const char *name, const Memory &memory, uint64_t size,
                        uint64_t &offset, uint64_t &bytes, String &error) {
  Array<NpzEntry> entries;
  if (!listNpz(memory.data(), size, entries, error))
    return failWith(error, path, error.c_str());
  const char *key = wanted.empty() ? name : wanted.c_str();
  const NpzEntry *found = nullptr;
  for (const NpzEntry &entry : entries)
    if (entry.nameLength == strlen(key) &&
        memcmp(entry.name, key, entry.nameLength) == 0)
      found = &entry;
  if (!found && wanted.empty() && entries.size() == 1)
    found = &entries[0];
  if (!found) {
    String text;
    text.addf("it has no array `%s`, only", key);
    for (size_t i = 0; i < entries.size() && i < 8; ++i)
      text.addf("%s `%.*s`", i ? "," : "", int(entries[i].nameLength),
                entries[i].name);
    if (entries.size() > 8)
      text.addf(" and %zu more", entries.size() - 8);
    return failWith(error, path, text.c_str());
  }
  offset = found->offset;
  bytes = found->bytes;
  return true;
}

bool readFile(const char *text, const char *name, Value &value, String &error) {
  String path, entry;
  splitPath(text + (*text == '@'), path, entry);
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return failWith(error, path.c_str(), strerror(errno));
  uint64_t size;
  bool read = readAll(fd, value.memory, size);
  int reason = errno;
  close(fd);
  if (!read)
    return failWith(error, path.c_str(), strerror(reason));

  char *bytes = value.memory.data();
  uint64_t offset = 0, length = size;
  bool zip = size >= 4 && memcmp(bytes, "PK", 2) == 0;
  if (zip && !chooseEntry(path.c_str(), entry, name, value.memory, size, offset,
                          length, error))
    return false;
  NpyArray array;
  if (!parseNpy(bytes + offset, length, array, error))
    return failWith(error, path.c_str(), error.c_str());
  if (array.dtype == MAPSTO_U16 && value.dtype == MAPSTO_BF16)
    array.dtype = MAPSTO_BF16; // its bits, as NumPy without bf16 saves them
  value.dtype = array.dtype;
  value.shape = array.shape;
  value.count = elementCount(array.dtype, array.shape.dims, array.shape.rank);
  value.data = bytes + offset + array.offset;
  if (reinterpret_cast<uintptr_t>(value.data) % 64) { // kernels like it aligned
    memmove(bytes, value.data, array.bytes);
    value.data = bytes;
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

OutputFile::~OutputFile() {
  if (file)
    fclose(file);
  if (!temporary.empty())
    unlink(temporary.c_str());
}

bool OutputFile::open(const char *target, String &error) {
  path.clear();
  path.add(target);
  struct stat info;
  bool inPlace = stat(target, &info) == 0 && !S_ISREG(info.st_mode);
  if (!inPlace)
    temporary.addf("%s.%ld.partial", target, long(getpid()));
  file = fopen(inPlace ? target : temporary.c_str(), "wb");
  if (file)
    return true;
  int reason = errno;
  temporary.clear();
  return failWith(error, target, strerror(reason));
}

void OutputFile::write(const void *data, size_t bytes) {
  if (bytes)
    fwrite(data, 1, bytes, file); // finish() asks whether it worked
}

bool OutputFile::finish(String &error) {
  bool good = !ferror(file);
  good &= fclose(file) == 0;
  int reason = errno;
  file = nullptr;
  return good || failWith(error, path.c_str(), strerror(reason));
}

bool OutputFile::commit(String &error) {
  if (temporary.empty())
    return true;
  if (rename(temporary.c_str(), path.c_str()) != 0)
    return failWith(error, path.c_str(), strerror(errno));
  temporary.clear();
  return true;
}

bool writeNpy(OutputFile &file, const char *path, const mapsto_tensor &tensor,
              String &error) {
  if (!file.open(path, error))
    return false;
  Shape shape;
  shape.rank = tensor.rank;
  memcpy(shape.dims, tensor.dims, sizeof shape.dims);
  String header;
  npyHeader(tensor.dtype, shape, header);
  file.write(header.c_str(), header.size());
  file.write(tensor.data, tensor.bytes);
  return file.finish(error);
}

} // namespace mapsto::runtime
