//===- VerifyDevice.h - Kernels on a device, one by one ---------*- C++ -*-===//

#ifndef MAPSTO_TOOLS_MAPSTO_VERIFYDEVICE_H
#define MAPSTO_TOOLS_MAPSTO_VERIFYDEVICE_H

#include "dialect/MapstoDialect.h"
#include "dialect/interpreter/Tensor.h"
#include "runtime/session.h"
#include "tools/mapsto/VerifyCompare.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mapsto {

/// Gives each launch of a session's run on a device the interpreter's own
/// operands, and has its results looked at. Launches in loops run as they are.
class DeviceLaunches {
public:
  using Values = llvm::DenseMap<mlir::Value, Tensor>;
  /// Gets a launch, its kernel's number and its results' bytes; nonzero ends
  /// the looking.
  using Look = std::function<int(LaunchOp, uint32_t, llvm::ArrayRef<Bytes>)>;

  /// `entry` is the schedule that the session's manifest was built from.
  DeviceLaunches(mapsto_session &session, mlir::func::FuncOp entry,
                 const Values &values, Look look);
  ~DeviceLaunches() { session.watch = nullptr; }

  int code() const { return result; }
  unsigned seen() const { return count; }

private:
  LaunchOp launchOf(uint32_t step) const { return launches.lookup(step); }
  uint32_t bufferOf(uint32_t step, unsigned operand) const;
  void copy(uint32_t buffer, const Bytes &bytes, bool toDevice);
  void before(uint32_t step);
  void after(uint32_t step);

  mapsto_session &session;
  const runtime::Manifest &manifest;
  const Values &values;
  Look look;
  llvm::DenseMap<uint32_t, LaunchOp> launches; ///< by step
  runtime::LaunchWatch watch;
  int result = 0;
  unsigned count = 0;
};

} // namespace mapsto

#endif // MAPSTO_TOOLS_MAPSTO_VERIFYDEVICE_H
