#include "compiler/package/Link.h"

#include "lld/Common/Driver.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

#include <optional>

LLD_HAS_DRIVER(elf)

using namespace mapsto;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

namespace {

/// What differs between architectures on Linux.
struct Platform {
  const char *emulation;
  const char *loader;
  const char *multiarch;
  const char *compiler; ///< a cross compiler's name, for the fallback
  const char *package;  ///< Debian's of the C library's files to link with
};

const Platform &platformOf(const Target &target) {
  static const Platform x86 = {"elf_x86_64", "/lib64/ld-linux-x86-64.so.2",
                               "x86_64-linux-gnu", "x86_64-linux-gnu-gcc",
                               "libc6-dev"};
  static const Platform aarch64 = {"aarch64linux", "/lib/ld-linux-aarch64.so.1",
                                   "aarch64-linux-gnu", "aarch64-linux-gnu-gcc",
                                   "libc6-dev-arm64-cross"};
  return target.isX86() ? x86 : aarch64;
}

/// The compiler driver for the target, or nothing.
std::optional<std::string> findCompiler(const Target &target) {
  std::vector<const char *> names = {platformOf(target).compiler};
  Target host;
  std::string error;
  if (findTarget("", "", host, error) && host.isX86() == target.isX86())
    names.insert(names.begin(), {"cc", "gcc", "clang", "clang-22"});
  for (const char *name : names)
    if (auto found = llvm::sys::findProgramByName(name))
      return *found;
  return std::nullopt;
}

/// Runs `arguments` and gives what it prints; nothing where it fails.
bool runAndRead(llvm::ArrayRef<llvm::StringRef> arguments, std::string &text) {
  llvm::SmallString<128> file;
  if (fs::createTemporaryFile("mapsto", "txt", file))
    return false;
  std::optional<llvm::StringRef> redirects[] = {llvm::StringRef(""), file.str(),
                                                file.str()};
  int code = llvm::sys::ExecuteAndWait(arguments[0], arguments, std::nullopt,
                                       redirects, /*SecondsToWait=*/600);
  if (auto buffer = llvm::MemoryBuffer::getFile(file))
    text = (*buffer)->getBuffer().trim().str();
  fs::remove(file);
  return code == 0;
}

/// Folders of the C library for this target, those that exist.
std::vector<std::string> libraryFolders(const Target &target) {
  std::string name = platformOf(target).multiarch;
  std::vector<std::string> folders;
  for (const std::string &folder :
       {"/usr/lib/" + name, "/lib/" + name, "/usr/" + name + "/lib"})
    if (fs::is_directory(folder))
      folders.push_back(folder);
  Target host;
  std::string error;
  if (findTarget("", "", host, error) && host.isX86() == target.isX86())
    for (const char *folder : {"/usr/lib64", "/lib64", "/usr/lib"})
      if (fs::is_directory(folder))
        folders.push_back(folder);
  return folders;
}

std::optional<std::string> find(const std::vector<std::string> &folders,
                                const char *file, const Target &target) {
  for (const std::string &folder : folders) {
    std::string candidate = folder + "/" + file;
    if (fs::exists(candidate))
      return candidate;
  }
  // Elsewhere than usual: the compiler knows.
  if (auto compiler = findCompiler(target)) {
    std::string flag = std::string("-print-file-name=") + file, text;
    if (runAndRead({*compiler, flag}, text) && path::is_absolute(text) &&
        fs::exists(text))
      return text;
  }
  return std::nullopt;
}

/// The compiler's own helpers (conversions of halves and doubles), where some
/// compiler is installed.
std::optional<std::string> findBuiltins(const Target &target) {
  std::string newest;
  for (const char *kind : {"gcc", "gcc-cross"}) {
    std::string base =
        std::string("/usr/lib/") + kind + "/" + platformOf(target).multiarch;
    std::error_code error;
    for (fs::directory_iterator it(base, error), end; !error && it != end;
         it.increment(error)) {
      std::string candidate = it->path() + "/libgcc.a";
      if (fs::exists(candidate) && candidate > newest)
        newest = candidate;
    }
  }
  if (newest.empty())
    return std::nullopt;
  return newest;
}

/// lld's arguments; nothing where a start file is missing.
std::optional<std::vector<std::string>> lldArguments(const LinkJob &job,
                                                     const Target &target) {
  const Platform &platform = platformOf(target);
  std::vector<std::string> arguments = {
      "ld.lld", "-m", platform.emulation, "-o", job.output, "--threads=2"};
  auto add = [&](std::initializer_list<std::string> more) {
    arguments.insert(arguments.end(), more);
  };
  if (job.kind == LinkKind::Relocatable) {
    add({"-r"});
    arguments.insert(arguments.end(), job.inputs.begin(), job.inputs.end());
    return arguments;
  }
  add({"--gc-sections", "--icf=safe", "-O2", "-s", "--build-id=none", "-z",
       "relro", "-z", "now", "-z", "noexecstack", "--hash-style=gnu",
       "--as-needed"});
  std::vector<std::string> folders = libraryFolders(target);
  const char *start = nullptr;
  switch (job.kind) {
  case LinkKind::Executable:
    add({"-pie", "-dynamic-linker", platform.loader});
    start = "Scrt1.o";
    break;
  case LinkKind::StaticExecutable:
    add({"-static"});
    start = "crt1.o";
    break;
  default:
    // Its own functions first: two models may live in one process.
    add({"-shared", "-Bsymbolic", "-z", "defs", "-soname", job.soname});
    break;
  }
  for (const char *file : {start, "crti.o"}) {
    if (!file)
      continue;
    auto found = find(folders, file, target);
    if (!found)
      return std::nullopt;
    add({*found});
  }
  arguments.insert(arguments.end(), job.inputs.begin(), job.inputs.end());
  for (const std::string &folder : folders)
    add({"-L" + folder});
  if (job.kind == LinkKind::StaticExecutable)
    add({"--start-group", "-lm", "-lc"});
  else
    add({"-lm", "-lc"});
  if (auto builtins = findBuiltins(target))
    add({*builtins});
  if (job.kind == LinkKind::StaticExecutable) {
    // glibc's static start code unwinds through libgcc_eh.
    if (auto builtins = findBuiltins(target)) {
      std::string eh = path::parent_path(*builtins).str() + "/libgcc_eh.a";
      if (fs::exists(eh))
        add({eh});
    }
    add({"--end-group"});
  }
  if (auto found = find(folders, "crtn.o", target))
    add({*found});
  return arguments;
}

bool linkWithLld(const LinkJob &job, const Target &target, std::string &error) {
  auto arguments = lldArguments(job, target);
  if (!arguments) {
    error = "the C library's start files for " + target.triple +
            " were not found (on Debian: package " +
            platformOf(target).package + ")";
    return false;
  }
  std::vector<const char *> pointers;
  for (const std::string &argument : *arguments)
    pointers.push_back(argument.c_str());
  std::string messages;
  llvm::raw_string_ostream stream(messages);
  lld::Result result = lld::lldMain(pointers, llvm::nulls(), stream,
                                    {{lld::Gnu, &lld::elf::link}});
  if (result.retCode == 0)
    return true;
  error = llvm::StringRef(messages).trim().str();
  return false;
}

bool linkWithCompiler(const LinkJob &job, const Target &target,
                      std::string &error) {
  auto compiler = findCompiler(target);
  if (!compiler)
    return false;
  std::vector<std::string> arguments = {*compiler, "-o", job.output};
  switch (job.kind) {
  case LinkKind::Executable:
    arguments.push_back("-pie");
    break;
  case LinkKind::StaticExecutable:
    arguments.push_back("-static");
    break;
  case LinkKind::SharedLibrary:
    arguments.push_back("-shared");
    arguments.push_back("-Wl,-Bsymbolic,-soname," + job.soname);
    break;
  case LinkKind::Relocatable:
    arguments.push_back("-r");
    arguments.push_back("-nostdlib");
    break;
  }
  if (job.kind != LinkKind::Relocatable) {
    arguments.push_back("-s");
    arguments.push_back("-Wl,--gc-sections");
  }
  arguments.insert(arguments.end(), job.inputs.begin(), job.inputs.end());
  if (job.kind != LinkKind::Relocatable)
    arguments.push_back("-lm");
  std::vector<llvm::StringRef> views(arguments.begin(), arguments.end());
  std::string text;
  if (runAndRead(views, text))
    return true;
  error += "\n`" + path::filename(*compiler).str() + "` says: " + text;
  return false;
}

} // namespace

bool mapsto::link(const LinkJob &job, const Target &target,
                  std::string &error) {
  return linkWithLld(job, target, error) ||
         linkWithCompiler(job, target, error);
}
