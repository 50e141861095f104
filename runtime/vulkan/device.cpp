#define VOLK_IMPLEMENTATION
#include "runtime/vulkan/device.h"

#include "runtime/vulkan/features.h"
#include "runtime/vulkan/pipeline_cache.h"

namespace mapsto::runtime::vulkan {

namespace {

struct Machine {
  VkInstance instance = VK_NULL_HANDLE;
  Array<VkPhysicalDevice> physical;
  Array<Device *> open; ///< by index; null where not yet
  String why;           ///< there is none
};

pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/// Devices of this kind come so early.
int rankOf(VkPhysicalDevice device) {
  VkPhysicalDeviceProperties properties;
  vkGetPhysicalDeviceProperties(device, &properties);
  switch (properties.deviceType) {
  case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
    return 0;
  case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
    return 1;
  case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
    return 2;
  case VK_PHYSICAL_DEVICE_TYPE_CPU:
    return 4;
  default:
    return 3;
  }
}

void findDevices(Machine &m) {
  if (volkInitialize() != VK_SUCCESS) {
    m.why = "there is no Vulkan loader (libvulkan.so.1)";
    return;
  }
  if (volkGetInstanceVersion() < VK_API_VERSION_1_1) {
    m.why = "the Vulkan loader is older than 1.1";
    return;
  }
  VkApplicationInfo application{VK_STRUCTURE_TYPE_APPLICATION_INFO};
  application.pApplicationName = "mapsto";
  application.apiVersion = VK_API_VERSION_1_3;
  VkInstanceCreateInfo info{VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
  info.pApplicationInfo = &application;
  VkResult result = vkCreateInstance(&info, nullptr, &m.instance);
  if (result != VK_SUCCESS) {
    m.why.addf("Vulkan does not start: %s", explain(result));
    return;
  }
  volkLoadInstanceOnly(m.instance);
  uint32_t count = 0;
  vkEnumeratePhysicalDevices(m.instance, &count, nullptr);
  Array<VkPhysicalDevice> all;
  all.resize(count);
  vkEnumeratePhysicalDevices(m.instance, &count, all.data());
  // Not all loaders put GPUs before what a driver makes of the CPU.
  for (int rank = 0; rank <= 4; ++rank)
    for (VkPhysicalDevice device : all) {
      VkPhysicalDeviceProperties properties;
      vkGetPhysicalDeviceProperties(device, &properties);
      uint32_t family;
      if (rankOf(device) == rank &&
          properties.apiVersion >= VK_API_VERSION_1_1 &&
          computeFamily(device, family))
        m.physical.push(device);
    }
  m.open.resize(m.physical.size());
  if (m.physical.empty())
    m.why = count ? "no device has Vulkan 1.1 and a compute queue"
                  : "no Vulkan driver has a device";
}

/// The loader and the devices, found at the first call. The lock is held.
Machine &machine() {
  static Machine *found = nullptr;
  if (!found) {
    found = create<Machine>();
    if (!found) // a few bytes, once a process
      abort();
    findDevices(*found);
  }
  return *found;
}

const char *kindOf(VkPhysicalDeviceType type) {
  switch (type) {
  case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
    return "GPU";
  case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
    return "integrated GPU";
  case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
    return "virtual GPU";
  case VK_PHYSICAL_DEVICE_TYPE_CPU:
    return "CPU";
  default:
    return "device";
  }
}

/// Its name and version, where Vulkan 1.2 tells them.
void addDriver(String &text, VkPhysicalDevice device, uint32_t apiVersion) {
  VkPhysicalDeviceDriverProperties driver{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
  VkPhysicalDeviceProperties2 all{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
  if (apiVersion >= VK_API_VERSION_1_2)
    all.pNext = &driver;
  vkGetPhysicalDeviceProperties2(device, &all);
  if (all.pNext)
    text.addf("%s %s", driver.driverName, driver.driverInfo);
  else
    text.addf("version %08x", all.properties.driverVersion);
}

bool limitsOf(VkPhysicalDevice physical, const Features &features,
              Limits &limits, String &error) {
  limits = readLimits(physical, features);
  const char *lower = limitsOverride();
  return !lower || lowerLimits(lower, limits, error);
}

Device *open(VkPhysicalDevice physical, String &error) {
  Features features(physical);
  Limits limits;
  if (!limitsOf(physical, features, limits, error))
    return nullptr;
  if (!(limits.features & uint32_t(ShaderFeature::Matrices)))
    features.leaveOutMatrices();
  Device *device = create<Device>();
  if (!device) {
    error.add("out of memory");
    return nullptr;
  }
  device->physical = physical;
  device->limits = limits;
  vkGetPhysicalDeviceProperties(physical, &device->properties);
  vkGetPhysicalDeviceMemoryProperties(physical, &device->memory);
  computeFamily(physical, device->family);

  float priority = 1;
  VkDeviceQueueCreateInfo queue{VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO};
  queue.queueFamilyIndex = device->family;
  queue.queueCount = 1;
  queue.pQueuePriorities = &priority;
  VkDeviceCreateInfo info{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO};
  info.pNext = &features.core;
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue;
  info.enabledExtensionCount = uint32_t(features.extensions.size());
  info.ppEnabledExtensionNames = features.extensions.data();
  VkResult result = vkCreateDevice(physical, &info, nullptr, &device->handle);
  if (result != VK_SUCCESS) {
    error.addf("`%s` does not open: %s", device->properties.deviceName,
               explain(result));
    destroy(device);
    return nullptr;
  }
  volkLoadDeviceTable(&device->vk, device->handle);
  device->vk.vkGetDeviceQueue(device->handle, device->family, 0,
                              &device->queue);
  loadPipelineCache(*device);
  return device;
}

} // namespace

const char *explain(VkResult result) {
  switch (result) {
  case VK_ERROR_DEVICE_LOST:
    return "the device was lost (it hung, or its driver was reset)";
  case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    return "the device's memory is out";
  case VK_ERROR_OUT_OF_HOST_MEMORY:
    return "out of memory";
  case VK_ERROR_INCOMPATIBLE_DRIVER:
    return "there is no Vulkan driver";
  case VK_ERROR_INITIALIZATION_FAILED:
    return "the driver does not start";
  case VK_ERROR_TOO_MANY_OBJECTS:
    return "the driver allows no more memory objects";
  case VK_ERROR_LAYER_NOT_PRESENT:
    return "a layer that VK_INSTANCE_LAYERS names is not there";
  default:
    return "the driver reports an error";
  }
}

int Device::memoryType(uint32_t allowed, VkMemoryPropertyFlags wanted) const {
  for (uint32_t i = 0; i < memory.memoryTypeCount; ++i)
    if ((allowed >> i & 1) &&
        (memory.memoryTypes[i].propertyFlags & wanted) == wanted)
      return int(i);
  return -1;
}

int countDevices() {
  pthread_mutex_lock(&lock);
  int count = int(machine().physical.size());
  pthread_mutex_unlock(&lock);
  return count;
}

const char *whyNoDevice() {
  pthread_mutex_lock(&lock);
  Machine &m = machine(); // whose text stays
  const char *why = m.physical.empty() ? m.why.c_str() : nullptr;
  pthread_mutex_unlock(&lock);
  return why;
}

bool describeDevice(int index, DeviceInfo &info, String &error) {
  pthread_mutex_lock(&lock);
  VkPhysicalDevice physical = machine().physical[size_t(index)];
  pthread_mutex_unlock(&lock);
  if (!limitsOf(physical, Features(physical), info.limits, error))
    return false;
  VkPhysicalDeviceProperties properties;
  vkGetPhysicalDeviceProperties(physical, &properties);
  memcpy(info.name, properties.deviceName, sizeof info.name);
  info.kind = kindOf(properties.deviceType);
  addDriver(info.driver, physical, properties.apiVersion);
  return true;
}

Device *openDevice(int index, String &error) {
  pthread_mutex_lock(&lock);
  Machine &m = machine();
  Device *device = nullptr;
  if (m.physical.empty()) {
    error.add(m.why.c_str());
  } else if (index < 0 || size_t(index) >= m.physical.size()) {
    error.addf("there is no Vulkan device %d: this machine has %zu", index,
               m.physical.size());
  } else {
    Device *&known = m.open[size_t(index)];
    if (!known || known->lost) // sessions may still hold the lost one
      known = open(m.physical[size_t(index)], error);
    device = known;
  }
  pthread_mutex_unlock(&lock);
  return device;
}

} // namespace mapsto::runtime::vulkan
