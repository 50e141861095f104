#include "runtime/expr.h"
#include "runtime/vulkan/run.h"

namespace mapsto::runtime::vulkan {

//===----------------------------------------------------------------------===//
// Order
//===----------------------------------------------------------------------===//

namespace {

template <typename Place> bool meet(const Place &a, const Place &b) {
  return a.buffer == b.buffer && a.offset < b.offset + b.size &&
         b.offset < a.offset + a.size;
}

template <typename Place>
bool meetAny(const Array<Place> &all, const Place *some, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i)
    for (const Place &other : all)
      if (meet(some[i], other))
        return true;
  return false;
}

} // namespace

void Run::order(const Place *reads, uint32_t readCount, const Place *writes,
                uint32_t writeCount) {
  if (meetAny(written, reads, readCount) ||
      meetAny(written, writes, writeCount) ||
      meetAny(read, writes, writeCount)) {
    fullBarrier(*device, current);
    written.clear();
    read.clear();
  }
  read.append(reads, readCount);
  written.append(writes, writeCount);
}

//===----------------------------------------------------------------------===//
// Command buffers
//===----------------------------------------------------------------------===//

mapsto_status Run::openCommands() {
  if (current)
    return MAPSTO_OK;
  if (VkResult r = commands.begin(current))
    return fail(r, "commands");
  currentFirst = uint32_t(launches.size());
  written.clear();
  read.clear();
  // What an earlier submission has written may be read here.
  fullBarrier(*device, current);
  return MAPSTO_OK;
}

mapsto_status Run::closeCommands() {
  if (!current)
    return MAPSTO_OK;
  // The host reads what the last commands have written.
  VkMemoryBarrier barrier{VK_STRUCTURE_TYPE_MEMORY_BARRIER};
  barrier.srcAccessMask =
      VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
  barrier.dstAccessMask = VK_ACCESS_HOST_READ_BIT;
  device->vk.vkCmdPipelineBarrier(
      current,
      VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
      VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0, nullptr, 0, nullptr);
  if (VkResult r = commands.finish(current))
    return fail(r, "commands");
  Action action{};
  action.kind = Action::Submit;
  action.commands = current;
  action.firstLaunch = currentFirst;
  action.launchCount = uint32_t(launches.size()) - currentFirst;
  action.watched = kNone;
  actions.push(action);
  current = VK_NULL_HANDLE;
  return MAPSTO_OK;
}

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

mapsto_status Run::recordCopy(const Place &from, const Place &to) {
  uint64_t bytes = from.size < to.size ? from.size : to.size;
  if (!bytes || (from.buffer == to.buffer && from.offset == to.offset))
    return MAPSTO_OK;
  if (mapsto_status status = openCommands())
    return status;
  order(&from, 1, &to, 1);
  VkBufferCopy region{from.offset, to.offset, bytes};
  device->vk.vkCmdCopyBuffer(current, from.buffer, to.buffer, 1, &region);
  return MAPSTO_OK;
}

mapsto_status Run::sizeOf(const StepRecord &step, uint32_t expr, int64_t &to) {
  const Manifest &m = session->manifest();
  ExprError error = evaluate(m, expr, session->symbols.data(), to);
  if (error == ExprError::None && to >= INT32_MIN && to <= INT32_MAX)
    return MAPSTO_OK;
  return session->fail(
      MAPSTO_UNSUPPORTED, "%s, a size of kernel %s, is too large for a shader",
      m.text(m.exprs[expr].text), m.text(m.kernels[step.kernel].symbol));
}

mapsto_status Run::itemsOf(const StepRecord &step, int64_t &items) {
  const Manifest &m = session->manifest();
  uint32_t tiling = choiceOf(step).tiling;
  return sizeOf(step,
                tiling == kNone ? m.shaders[step.kernel].itemsExpr
                                : m.tilings[tiling].itemsExpr,
                items);
}

