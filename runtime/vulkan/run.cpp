#include "runtime/vulkan/run.h"

#include "runtime/vulkan/pipeline_cache.h"

namespace mapsto::runtime::vulkan {

Run::~Run() {
  if (!device)
    return;
  device->vk.vkDestroyDescriptorPool(device->handle, descriptors, nullptr);
  device->vk.vkDestroyQueryPool(device->handle, queries, nullptr);
}

mapsto_status Run::fail(VkResult result, const char *what) {
  return session->fail(result == VK_ERROR_OUT_OF_DEVICE_MEMORY ||
                               result == VK_ERROR_OUT_OF_HOST_MEMORY
                           ? MAPSTO_OUT_OF_MEMORY
                           : MAPSTO_RUN_FAILED,
                       "on `%s`, %s: %s", device->properties.deviceName, what,
                       explain(result));
}

mapsto_status Run::open(mapsto_session &s, Device &d) {
  session = &s;
  device = &d;
  program = programOf(*s.artifact, d);
  if (!program)
    return fail(VK_ERROR_OUT_OF_HOST_MEMORY, "the model");
  if (VkResult r = commands.open(d))
    return fail(r, "commands");
  pthread_mutex_lock(&program->lock);
  VkResult r = program->loadWeights();
  pthread_mutex_unlock(&program->lock);
  return r ? fail(r, "the weights") : MAPSTO_OK;
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
      if (VkResult r = commands.run(action.commands))
        return fail(r, "the run");
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

/// The first 24 bytes of the mailbox, as a kernel that met an error left them;
/// its number is in the upper half of the code.
mapsto_status Run::checkErrors() {
  mapsto_kernel_context error;
  memcpy(&error, mailbox.mapped(), sizeof error);
  if (!error.error_code)
    return MAPSTO_OK;
  uint32_t kernel = uint32_t(uint64_t(error.error_code) >> 32);
  error.error_code &= 0xFFFFFFFF;
  if (kernel >= session->manifest().kernels.count)
    return MAPSTO_OK;
  return indexError(*session, kernel, error);
}

mapsto_status Run::execute() {
  if (mapsto_status status = readyTensors(*session))
    return status;
  if (recordedFor != session->generation || watched != !!session->watch) {
    recordedFor = 0;
    watched = session->watch;
    if (mapsto_status status = record())
      return status;
    if (program->takeCompiled())
      savePipelineCache(*device);
    recordedFor = session->generation;
  }
  memset(mailbox.mapped(), 0, mailbox.size());
  if (mapsto_status status = uploadInputs())
    return status;
  if (mapsto_status status = uploadStates())
    return status;
  if (mapsto_status status = walk())
    return status;
  for (StateValue &state : session->states)
    state.onHost = false;
  if (mapsto_status status = checkErrors())
    return status;
  return downloadOutputs();
}

} // namespace mapsto::runtime::vulkan
