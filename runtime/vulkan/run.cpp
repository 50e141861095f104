#include "runtime/vulkan/run.h"

#include "runtime/waiting.h"

namespace mapsto::runtime::vulkan {

Run::~Run() {
  if (!device)
    return;
  device->vk.vkDestroyDescriptorPool(device->handle, descriptors, nullptr);
  device->vk.vkDestroyQueryPool(device->handle, queries, nullptr);
}

mapsto_status Run::fail(VkResult result, const char *what, uint64_t bytes) {
  String size;
  if (bytes)
    size.addf(" (%llu bytes)", (unsigned long long)bytes);
  return session->fail(result == VK_ERROR_OUT_OF_DEVICE_MEMORY ||
                               result == VK_ERROR_OUT_OF_HOST_MEMORY
                           ? MAPSTO_OUT_OF_MEMORY
                           : MAPSTO_RUN_FAILED,
                       "on `%s`, %s%s: %s", device->properties.deviceName, what,
                       size.c_str(), explain(result));
}

mapsto_status Run::open(mapsto_session &s, Device &d) {
  session = &s;
  device = &d;
  program = programOf(*s.artifact, d);
  if (!program)
    return fail(VK_ERROR_OUT_OF_HOST_MEMORY, "the model");
  String error;
  if (!program->fits(error))
    return session->fail(MAPSTO_UNSUPPORTED, "%s", error.c_str());
  if (VkResult r = commands.open(d))
    return fail(r, "commands");
  if (VkResult r = program->loadWeights())
    return fail(r, "the weights");
  if (device->limits.storageAlignment > session->alignment) {
    session->alignment = device->limits.storageAlignment;
    session->planned = session->settled = false;
  }
  return MAPSTO_OK;
}

//===----------------------------------------------------------------------===//
// Times
//===----------------------------------------------------------------------===//

/// Of the launches of a submission: by the device's clock, as it has run
/// between `start` and `end`; where it has none, a launch is a submission.
void Run::reportTimes(const Action &action, int64_t start, int64_t end) {
  Array<uint64_t> ticks;
  ticks.resize(size_t(action.launchCount) * 2);
  if (queries && action.launchCount &&
      device->vk.vkGetQueryPoolResults(
          device->handle, queries, action.firstLaunch * 2,
          action.launchCount * 2, ticks.size() * sizeof(uint64_t), ticks.data(),
          sizeof(uint64_t), VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT))
    return;
  auto since = [&](uint64_t tick) { // the first of them
    uint64_t passed = (tick - ticks[0]) & device->limits.timestampMask;
    return start +
           int64_t(double(passed) * device->limits.timestampNanoseconds);
  };
  for (uint32_t i = 0; i < action.launchCount; ++i) {
    uint32_t kernel = launches[action.firstLaunch + i];
    const KernelSizes &sizes = session->kernelSizes[kernel];
    mapsto_step_time time{kernel,
                          queries ? since(ticks[i * 2]) : start,
                          queries ? since(ticks[i * 2 + 1]) : end,
                          sizes.flops,
                          sizes.bytes,
                          1};
    session->onStep(session->onStepUser, &time);
  }
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

/// The first 24 bytes of the mailbox, as a kernel that met an error left them;
/// its number is in the upper half of the code.
mapsto_status Run::checkErrors() {
  mapsto_kernel_context error{};
  memcpy(&error, mailbox.mapped(), 3 * sizeof(int64_t));
  if (!error.error_code)
    return MAPSTO_OK;
  uint32_t kernel = uint32_t(uint64_t(error.error_code) >> 32);
  error.error_code &= 0xFFFFFFFF;
  if (kernel >= session->manifest().kernels.count)
    return MAPSTO_OK;
  return indexError(*session, kernel, session->manifest().shaders[kernel].sites,
                    error);
}

mapsto_status Run::submit(const Action &action) {
  int64_t start = timed ? nanoseconds() : 0;
  if (VkResult r = commands.run(action.commands))
    return fail(r, "the run");
  if (timed)
    reportTimes(action, start, nanoseconds());
  return checkErrors();
}

mapsto_status Run::walk() {
  Array<int64_t> done; // of the loops around
  for (uint32_t i = 0; i < actions.size(); ++i) {
    const Action &action = actions[i];
    auto setCounter = [&](int64_t value) {
      if (action.counter != kNowhere)
        memcpy(mailbox.mapped() + action.counter, &value, sizeof value);
    };
    switch (action.kind) {
    case Action::Submit: {
      const LaunchWatch *watch =
          action.watched == kNone ? nullptr : session->watch;
      if (watch)
        watch->before(watch->user, action.watched);
      if (mapsto_status status = submit(action))
        return status;
      if (watch)
        watch->after(watch->user, action.watched);
      break;
    }
    case Action::LoopBegin:
      setCounter(0);
      if (action.count > 0)
        done.push(0);
      else
        i = action.other;
      break;
    case Action::LoopEnd: {
      int64_t now = ++done.back();
      setCounter(now);
      bool stop = action.stop != kNowhere && mailbox.mapped()[action.stop];
      if (now < action.count && !stop)
        i = action.other;
      else
        done.pop();
      break;
    }
    }
  }
  return MAPSTO_OK;
}

mapsto_status Run::execute() {
  if (mapsto_status status = readyTensors(*session))
    return status;
  bool wantTimes = session->onStep != nullptr, watching = session->watch;
  if (recordedFor != session->generation || timed != wantTimes ||
      watched != watching) {
    recordedFor = 0;
    timed = wantTimes;
    watched = watching;
    if (mapsto_status status = record())
      return status;
    program->save();
    recordedFor = session->generation;
  }
  memset(mailbox.mapped(), 0, mailbox.size());
  // In this order: states pass through the memory that inputs are staged in.
  if (mapsto_status status = uploadStates())
    return status;
  uploadInputs();
  mapsto_status status = walk();
  for (StateValue &state : session->states)
    state.onHost = false;
  if (status)
    return status;
  downloadOutputs();
  return MAPSTO_OK;
}

} // namespace mapsto::runtime::vulkan