mapsto_status Run::workgroupsOf(const StepRecord &step, int64_t &groups) {
  const ShaderRecord &shader = session->manifest().shaders[step.kernel];
  if (mapsto_status status = itemsOf(step, groups))
    return status;
  int64_t size = program->workgroupSize(step.kernel, choiceOf(step).tiling);
  if (DispatchKind(shader.dispatch) == DispatchKind::Invocations)
    groups = (groups + size - 1) / size;
  // A shader walks on where there are more items than it is given workgroups.
  if (groups > int64_t(device->limits.workgroups))
    groups = device->limits.workgroups;
  return MAPSTO_OK;
}

mapsto_status Run::recordLaunch(const StepRecord &step) {
  const Manifest &m = session->manifest();
  const KernelRecord &kernel = m.kernels[step.kernel];
  const ShaderRecord &shader = m.shaders[step.kernel];
  uint32_t self = uint32_t(&step - m.steps.begin());
  int64_t groups;
  if (mapsto_status status = workgroupsOf(step, groups))
    return status;
  const uint32_t *buffers = m.list(step.buffers).begin();
  if (watched)
    if (mapsto_status status = closeCommands())
      return status;
  if (shader.startsFrom != kNone)
    if (mapsto_status status =
            recordCopy(places[buffers[shader.startsFrom]],
                       places[buffers[kernel.argumentCount]]))
      return status;
  if (groups <= 0)
    return MAPSTO_OK;
  const Pipeline *pipeline;
  if (VkResult r = program->pipeline(step.kernel, choiceOf(step), pipeline))
    return fail(r, m.text(kernel.symbol));
  Array<int32_t> sizes;
  for (uint32_t expr : m.list(shader.pushes)) {
    int64_t size;
    if (mapsto_status status = sizeOf(step, expr, size))
      return status;
    sizes.push(int32_t(size));
  }

  if (mapsto_status status = openCommands())
    return status;
  Array<Place> operands;
  operandsOf(step, operands);
  order(operands.data(), kernel.argumentCount,
        operands.data() + kernel.argumentCount,
        uint32_t(operands.size()) - kernel.argumentCount);

  const VolkDeviceTable &vk = device->vk;
  if (shader.clearedBytes) {
    int64_t bytes;
    if (mapsto_status status = sizeOf(step, shader.scratchExpr, bytes))
      return status;
    if (bytes > 0) {
      vk.vkCmdFillBuffer(current, scratch.buffer(), 0, shader.clearedBytes, 0);
      fullBarrier(*device, current);
    }
  }
  vk.vkCmdBindPipeline(current, VK_PIPELINE_BIND_POINT_COMPUTE,
                       pipeline->pipeline);
  vk.vkCmdBindDescriptorSets(current, VK_PIPELINE_BIND_POINT_COMPUTE,
                             pipeline->layout, 0, 1, &sets[self], 0, nullptr);
  if (!sizes.empty())
    vk.vkCmdPushConstants(
        current, pipeline->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
        uint32_t(sizes.size() * sizeof(int32_t)), sizes.data());
  dispatch(step.kernel, uint32_t(groups));
  // A watched launch is a submission, and one that the host times.
  if (!watched && (!timed || queries))
    return MAPSTO_OK;
  mapsto_status status = closeCommands();
  if (!status && watched)
    actions.back().watched = self;
  return status;
}

void Run::dispatch(uint32_t kernel, uint32_t groups) {
  const VolkDeviceTable &vk = device->vk;
  uint32_t query = uint32_t(launches.size()) * 2;
  bool stamped = timed && queries;
  launches.push(kernel);
  if (stamped) { // one after the other, so that each has a time of its own
    fullBarrier(*device, current);
    vk.vkCmdResetQueryPool(current, queries, query, 2);
    vk.vkCmdWriteTimestamp(current, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT,
                           queries, query);
  }
  vk.vkCmdDispatch(current, groups, 1, 1);
  if (stamped)
    vk.vkCmdWriteTimestamp(current, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT,
                           queries, query + 1);
}

