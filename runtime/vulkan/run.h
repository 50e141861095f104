//===- run.h - a session's runs on a device -------------------------------===//
//
// The schedule is recorded into command buffers once for the sizes of a run and
// submitted again as long as they stay. A loop of the schedule is a command
// buffer of its own, submitted once an iteration: the host has to see whether
// it goes on.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_RUNTIME_VULKAN_RUN_H
#define MAPSTO_RUNTIME_VULKAN_RUN_H

#include "runtime/session.h"
#include "runtime/vulkan/program.h"
#include "runtime/vulkan/submit.h"

namespace mapsto::runtime::vulkan {

class Run {
public:
  Run() = default;
  Run(const Run &) = delete;
  Run &operator=(const Run &) = delete;
  ~Run();

  [[nodiscard]] mapsto_status open(mapsto_session &session, Device &device);
  /// Runs the settled schedule over the bound inputs.
  [[nodiscard]] mapsto_status execute();
  /// Brings a state that a run has changed back to the session's memory.
  [[nodiscard]] mapsto_status fetchState(uint32_t state);
  /// The bytes of a buffer of the manifest, within a run that is watched.
  [[nodiscard]] mapsto_status copyBuffer(uint32_t buffer, char *host,
                                         bool toDevice);

private:
  /// A buffer of the manifest, or a piece of memory like one.
  struct Place {
    VkBuffer buffer = VK_NULL_HANDLE;
    uint64_t offset = 0, size = 0;
    char *mapped = nullptr; ///< null where the host does not see it
  };
  /// What execute() walks.
  struct Action {
    enum Kind { Submit, LoopBegin, LoopEnd } kind;
    VkCommandBuffer commands;
    uint32_t firstLaunch, launchCount; ///< Submit: whose times it takes
    int64_t count;                     ///< LoopBegin
    uint32_t other;                    ///< the loop's other end
    uint64_t counter, stop;            ///< offsets in the mailbox, or kNowhere
    uint32_t watched; ///< Submit: the one launch in it, or kNone
  };
  static constexpr uint64_t kNowhere = UINT64_MAX;
  /// Of the mailbox: a shader's report of an error first, what a tensor of no
  /// elements is bound to last.
  static constexpr uint64_t kReportBytes = 64, kNothing = 64;

  // run_memory.cpp
  mapsto_status placeBuffers();
  mapsto_status layStates();
  /// What a shader sees of a place: something also where that is empty.
  Place boundTo(Place place) const;
  void uploadInputs();
  void downloadOutputs();
  mapsto_status uploadStates();
  mapsto_status placeScratch();
  mapsto_status checkRange(uint32_t buffer, uint64_t bytes);

  // run_descriptors.cpp
  void operandsOf(const StepRecord &step, Array<Place> &operands) const;
  mapsto_status makeDescriptors();
  mapsto_status makeQueries();

  // run_record.cpp
  mapsto_status record();
  mapsto_status recordSteps(uint32_t first, uint32_t count);
  Choice choiceOf(const StepRecord &step) const {
    return program->choiceFor(step.kernel, session->symbols.data());
  }
  /// What a launch shares out to workgroups or invocations.
  mapsto_status itemsOf(const StepRecord &step, int64_t &items);
  /// Workgroups that a launch is given, 0 if it has no items.
  mapsto_status workgroupsOf(const StepRecord &step, int64_t &groups);
  /// A size of a kernel, which a shader counts in 32 bits.
  mapsto_status sizeOf(const StepRecord &step, uint32_t expr, int64_t &to);
  mapsto_status recordLaunch(const StepRecord &step);
  mapsto_status recordLoop(const StepRecord &step);
  mapsto_status recordCopy(const Place &from, const Place &to);
  void dispatch(uint32_t kernel, uint32_t groups);
  mapsto_status openCommands();
  mapsto_status closeCommands();
  /// A barrier, if what is read or written now was written or read since the
  /// last one.
  void order(const Place *reads, uint32_t readCount, const Place *writes,
             uint32_t writeCount);

  mapsto_status walk();
  mapsto_status submit(const Action &action);
  mapsto_status checkErrors();
  void reportTimes(const Action &action, int64_t start, int64_t end);
  mapsto_status fail(VkResult result, const char *what, uint64_t bytes = 0);

  mapsto_session *session = nullptr;
  Device *device = nullptr;
  Program *program = nullptr;
  Commands commands;

  Block arena, tensors, states, staging, mailbox;
  Block scratch;       ///< of whichever launch runs
  Array<Place> places; ///< by buffer
  Array<uint64_t> stagingOffsets;
  uint64_t mailboxUsed = 0;

  VkDescriptorPool descriptors = VK_NULL_HANDLE;
  VkQueryPool queries = VK_NULL_HANDLE;
  Array<VkDescriptorSet> sets; ///< by step
  Array<uint32_t> launches;    ///< the kernels of timed launches, in order
  Array<Action> actions;
  uint64_t recordedFor = 0; ///< the session's generation; 0: nothing recorded
  bool timed = false;       ///< recorded with timestamps
  bool watched = false;     ///< recorded for session->watch

  // While recording.
  VkCommandBuffer current = VK_NULL_HANDLE;
  uint32_t currentFirst = 0;
  Array<Place> written, read; ///< since the last barrier
};

} // namespace mapsto::runtime::vulkan

#endif // MAPSTO_RUNTIME_VULKAN_RUN_H
