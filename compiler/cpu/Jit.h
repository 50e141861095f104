//===- Jit.h - A compiled model in this process -----------------*- C++ -*-===//
//
// Links object code (ObjectCode.h) into this process and gives its image to the
// runtime: the same code that an executable would hold.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_CPU_JIT_H
#define MAPSTO_COMPILER_CPU_JIT_H

#include "runtime/mapsto.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <memory>
#include <string>

namespace mapsto {

class Jit {
public:
  /// Takes the object of the model named `model`. `weights` stay the caller's
  /// and must outlive this. Null on failure, with one line in `error`.
  static std::unique_ptr<Jit> create(llvm::ArrayRef<char> object,
                                     llvm::StringRef model, const void *weights,
                                     std::string &error);
  ~Jit();

  /// What runs the model's shaders.
  void setBackend(const mapsto_backend &backend) { linked.backend = &backend; }

  /// Valid as long as this.
  const mapsto_image &image() const { return linked; }

private:
  Jit();
  struct Engine;
  std::unique_ptr<Engine> engine;
  mapsto_image linked{};
};

} // namespace mapsto

#endif // MAPSTO_COMPILER_CPU_JIT_H
