#include "tools/mapsto/VerifyDevice.h"

#include "tools/mapsto/Commands.h"

using namespace mapsto;
using runtime::BufferKind;

DeviceLaunches::DeviceLaunches(mapsto_session &session,
                               mlir::func::FuncOp entry, const Values &values,
                               Look look)
    : session(session), manifest(session.manifest()), values(values),
      look(std::move(look)) {
  uint32_t step = 0;
  for (LaunchOp launch : entry.getOps<LaunchOp>()) {
    auto isLaunch = [&] {
      return runtime::StepKind(manifest.steps[step].kind) ==
             runtime::StepKind::Launch;
    };
    while (step < manifest.header().rootCount && !isLaunch())
      ++step;
    if (step < manifest.header().rootCount)
      launches[step++] = launch;
  }
  watch = {[](void *self, uint32_t step) {
             static_cast<DeviceLaunches *>(self)->before(step);
           },
           [](void *self, uint32_t step) {
             static_cast<DeviceLaunches *>(self)->after(step);
           },
           this};
  session.watch = &watch;
}

uint32_t DeviceLaunches::bufferOf(uint32_t step, unsigned operand) const {
  return manifest.list(manifest.steps[step].buffers)[operand];
}

void DeviceLaunches::copy(uint32_t buffer, const Bytes &bytes, bool toDevice) {
  if (session.backend->copy_buffer(&session, buffer, bytes.data(), toDevice) &&
      !result)
    result = fail(mapsto_session_error(&session), kRunFailed);
}

static Bytes bytesFor(const Tensor &tensor) {
  return Bytes(size_t(tensor.size() * bytesPerElement(tensor.elementType)));
}

void DeviceLaunches::before(uint32_t step) {
  LaunchOp launch = launchOf(step);
  if (!launch)
    return;
  unsigned inputs = launch.getInputs().size();
  // What nobody writes shows; an operand that is changed in place comes after.
  for (auto [i, value] : llvm::enumerate(launch.getResults()))
    copy(bufferOf(step, inputs + i), bytesFor(values.find(value)->second),
         true);
  for (auto [i, value] : llvm::enumerate(launch.getInputs())) {
    uint32_t buffer = bufferOf(step, i);
    if (BufferKind(manifest.buffers[buffer].kind) != BufferKind::Weights)
      copy(buffer, Bytes(values.find(value)->second), true);
  }
}

void DeviceLaunches::after(uint32_t step) {
  LaunchOp launch = launchOf(step);
  if (!launch || result)
    return;
  std::vector<Bytes> results;
  unsigned inputs = launch.getInputs().size();
  for (auto [i, value] : llvm::enumerate(launch.getResults())) {
    results.push_back(bytesFor(values.find(value)->second));
    copy(bufferOf(step, inputs + i), results.back(), false);
  }
  ++count;
  if (!result)
    result = look(launch, manifest.steps[step].kernel, results);
}
