#include "compiler/package/TemporaryFile.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Signals.h"

using namespace mapsto;
namespace fs = llvm::sys::fs;

TemporaryFile::TemporaryFile(const std::string &target) : target(target) {
  fs::file_status status;
  if (!fs::status(target, status) &&
      status.type() != fs::file_type::regular_file) {
    message = "cannot write `" + target + "`: " +
              (status.type() == fs::file_type::directory_file
                   ? "it is a directory"
                   : "it is not a regular file");
    return;
  }
  int fd = -1;
  if (std::error_code code =
          fs::createUniqueFile(target + ".%%%%%%.tmp", fd, name)) {
    message = "cannot write `" + target + "`: " + code.message();
    return;
  }
  llvm::sys::RemoveFileOnSignal(name);
  out = std::make_unique<llvm::raw_fd_ostream>(fd, /*shouldClose=*/true);
}

TemporaryFile::~TemporaryFile() {
  if (out) {
    out->close();
    out->clear_error();
  }
  if (!name.empty()) {
    fs::remove(name);
    llvm::sys::DontRemoveFileOnSignal(name);
  }
}

bool TemporaryFile::fail(const std::string &why) {
  message = "cannot write `" + target + "`: " + why;
  return false;
}

bool TemporaryFile::close() {
  if (!out)
    return ok();
  out->close();
  std::error_code code = out->error();
  out->clear_error();
  out.reset();
  return code ? fail(code.message()) : ok();
}

bool TemporaryFile::keep() {
  if (!close())
    return false;
  if (std::error_code code = fs::rename(name, target))
    return fail(code.message());
  llvm::sys::DontRemoveFileOnSignal(name);
  name.clear();
  return true;
}
