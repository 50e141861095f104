#include "runtime/vulkan/run.h"

namespace mapsto::runtime::vulkan {

static uint64_t roundUp(uint64_t bytes, uint64_t align) {
  return (bytes + align - 1) / align * align;
}

/// The first bytes of the mailbox are the report of an error; then what the
/// host and loops tell each other.
static constexpr uint64_t kMailboxBytes = 4096;

mapsto_status Run::checkRange(uint32_t buffer, uint64_t bytes) {
  const Manifest &m = session->manifest();
  uint64_t range = device->limits.storageRange;
  if (bytes <= range)
    return MAPSTO_OK;
  return session->fail(
      MAPSTO_UNSUPPORTED,
      "`%s` (%s) takes %llu bytes; a shader of `%s` can see %llu of one tensor",
      m.text(m.buffers[buffer].name), m.text(m.buffers[buffer].type),
      (unsigned long long)bytes, device->properties.deviceName,
      (unsigned long long)range);
}

Run::Place Run::boundTo(Place place) const {
  if (!place.size)
    return {mailbox.buffer(), kMailboxBytes - kNothing, kNothing, nullptr};
  place.size = roundUp(place.size, 4); // shaders may read it by words
  return place;
}

/// States lie side by side in a block of their own, as they outlive a change
/// of sizes. Where that moves them, what only the device has goes by the host.
mapsto_status Run::layStates() {
  const Manifest &m = session->manifest();
  uint64_t align = session->alignment;
  uint64_t total = 0;
  bool moved = false;
  Array<uint64_t> offsets;
  for (uint32_t i = 0; i < m.states.count; ++i) {
    uint32_t buffer = m.states[i].buffer;
    moved |= !places[buffer].buffer || places[buffer].offset != total;
    offsets.push(total);
    total += roundUp(uint64_t(session->bufferSizes[buffer]), align);
  }
  if (!moved && total <= states.size())
    return MAPSTO_OK;
  for (uint32_t i = 0; i < m.states.count; ++i) {
    if (!session->states[i].onHost)
      if (mapsto_status status = fetchState(i))
        return status;
    session->states[i].onDevice = false;
  }
  if (VkResult r = states.ensure(*device, total, Block::OnDevice))
    return fail(r, "state", total);
  for (uint32_t i = 0; i < m.states.count; ++i)
    places[m.states[i].buffer].offset = offsets[i];
  return MAPSTO_OK;
}

/// Intermediate values lie as the session's plan has them, inputs and outputs
/// side by side in a block.
mapsto_status Run::placeBuffers() {
  const Manifest &m = session->manifest();
  uint64_t align = session->alignment;
  uint64_t tensorBytes = 0, largestState = 0, stagingBytes = 0;
  places.resize(m.buffers.count);
  if (mapsto_status status = layStates())
    return status;
  stagingOffsets.resize(m.buffers.count);
  for (uint32_t i = 0; i < m.buffers.count; ++i) {
    uint64_t size = uint64_t(session->bufferSizes[i]);
    if (mapsto_status status = checkRange(i, size))
      return status;
    Place &place = places[i];
    place.size = size;
    switch (BufferKind(m.buffers[i].kind)) {
    case BufferKind::Input:
    case BufferKind::Output:
      place.offset = tensorBytes;
      tensorBytes += roundUp(size, align);
      stagingOffsets[i] = stagingBytes;
      stagingBytes += roundUp(size, align);
      break;
    case BufferKind::State:
      largestState = size > largestState ? size : largestState;
      break;
    case BufferKind::Weights:
      place.offset = program->weightOffset(i);
      break;
    case BufferKind::Arena:
      place.offset = uint64_t(session->bufferOffsets[i]);
      break;
    case BufferKind::Alias:
      place.offset = places[m.buffers[i].index].offset +
                     uint64_t(session->bufferOffsets[i]);
      if (place.offset % device->limits.storageAlignment)
        return session->fail(
            MAPSTO_UNSUPPORTED, "`%s` begins where `%s` allows no buffer to",
            m.text(m.buffers[i].name), device->properties.deviceName);
      break;
    }
  }
  if (VkResult r = arena.ensure(*device, session->plan.peak, Block::OnDevice))
    return fail(r, "intermediate values", session->plan.peak);
  if (VkResult r = tensors.ensure(*device, tensorBytes, Block::OnDevice))
    return fail(r, "inputs and outputs", tensorBytes);
  if (!tensors.mapped() || (states.size() && !states.mapped())) {
    uint64_t bytes = stagingBytes > largestState ? stagingBytes : largestState;
    if (VkResult r = staging.ensure(*device, bytes, Block::OnHost))
      return fail(r, "inputs and outputs", bytes);
  }
  if (VkResult r = mailbox.ensure(*device, kMailboxBytes, Block::OnHost))
    return fail(r, "reports");
  for (uint32_t i = 0; i < m.buffers.count; ++i) {
    const Block *block = nullptr;
    switch (BufferKind(m.buffers[i].kind)) {
    case BufferKind::Input:
    case BufferKind::Output:
      block = &tensors;
      break;
    case BufferKind::State:
      block = &states;
      break;
    case BufferKind::Weights:
      block = &program->weights();
      break;
    case BufferKind::Arena:
      block = &arena;
      break;
    case BufferKind::Alias:
      places[i].buffer = places[m.buffers[i].index].buffer;
      continue;
    }
    places[i].buffer = block->buffer();
    places[i].mapped =
        block->mapped() ? block->mapped() + places[i].offset : nullptr;
  }
  return MAPSTO_OK;
}

/// What the launch that needs most takes: each has it to itself.
mapsto_status Run::placeScratch() {
  const Manifest &m = session->manifest();
  uint64_t most = 0;
  for (const StepRecord &step : m.steps) {
    if (StepKind(step.kind) != StepKind::Launch)
      continue;
    const ShaderRecord &shader = m.shaders[step.kernel];
    if (shader.scratchExpr == kNone)
      continue;
    int64_t groups, bytes;
    if (mapsto_status status = shader.clearedBytes ? itemsOf(step, groups)
                                                   : workgroupsOf(step, groups))
      return status;
    if (mapsto_status status = sizeOf(step, shader.scratchExpr, bytes))
      return status;
    // Positions in it are counted in 32 bits.
    uint64_t all = groups > 0 && bytes > 0 ? uint64_t(groups) * bytes : 0;
    uint64_t limit = device->limits.storageRange;
    if (limit > INT32_MAX)
      limit = INT32_MAX;
    if (all > limit)
      return session->fail(
          MAPSTO_UNSUPPORTED,
          "kernel %s needs %llu bytes to itself; a shader of `%s` can see %llu",
          m.text(m.kernels[step.kernel].symbol), (unsigned long long)all,
          device->properties.deviceName, (unsigned long long)limit);
    if (all > most)
      most = all;
  }
  if (VkResult r = scratch.ensure(*device, most, Block::OnDevice))
    return fail(r, "kernels", most);
  return MAPSTO_OK;
}

void Run::uploadInputs() {
  const Manifest &m = session->manifest();
  for (uint32_t i = 0; i < m.inputs.count; ++i) {
    uint32_t buffer = m.inputs[i].buffer;
    const Place &place = places[buffer];
    char *to =
        place.mapped ? place.mapped : staging.mapped() + stagingOffsets[buffer];
    if (place.size)
      memcpy(to, session->inputs[i].data, place.size);
  }
}

void Run::downloadOutputs() {
  const Manifest &m = session->manifest();
  for (uint32_t i = 0; i < m.outputs.count; ++i) {
    uint32_t buffer = m.outputs[i].buffer;
    const Place &place = places[buffer];
    const OutputBinding &output = session->outputs[i];
    const char *from =
        place.mapped ? place.mapped : staging.mapped() + stagingOffsets[buffer];
    if (place.size)
      memcpy(output.data ? output.data : output.owned.data(), from, place.size);
  }
}

mapsto_status Run::uploadStates() {
  const Manifest &m = session->manifest();
  for (uint32_t i = 0; i < m.states.count; ++i) {
    StateValue &state = session->states[i];
    const Place &place = places[m.states[i].buffer];
    if (state.onDevice || !place.size)
      continue;
    char *to = place.mapped ? place.mapped : staging.mapped();
    memcpy(to, state.memory.data(), place.size);
    if (!place.mapped)
      if (VkResult r = copyNow(*device, staging.buffer(), 0, place.buffer,
                               place.offset, place.size))
        return fail(r, "state");
    state.onDevice = true;
  }
  return MAPSTO_OK;
}

mapsto_status Run::copyBuffer(uint32_t buffer, char *host, bool toDevice) {
  const Place &place = places[buffer];
  if (!place.size)
    return MAPSTO_OK;
  Block copied;
  char *device = place.mapped;
  if (!device) {
    if (VkResult r = copied.ensure(*this->device, place.size, Block::OnHost))
      return fail(r, "a copy");
    device = copied.mapped();
  }
  if (toDevice)
    memcpy(device, host, place.size);
  if (!place.mapped)
    if (VkResult r = toDevice
                         ? copyNow(*this->device, copied.buffer(), 0,
                                   place.buffer, place.offset, place.size)
                         : copyNow(*this->device, place.buffer, place.offset,
                                   copied.buffer(), 0, place.size))
      return fail(r, "a copy");
  if (!toDevice)
    memcpy(host, device, place.size);
  return MAPSTO_OK;
}

mapsto_status Run::fetchState(uint32_t i) {
  const Manifest &m = session->manifest();
  StateValue &state = session->states[i];
  const Place &place = places[m.states[i].buffer];
  if (device->lost) // whatever memory that is still mapped shows
    return fail(VK_ERROR_DEVICE_LOST, "state");
  const char *from = place.mapped ? place.mapped : staging.mapped();
  if (!place.mapped && place.size)
    if (VkResult r = copyNow(*device, place.buffer, place.offset,
                             staging.buffer(), 0, place.size))
      return fail(r, "state");
  if (place.size)
    memcpy(state.memory.data(), from, place.size);
  state.onHost = true;
  return MAPSTO_OK;
}

} // namespace mapsto::runtime::vulkan
