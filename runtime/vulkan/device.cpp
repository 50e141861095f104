#define VOLK_IMPLEMENTATION
#include "runtime/vulkan/device.h"

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

bool computeFamily(VkPhysicalDevice device, uint32_t &family) {
  uint32_t count = 0;
  vkGetPhysicalDeviceQueueFamilyProperties(device, &count, nullptr);
  Array<VkQueueFamilyProperties> families;
  families.resize(count);
  vkGetPhysicalDeviceQueueFamilyProperties(device, &count, families.data());
  // A family for compute alone leaves the screen's alone.
  for (bool alone : {true, false})
    for (family = 0; family < count; ++family) {
      VkQueueFlags flags = families[family].queueFlags;
      if ((flags & VK_QUEUE_COMPUTE_BIT) &&
          !(alone && (flags & VK_QUEUE_GRAPHICS_BIT)))
        return true;
    }
  return false;
}

/// The loader and the devices, found at the first call.
Machine &machine() {
  static Machine *found = nullptr;
  if (found)
    return *found;
  found = create<Machine>();
  if (volkInitialize() != VK_SUCCESS) {
    found->why = "there is no Vulkan loader (libvulkan.so.1)";
    return *found;
  }
  VkApplicationInfo application{VK_STRUCTURE_TYPE_APPLICATION_INFO};
  application.pApplicationName = "mapsto";
  application.apiVersion = VK_API_VERSION_1_3;
  VkInstanceCreateInfo info{VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
  info.pApplicationInfo = &application;
  if (volkGetInstanceVersion() < VK_API_VERSION_1_1) {
    found->why = "the Vulkan loader is older than 1.1";
    return *found;
  }
  VkResult result = vkCreateInstance(&info, nullptr, &found->instance);
  if (result != VK_SUCCESS) {
    found->why.addf("Vulkan does not start: %s", explain(result));
    return *found;
  }
  volkLoadInstanceOnly(found->instance);
  uint32_t count = 0;
  vkEnumeratePhysicalDevices(found->instance, &count, nullptr);
  Array<VkPhysicalDevice> all;
  all.resize(count);
  vkEnumeratePhysicalDevices(found->instance, &count, all.data());
  for (VkPhysicalDevice device : all) {
    VkPhysicalDeviceProperties properties;
    vkGetPhysicalDeviceProperties(device, &properties);
    uint32_t family;
    if (properties.apiVersion >= VK_API_VERSION_1_1 &&
        computeFamily(device, family))
      found->physical.push(device);
  }
  found->open.resize(found->physical.size());
  if (found->physical.empty())
    found->why = count ? "no device has Vulkan 1.1 and a compute queue"
                       : "no Vulkan driver has a device";
  return *found;
}

/// What of the device's features shaders may use; chained for vkCreateDevice.
struct Features {
  VkPhysicalDeviceFeatures2 core{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
  VkPhysicalDevice16BitStorageFeatures storage16{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES};
  VkPhysicalDevice8BitStorageFeatures storage8{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_8BIT_STORAGE_FEATURES};
  VkPhysicalDeviceShaderFloat16Int8Features arithmetic{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES};
  VkPhysicalDeviceTimelineSemaphoreFeatures timeline{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES};
  Features() {
    core.pNext = &storage16;
    storage16.pNext = &storage8;
    storage8.pNext = &arithmetic;
    arithmetic.pNext = &timeline;
  }
};

uint32_t featureBits(const Features &f,
                     const VkPhysicalDeviceSubgroupProperties &subgroup) {
  uint32_t bits = 0;
  auto add = [&](VkBool32 has, ShaderFeature feature) {
    if (has)
      bits |= uint32_t(feature);
  };
  add(f.core.features.shaderInt64, ShaderFeature::Int64);
  add(f.core.features.shaderFloat64, ShaderFeature::Float64);
  add(f.core.features.shaderInt16, ShaderFeature::Int16);
  add(f.arithmetic.shaderInt8, ShaderFeature::Int8);
  add(f.arithmetic.shaderFloat16, ShaderFeature::Float16);
  add(f.storage16.storageBuffer16BitAccess, ShaderFeature::Storage16);
  add(f.storage8.storageBuffer8BitAccess, ShaderFeature::Storage8);
  VkSubgroupFeatureFlags wanted =
      VK_SUBGROUP_FEATURE_BASIC_BIT | VK_SUBGROUP_FEATURE_ARITHMETIC_BIT;
  add((subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) &&
          (subgroup.supportedOperations & wanted) == wanted,
      ShaderFeature::Subgroups);
  return bits;
}

bool hasExtension(VkPhysicalDevice device, const char *name) {
  uint32_t count = 0;
  vkEnumerateDeviceExtensionProperties(device, nullptr, &count, nullptr);
  Array<VkExtensionProperties> all;
  all.resize(count);
  vkEnumerateDeviceExtensionProperties(device, nullptr, &count, all.data());
  for (const VkExtensionProperties &e : all)
    if (equal(e.extensionName, name))
      return true;
  return false;
}

/// "shared=16384,invocations=128,subgroups=0": a device that has less, for
/// tests. Names: shared, invocations, groups, range, subgroups, timeline.
void overrideLimits(Limits &limits) {
  const char *text = getenv("MAPSTO_VULKAN_LIMITS");
  while (text && *text) {
    const char *equals = strchr(text, '=');
    if (!equals)
      return;
    size_t n = size_t(equals - text);
    char *end;
    uint64_t value = strtoull(equals + 1, &end, 10);
    auto is = [&](const char *name) {
      return strlen(name) == n && memcmp(name, text, n) == 0;
    };
    if (is("shared") && value < limits.sharedBytes)
      limits.sharedBytes = value;
    else if (is("invocations") && value < limits.workgroupInvocations)
      limits.workgroupInvocations = uint32_t(value);
    else if (is("groups") && value < limits.workgroups)
      limits.workgroups = uint32_t(value);
    else if (is("range") && value < limits.storageRange)
      limits.storageRange = value;
    else if (is("subgroups") && value == 0)
      limits.features &= ~uint32_t(ShaderFeature::Subgroups);
    else if (is("timeline") && value == 0)
      limits.timelineSemaphores = false;
    text = *end == ',' ? end + 1 : end;
    if (*end && *end != ',')
      return;
  }
}

Limits readLimits(VkPhysicalDevice device, const Features &features,
                  const VkPhysicalDeviceProperties &properties,
                  const VkPhysicalDeviceSubgroupProperties &subgroup) {
  const VkPhysicalDeviceLimits &l = properties.limits;
  Limits limits;
  limits.apiVersion = properties.apiVersion;
  limits.storageRange = l.maxStorageBufferRange;
  limits.storageAlignment = l.minStorageBufferOffsetAlignment;
  limits.sharedBytes = l.maxComputeSharedMemorySize;
  limits.workgroupInvocations =
      l.maxComputeWorkGroupInvocations < l.maxComputeWorkGroupSize[0]
          ? l.maxComputeWorkGroupInvocations
          : l.maxComputeWorkGroupSize[0];
  limits.workgroups = l.maxComputeWorkGroupCount[0];
  limits.subgroupSize = subgroup.subgroupSize;
  limits.pushBytes = l.maxPushConstantsSize;
  limits.features = featureBits(features, subgroup);
  limits.timelineSemaphores = features.timeline.timelineSemaphore &&
                              properties.apiVersion >= VK_API_VERSION_1_2;
  uint32_t family;
  if (l.timestampComputeAndGraphics && computeFamily(device, family))
    limits.timestampNanoseconds = double(l.timestampPeriod);
  overrideLimits(limits);
  return limits;
}

void query(VkPhysicalDevice device, Features &features,
           VkPhysicalDeviceProperties &properties, Limits &limits) {
  vkGetPhysicalDeviceFeatures2(device, &features.core);
  VkPhysicalDeviceSubgroupProperties subgroup{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
  VkPhysicalDeviceProperties2 all{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
  all.pNext = &subgroup;
  vkGetPhysicalDeviceProperties2(device, &all);
  properties = all.properties;
  limits = readLimits(device, features, properties, subgroup);
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

int countDevices(String &why) {
  pthread_mutex_lock(&lock);
  Machine &m = machine();
  why.clear();
  why.add(m.why.c_str());
  int count = int(m.physical.size());
  pthread_mutex_unlock(&lock);
  return count;
}

bool describeDevice(int index, DeviceInfo &info) {
  pthread_mutex_lock(&lock);
  Machine &m = machine();
  bool exists = index >= 0 && size_t(index) < m.physical.size();
  if (exists) {
    Features features;
    VkPhysicalDeviceProperties properties;
    VkPhysicalDevice physical = m.physical[size_t(index)];
    query(physical, features, properties, info.limits);
    memcpy(info.name, properties.deviceName, sizeof info.name);
    info.kind = kindOf(properties.deviceType);
    VkPhysicalDeviceMemoryProperties memory;
    vkGetPhysicalDeviceMemoryProperties(physical, &memory);
    info.memoryBytes = 0;
    for (uint32_t i = 0; i < memory.memoryHeapCount; ++i)
      if ((memory.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) &&
          memory.memoryHeaps[i].size > info.memoryBytes)
        info.memoryBytes = memory.memoryHeaps[i].size;
  }
  pthread_mutex_unlock(&lock);
  return exists;
}

static Device *open(VkPhysicalDevice physical, String &error) {
  Device *device = create<Device>();
  if (!device) {
    error.add("out of memory");
    return nullptr;
  }
  device->physical = physical;
  Features features;
  query(physical, features, device->properties, device->limits);
  vkGetPhysicalDeviceMemoryProperties(physical, &device->memory);
  computeFamily(physical, device->family);

  // Everything the device has stays on, but what slows every access down.
  features.core.features.robustBufferAccess = VK_FALSE;
  float priority = 1;
  VkDeviceQueueCreateInfo queue{VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO};
  queue.queueFamilyIndex = device->family;
  queue.queueCount = 1;
  queue.pQueuePriorities = &priority;
  Array<const char *> extensions;
  for (const char *name : {VK_KHR_8BIT_STORAGE_EXTENSION_NAME,
                           VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME,
                           VK_KHR_TIMELINE_SEMAPHORE_EXTENSION_NAME})
    if (hasExtension(physical, name))
      extensions.push(name);
  VkDeviceCreateInfo info{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO};
  info.pNext = &features.core;
  info.queueCreateInfoCount = 1;
  info.pQueueCreateInfos = &queue;
  info.enabledExtensionCount = uint32_t(extensions.size());
  info.ppEnabledExtensionNames = extensions.data();
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
    if (!known)
      known = open(m.physical[size_t(index)], error);
    device = known;
  }
  pthread_mutex_unlock(&lock);
  return device;
}

} // namespace mapsto::runtime::vulkan
