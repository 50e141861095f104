#include "runtime/vulkan/pipeline_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mapsto::runtime::vulkan {

namespace {

/// What a file begins with. Vulkan has drivers check the device in the data
/// that follows, and some take the rest on trust: that it is whole is ours to
/// see.
struct FileHeader {
  char magic[8];
  uint64_t size; ///< of the data
  uint64_t hash; ///< of the data
};
constexpr char kMagic[8] = {'M', 'A', 'P', 'S', 'T', 'O', 'V', 'K'};
constexpr uint64_t kLargest = 256 << 20;

/// FNV-1a (Fowler, Noll and Vo), by words of 8 bytes: against accidents, not
/// against whoever can write to the user's own cache.
uint64_t hashOf(const char *data, size_t size) {
  uint64_t hash = 0xcbf29ce484222325;
  for (size_t i = 0; i < size; i += 8) {
    uint64_t word = 0;
    memcpy(&word, data + i, size - i < 8 ? size - i : 8);
    hash = (hash ^ word) * 0x100000001b3;
    hash ^= hash >> 32;
  }
  return hash;
}

/// The cache folder, made if it is not there; false where there is none.
bool cacheFolder(String &path) {
  const char *cache = getenv("XDG_CACHE_HOME");
  if (cache && cache[0] == '/') {
    path.add(cache);
  } else {
    const char *home = getenv("HOME");
    if (!home || home[0] != '/')
      return false;
    path.addf("%s/.cache", home);
  }
  mkdir(path.c_str(), 0700);
  path.add("/mapsto");
  return mkdir(path.c_str(), 0700) == 0 || access(path.c_str(), X_OK) == 0;
}

/// "FOLDER/vulkan-<device and driver>": what pipelines are compiled for.
bool cacheFile(const Device &device, String &path) {
  if (!cacheFolder(path))
    return false;
  const VkPhysicalDeviceProperties &p = device.properties;
  path.addf("/vulkan-%04x-%04x-%08x-", p.vendorID, p.deviceID, p.driverVersion);
  for (uint8_t byte : p.pipelineCacheUUID)
    path.addf("%02x", byte);
  return true;
}

/// Does the data begin with this device's own header?
bool isOwn(const Device &device, const char *data, size_t size) {
  VkPipelineCacheHeaderVersionOne header;
  if (size < sizeof header)
    return false;
  memcpy(&header, data, sizeof header);
  const VkPhysicalDeviceProperties &p = device.properties;
  return header.headerVersion == VK_PIPELINE_CACHE_HEADER_VERSION_ONE &&
         header.vendorID == p.vendorID && header.deviceID == p.deviceID &&
         memcmp(header.pipelineCacheUUID, p.pipelineCacheUUID, VK_UUID_SIZE) ==
             0;
}

bool readFile(const char *path, Array<char> &bytes) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return false;
  struct stat status;
  bool good = fstat(file, &status) == 0 && S_ISREG(status.st_mode) &&
              uint64_t(status.st_size) <= kLargest;
  if (good) {
    bytes.resize(size_t(status.st_size));
    good = read(file, bytes.data(), bytes.size()) == ssize_t(bytes.size());
  }
  close(file);
  return good;
}

/// Under a name of its own first: other processes read and write here too.
bool writeFile(const char *path, const Array<char> &bytes) {
  String temporary;
  temporary.addf("%s.XXXXXX", path);
  char *name = const_cast<char *>(temporary.c_str());
  int file = mkostemp(name, O_CLOEXEC);
  if (file < 0)
    return false;
  bool written =
      write(file, bytes.data(), bytes.size()) == ssize_t(bytes.size());
  written &= close(file) == 0;
  if (written && rename(name, path) == 0)
    return true;
  unlink(name);
  return false;
}

/// A cache with what is on disk in it, whose hash is then `onDisk`, or an empty
/// one.
VkPipelineCache readCache(const Device &device, uint64_t &onDisk) {
  String path;
  Array<char> bytes;
  VkPipelineCacheCreateInfo info{VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO};
  FileHeader header;
  onDisk = 0;
  if (cacheFile(device, path) && readFile(path.c_str(), bytes) &&
      bytes.size() >= sizeof header) {
    memcpy(&header, bytes.data(), sizeof header);
    const char *data = bytes.data() + sizeof header;
    size_t size = bytes.size() - sizeof header;
    if (memcmp(header.magic, kMagic, sizeof kMagic) == 0 &&
        header.size == size && header.hash == hashOf(data, size) &&
        isOwn(device, data, size)) {
      info.initialDataSize = size;
      info.pInitialData = data;
      onDisk = header.hash;
    }
  }
  VkPipelineCache cache = VK_NULL_HANDLE;
  const VolkDeviceTable &vk = device.vk;
  if (vk.vkCreatePipelineCache(device.handle, &info, nullptr, &cache) &&
      info.initialDataSize) { // which the driver may not like all the same
    info.initialDataSize = 0;
    onDisk = 0;
    vk.vkCreatePipelineCache(device.handle, &info, nullptr, &cache);
  }
  return cache;
}

} // namespace

void loadPipelineCache(Device &device) {
  uint64_t onDisk;
  device.pipelineCache = readCache(device, onDisk);
}

void savePipelineCache(Device &device) {
  String path;
  if (!device.pipelineCache || !cacheFile(device, path))
    return;
  const VolkDeviceTable &vk = device.vk;
  pthread_mutex_lock(&device.cacheLock);
  // What others have written meanwhile stays.
  uint64_t onDisk;
  VkPipelineCache all = readCache(device, onDisk);
  Array<char> bytes;
  FileHeader header;
  size_t size = 0;
  if (all &&
      vk.vkMergePipelineCaches(device.handle, all, 1, &device.pipelineCache) ==
          VK_SUCCESS &&
      vk.vkGetPipelineCacheData(device.handle, all, &size, nullptr) ==
          VK_SUCCESS &&
      size <= kLargest - sizeof header) {
    bytes.resize(sizeof header + size);
    char *data = bytes.data() + sizeof header;
    if (vk.vkGetPipelineCacheData(device.handle, all, &size, data) ==
        VK_SUCCESS) {
      bytes.resize(sizeof header + size);
      memcpy(header.magic, kMagic, sizeof kMagic);
      header.size = size;
      header.hash = hashOf(data, size);
      memcpy(bytes.data(), &header, sizeof header);
      if (header.hash != onDisk)
        writeFile(path.c_str(), bytes);
    }
  }
  vk.vkDestroyPipelineCache(device.handle, all, nullptr);
  pthread_mutex_unlock(&device.cacheLock);
}

} // namespace mapsto::runtime::vulkan
