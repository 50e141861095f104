//===- TemporaryFile.h - Files that appear complete or not at all -*- C++
//-*-===//
//
// A file being written beside the place where it will be. `keep` moves it
// there; otherwise it is removed, also when the process is interrupted.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_COMPILER_PACKAGE_TEMPORARYFILE_H
#define MAPSTO_COMPILER_PACKAGE_TEMPORARYFILE_H

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/raw_ostream.h"

#include <memory>
#include <string>

namespace mapsto {

class TemporaryFile {
public:
  /// Makes an empty file in the folder of `target`. On failure `ok()` is false
  /// and `error()` is one line that names the target.
  explicit TemporaryFile(const std::string &target);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile &) = delete;
  TemporaryFile &operator=(const TemporaryFile &) = delete;

  bool ok() const { return message.empty(); }
  const std::string &error() const { return message; }
  std::string path() const { return std::string(name); }
  /// For writing; closed by `close` and `keep`.
  llvm::raw_fd_ostream &stream() { return *out; }
  /// Ends writing. False, with `error()` set, if something was not written.
  bool close();
  /// Gives the file the target's name, replacing a regular file there.
  bool keep();

private:
  bool fail(const std::string &why);

  std::string target, message;
  llvm::SmallString<128> name;
  std::unique_ptr<llvm::raw_fd_ostream> out;
};

} // namespace mapsto

#endif // MAPSTO_COMPILER_PACKAGE_TEMPORARYFILE_H
