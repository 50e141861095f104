#include "runtime/vulkan/pipeline_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mapsto::runtime::vulkan {

/// The cache folder, made if it is not there; false where there is none.
static bool cacheFolder(String &path) {
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
  return mkdir(path.c_str(), 0700) == 0 || access(path.c_str(), W_OK) == 0;
}

/// "FOLDER/vulkan-<device and driver>": what a pipeline was compiled for.
static bool cacheFile(const Device &device, String &path) {
  if (!cacheFolder(path))
    return false;
  const VkPhysicalDeviceProperties &p = device.properties;
  path.addf("/vulkan-%04x-%04x-%08x-", p.vendorID, p.deviceID, p.driverVersion);
  for (uint8_t byte : p.pipelineCacheUUID)
    path.addf("%02x", byte);
  return true;
}

/// Does the data begin with this device's own header? (Vulkan has drivers check
/// it too, and some do not.)
static bool isOwn(const Device &device, const Array<char> &data) {
  VkPipelineCacheHeaderVersionOne header;
  if (data.size() < sizeof header)
    return false;
  memcpy(&header, data.data(), sizeof header);
  const VkPhysicalDeviceProperties &p = device.properties;
  return header.headerVersion == VK_PIPELINE_CACHE_HEADER_VERSION_ONE &&
         header.vendorID == p.vendorID && header.deviceID == p.deviceID &&
         memcmp(header.pipelineCacheUUID, p.pipelineCacheUUID, VK_UUID_SIZE) ==
             0;
}

static bool readFile(const char *path, Array<char> &data) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0)
    return false;
  struct stat status;
  constexpr off_t kLargest = 256 << 20;
  bool good = fstat(file, &status) == 0 && S_ISREG(status.st_mode) &&
              status.st_size <= kLargest;
  if (good) {
    data.resize(size_t(status.st_size));
    good = read(file, data.data(), data.size()) == ssize_t(data.size());
  }
  close(file);
  return good;
}

void loadPipelineCache(Device &device) {
  String path;
  Array<char> data;
  VkPipelineCacheCreateInfo info{VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO};
  if (cacheFile(device, path) && readFile(path.c_str(), data) &&
      isOwn(device, data)) {
    info.initialDataSize = data.size();
    info.pInitialData = data.data();
  }
  device.vk.vkCreatePipelineCache(device.handle, &info, nullptr,
                                  &device.pipelineCache);
}

void savePipelineCache(Device &device) {
  String path;
  size_t size = 0;
  if (!device.pipelineCache || !cacheFile(device, path) ||
      device.vk.vkGetPipelineCacheData(device.handle, device.pipelineCache,
                                       &size, nullptr) != VK_SUCCESS)
    return;
  Array<char> data;
  data.resize(size);
  if (device.vk.vkGetPipelineCacheData(device.handle, device.pipelineCache,
                                       &size, data.data()) != VK_SUCCESS)
    return;
  // Under a name of its own first: other processes read and write here too.
  String temporary;
  temporary.addf("%s.%d", path.c_str(), int(getpid()));
  int file =
      open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0)
    return;
  bool written = write(file, data.data(), size) == ssize_t(size);
  written = close(file) == 0 && written;
  if (!written || rename(temporary.c_str(), path.c_str()) != 0)
    unlink(temporary.c_str());
}

} // namespace mapsto::runtime::vulkan
