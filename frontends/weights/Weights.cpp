#include "frontends/weights/Weights.h"

#include "runtime/npy.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Path.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mapsto {

int64_t WeightTensor::numElements() const {
  return runtime::elementCount(dtype, shape.data(), int(shape.size()));
}

/// A file in memory, read-only.
struct Weights::Mapping {
  void *address = nullptr;
  size_t size = 0;

  Mapping(void *address, size_t size) : address(address), size(size) {}
  Mapping(Mapping &&other) : address(other.address), size(other.size) {
    other.address = nullptr;
  }
  Mapping &operator=(Mapping &&other) {
    std::swap(address, other.address);
    std::swap(size, other.size);
    return *this;
  }
  ~Mapping() {
    if (address)
      munmap(address, size);
  }
};

Weights::Weights() = default;
Weights::Weights(Weights &&) = default;
Weights &Weights::operator=(Weights &&) = default;
Weights::~Weights() = default;

/// Maps a whole file. An empty one is an error: it has no weights either way.
static bool mapFile(llvm::StringRef path, void *&address, size_t &size,
                    std::string &error) {
  auto fail = [&](const char *what) {
    error = (path + ": " + what).str();
    return false;
  };
  int fd = open(path.str().c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return fail(strerror(errno));
  struct stat info;
  bool regular = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  size = regular ? size_t(info.st_size) : 0;
  address = size ? mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0) : nullptr;
  int reason = errno;
  close(fd);
  if (!regular)
    return fail("it is not a plain file");
  if (!size)
    return fail("it is empty");
  if (address == MAP_FAILED)
    return fail(strerror(reason));
  return true;
}

/// Makes the array in `bytes` a tensor.
static bool npyTensor(llvm::ArrayRef<uint8_t> bytes, llvm::StringRef name,
                      WeightTensor &tensor, std::string &error) {
  runtime::NpyArray array;
  runtime::String wrong;
  if (!runtime::parseNpy(bytes.data(), bytes.size(), array, wrong)) {
    error = wrong.c_str();
    return false;
  }
  tensor.name = name.str();
  tensor.dtype = array.dtype;
  tensor.shape.assign(array.shape.dims, array.shape.dims + array.shape.rank);
  tensor.bytes = bytes.slice(array.offset, array.bytes);
  return true;
}

static bool npzTensors(llvm::ArrayRef<uint8_t> bytes,
                       std::vector<WeightTensor> &tensors, std::string &error) {
  runtime::Array<runtime::NpzEntry> entries;
  runtime::String wrong;
  if (!runtime::listNpz(bytes.data(), bytes.size(), entries, wrong)) {
    error = wrong.c_str();
    return false;
  }
  for (const runtime::NpzEntry &entry : entries) {
    llvm::StringRef name(entry.name, entry.nameLength);
    if (npyTensor(bytes.slice(entry.offset, entry.bytes), name,
                  tensors.emplace_back(), error))
      continue;
    error = ("tensor `" + name + "`: " + error).str();
    return false;
  }
  return true;
}

static bool startsWith(llvm::ArrayRef<uint8_t> bytes, llvm::StringRef magic) {
  return bytes.size() >= magic.size() &&
         memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

bool Weights::openBytes(llvm::ArrayRef<uint8_t> bytes, llvm::StringRef name,
                        std::string &error) {
  std::vector<WeightTensor> found;
  bool good;
  if (startsWith(bytes, "\x93NUMPY"))
    good = npyTensor(bytes, llvm::sys::path::stem(name), found.emplace_back(),
                     error);
  else if (startsWith(bytes, "PK"))
    good = npzTensors(bytes, found, error);
  else
    good = parseSafetensors(bytes, found, error);
  if (!good) {
    error = (name + ": " + error).str();
    return false;
  }
  return add(std::move(found), name, error);
}

bool Weights::open(llvm::StringRef path, std::string &error) {
  void *address;
  size_t size;
  if (!mapFile(path, address, size, error))
    return false;
  Mapping mapping(address, size);
  llvm::ArrayRef<uint8_t> bytes(static_cast<const uint8_t *>(address), size);
  if (!openBytes(bytes, path, error))
    return false;
  mappings.push_back(std::move(mapping));
  return true;
}

bool Weights::add(std::vector<WeightTensor> found, llvm::StringRef file,
                  std::string &error) {
  for (const WeightTensor &tensor : found)
    if (byName.contains(tensor.name)) {
      error = (file + ": tensor `" + tensor.name + "` is in another file too")
                  .str();
      return false;
    }
  for (WeightTensor &tensor : found) {
    byName[tensor.name] = all.size();
    all.push_back(std::move(tensor));
  }
  return true;
}

const WeightTensor *Weights::find(llvm::StringRef name) const {
  auto it = byName.find(name);
  return it == byName.end() ? nullptr : &all[it->second];
}

void Weights::release(const WeightTensor &tensor) const {
  // Only whole pages inside a mapping: the edges may belong to neighbours.
  uintptr_t page = uintptr_t(sysconf(_SC_PAGESIZE));
  uintptr_t begin = reinterpret_cast<uintptr_t>(tensor.bytes.begin());
  uintptr_t end = reinterpret_cast<uintptr_t>(tensor.bytes.end());
  bool mapped = llvm::any_of(mappings, [&](const Mapping &mapping) {
    uintptr_t start = reinterpret_cast<uintptr_t>(mapping.address);
    return begin >= start && end <= start + mapping.size;
  });
  begin = (begin + page - 1) / page * page;
  end = end / page * page;
  if (mapped && begin < end)
    madvise(reinterpret_cast<void *>(begin), end - begin, MADV_DONTNEED);
}

} // namespace mapsto