mapsto_status Run::recordLoop(const StepRecord &step) {
  const Manifest &m = session->manifest();
  int64_t count;
  if (evaluate(m, step.countExpr, session->symbols.data(), count) !=
      ExprError::None)
    return session->fail(MAPSTO_INVALID, "a loop's count, %s, overflows",
                         m.text(m.exprs[step.countExpr].text));
  if (mapsto_status status = closeCommands())
    return status;
  constexpr uint64_t kSlot = 16; // the counter, then the flag
  uint64_t slot = mailboxUsed;
  mailboxUsed += kSlot;
  if (mailboxUsed > mailbox.size() - kNothing)
    return session->fail(MAPSTO_UNSUPPORTED, "too many loops for one model");
  Place counterSlot{mailbox.buffer(), slot, 8, nullptr};
  Place stopSlot{mailbox.buffer(), slot + 8, 1, nullptr};
  bool counts = step.counterBuffer != kNone && places[step.counterBuffer].size;
  bool stops = step.stopBuffer != kNone && places[step.stopBuffer].size;

  uint32_t begin = uint32_t(actions.size());
  Action action{};
  action.kind = Action::LoopBegin;
  action.count = count;
  action.counter = counts ? slot : kNowhere;
  action.stop = stops ? slot + 8 : kNowhere;
  actions.push(action);

  if (mapsto_status status = openCommands())
    return status;
  auto setCounter = [&]() -> mapsto_status {
    return counts ? recordCopy(counterSlot, places[step.counterBuffer])
                  : MAPSTO_OK;
  };
  if (mapsto_status status = setCounter())
    return status;
  if (mapsto_status status = recordSteps(step.firstChild, step.childCount))
    return status;
  if (mapsto_status status = openCommands())
    return status;
  // Read before the carries, which may move the flag's own buffer.
  if (stops)
    if (mapsto_status status = recordCopy(places[step.stopBuffer], stopSlot))
      return status;
  Records<uint32_t> carries = m.list(step.carries);
  for (uint32_t i = 0; i < carries.count; i += 2)
    if (mapsto_status status =
            recordCopy(places[carries[i]], places[carries[i + 1]]))
      return status;
  if (mapsto_status status = closeCommands())
    return status;

  action.kind = Action::LoopEnd;
  action.other = begin;
  actions[begin].other = uint32_t(actions.size());
  actions.push(action);
  return setCounter(); // to the number of iterations done
}

mapsto_status Run::recordSteps(uint32_t first, uint32_t count) {
  const Manifest &m = session->manifest();
  for (uint32_t i = first; i < first + count; ++i) {
    const StepRecord &step = m.steps[i];
    mapsto_status status = MAPSTO_OK;
    switch (StepKind(step.kind)) {
    case StepKind::Launch:
      status = recordLaunch(step);
      break;
    case StepKind::Loop:
      status = recordLoop(step);
      break;
    case StepKind::Copy:
      status = recordCopy(places[m.list(step.buffers)[0]],
                          places[m.list(step.buffers)[1]]);
      break;
    }
    if (status)
      return status;
  }
  return MAPSTO_OK;
}

mapsto_status Run::record() {
  const Manifest &m = session->manifest();
  commands.reset();
  actions.clear();
  launches.clear();
  current = VK_NULL_HANDLE;
  mailboxUsed = kReportBytes;
  if (mapsto_status status = placeBuffers())
    return status;
  if (mapsto_status status = placeScratch())
    return status;
  if (mapsto_status status = makeDescriptors())
    return status;
  if (mapsto_status status = makeQueries())
    return status;

  auto stagingPlace = [&](uint32_t buffer) {
    return Place{staging.buffer(), stagingOffsets[buffer], places[buffer].size,
                 nullptr};
  };
  for (const TensorRecord &input : m.inputs)
    if (!places[input.buffer].mapped)
      if (mapsto_status status =
              recordCopy(stagingPlace(input.buffer), places[input.buffer]))
        return status;
  if (mapsto_status status = recordSteps(0, m.header().rootCount))
    return status;
  for (const WriteBackRecord &w : m.writeBacks)
    if (mapsto_status status =
            recordCopy(places[w.result], places[m.states[w.state].buffer]))
      return status;
  for (const TensorRecord &output : m.outputs)
    if (!places[output.buffer].mapped)
      if (mapsto_status status =
              recordCopy(places[output.buffer], stagingPlace(output.buffer)))
        return status;
  return closeCommands();
}

} // namespace mapsto::runtime::vulkan
