#include "compiler/cpu/Target.h"
#include "runtime/thread_pool.h"
#include "runtime/vulkan/device.h"
#include "tools/mapsto/Commands.h"
#include "tools/mapsto/MachineLimits.h"

#include "llvm/ADT/StringExtras.h"

#include <cstdio>
#include <thread>
#include <unistd.h>

using namespace mapsto;

static void printCache(const char *name, int key) {
  long bytes = sysconf(key);
  if (bytes > 0)
    printf("  %-9s %ld KiB\n", name, bytes / 1024);
}

static void printVulkan() {
  namespace vulkan = runtime::vulkan;
  if (const char *why = vulkan::whyNoDevice())
    printf("vulkan\n  %s\n", why);
  for (int i = 0; i < vulkan::countDevices(); ++i) {
    printf("vulkan:%d\n", i);
    vulkan::DeviceInfo info;
    runtime::String error, features;
    if (!vulkan::describeDevice(i, info, error)) {
      printf("  %s\n", error.c_str());
      continue;
    }
    const vulkan::Limits &l = info.limits;
    printf("  %-9s %s (%s)\n", "name", info.name, info.kind);
    printf("  %-9s %s, Vulkan %u.%u\n", "driver", info.driver.c_str(),
           VK_API_VERSION_MAJOR(l.apiVersion),
           VK_API_VERSION_MINOR(l.apiVersion));
    printf("  %-9s %llu MiB%s\n", "memory",
           (unsigned long long)l.memoryBytes >> 20,
           l.mapped ? ", which the host sees" : "");
    printf("  %-9s %u invocations, %llu KiB shared; subgroups of %u\n",
           "workgroup", l.workgroupInvocations,
           (unsigned long long)l.sharedBytes >> 10, l.subgroupSize);
    printf("  %-9s %llu MiB a tensor, %u bytes of sizes a kernel\n", "buffers",
           (unsigned long long)l.storageRange >> 20, l.pushBytes);
    vulkan::addFeatureNames(features, l.features);
    if (l.timelineSemaphores)
      features.add(", timeline semaphores");
    if (l.timestampNanoseconds > 0)
      features.add(", timestamps");
    printf("  %-9s %s\n", "features", features.c_str());
    runtime::String matrices;
    for (uint32_t n = 0; n < l.matrixCount; ++n)
      matrices.addf("%s%ux%ux%u", n ? ", " : "", l.matrices[n] >> 16,
                    l.matrices[n] >> 8 & 255, l.matrices[n] & 255);
    if (l.matrixCount)
      printf("  %-9s %s (rows x columns x depth, f16 to f32)\n", "matrices",
             matrices.c_str());
    if (const char *lowered = vulkan::limitsOverride())
      printf("  %-9s %s (MAPSTO_VULKAN_LIMITS)\n", "lowered", lowered);
  }
}

static int printLimits(const Arguments &arguments) {
  std::vector<int> counts;
  if (arguments.has("--threads")) {
    int threads;
    if (llvm::StringRef(arguments.get("--threads")).getAsInteger(10, threads) ||
        threads < 1 || threads > runtime::kMaxThreads)
      return fail("--threads needs a number from 1 to " +
                  std::to_string(runtime::kMaxThreads) + ", not `" +
                  arguments.get("--threads") + "`");
    counts = {threads};
  } else {
    counts = {1};
    if (runtime::availableCores() > 1)
      counts.push_back(runtime::availableCores());
  }
  for (int threads : counts)
    printf("%d thread%s: %s\n", threads, threads == 1 ? "" : "s",
           measureLimits(threads, widestVectors(), kThorough).text().c_str());
  return kDone;
}

int mapsto::devicesCommand(const Arguments &arguments, const char *) {
  if (arguments.has("--limits"))
    return printLimits(arguments);
  if (arguments.has("--cpus")) {
    for (const std::string &name : knownCpus(""))
      printf("%s\n", name.c_str());
    return kDone;
  }
  Target host;
  std::string error;
  if (!findTarget("native", "", host, error))
    return fail(error, kRunFailed);
  printf("cpu\n");
  printf("  %-9s %s (%s)\n", "name", host.cpu.c_str(), host.triple.c_str());
  printf("  %-9s %u\n", "threads", std::thread::hardware_concurrency());
  printf("  %-9s %u bits, %u registers\n", "vectors", host.vectorBits,
         host.registers);
#ifdef _SC_LEVEL1_DCACHE_SIZE
  printCache("L1 data", _SC_LEVEL1_DCACHE_SIZE);
  printCache("L2", _SC_LEVEL2_CACHE_SIZE);
  printCache("L3", _SC_LEVEL3_CACHE_SIZE);
#endif
  std::string features = llvm::join(host.required, " ");
  printf("  %-9s %s\n", "features", features.c_str());
  printVulkan();
  return kDone;
}
