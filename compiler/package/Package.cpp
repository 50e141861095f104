#include "compiler/package/Package.h"
#include "compiler/cpu/ObjectCode.h"
#include "compiler/package/CHeader.h"
#include "compiler/package/Link.h"
#include "compiler/package/TemporaryFile.h"
#include "compiler/package/WeightsObject.h"

#include "llvm/Object/Archive.h"
#include "llvm/Object/ArchiveWriter.h"
#include "llvm/Support/BLAKE3.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

using namespace mapsto;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

namespace {

/// Passes what is written on, and hashes it on the way.
class HashingStream : public llvm::raw_ostream {
public:
  explicit HashingStream(llvm::raw_ostream &out) : out(out) {}
  ~HashingStream() override { flush(); }
  uint64_t hash() {
    flush();
    return llvm::support::endian::read64le(hasher.final<8>().data());
  }

private:
  void write_impl(const char *data, size_t size) override {
    hasher.update(
        llvm::ArrayRef<uint8_t>(reinterpret_cast<const uint8_t *>(data), size));
    out.write(data, size);
    position += size;
  }
  uint64_t current_pos() const override { return position; }

  llvm::raw_ostream &out;
  llvm::BLAKE3 hasher;
  uint64_t position = 0;
};

class Packager {
public:
  Packager(mlir::ModuleOp module, ManifestModel manifest,
           const WeightsSource &weights, const Target &target,
           const PackageOptions &options, Timings &timings,
           std::vector<std::string> &written, std::string &error)
      : module(module), manifest(std::move(manifest)), weights(weights),
        target(target), options(options), timings(timings), written(written),
        error(error) {}

  bool run() {
    if (!writeWeights() || !writeCode())
      return false;
    TemporaryFile result(options.output);
    if (!result.ok())
      return fail(result.error());
    if (!result.close())
      return fail(result.error());
    if (!timings.measure("link", [&] { return assemble(result.path()); }))
      return false;
    if (separate && !separate->keep())
      return fail(separate->error());
    if (!result.keep())
      return fail(result.error());
    written.push_back(options.output);
    if (separate)
      written.push_back(separatePath());
    return options.kind != PackageKind::Library || writeHeader();
  }

private:
  bool fail(const std::string &why) {
    error = why;
    return false;
  }
  bool isArchive() const {
    return options.kind == PackageKind::Library &&
           path::extension(options.output) == ".a";
  }
  /// What a model links besides its own objects.
  std::vector<std::string> runtimeArchives() const {
    std::vector<std::string> archives;
    if (!manifest.shaders.empty())
      archives.push_back(options.runtimeFolder + "/libmapsto_vulkan.a");
    archives.push_back(options.runtimeFolder + "/libmapsto_runtime.a");
    return archives;
  }
  std::string separatePath() const { return options.output + ".weights"; }
  bool linksWeights() const {
    return weights.size != 0 && !options.separateWeights;
  }

  bool writeWeights() {
    manifest.weightsSize = weights.size;
    if (weights.size == 0)
      return true;
    return timings.measure("pack", [&] {
      return options.separateWeights ? writeSeparateWeights()
                                     : writeLinkedWeights();
    });
  }

  bool writeLinkedWeights() {
    weightsObject = std::make_unique<TemporaryFile>(options.output);
    if (!weightsObject->ok())
      return fail(weightsObject->error());
    std::string why;
    bool done = writeWeightsObject(
        weightsObject->stream(), target, weightsSymbol(manifest.name),
        weights.size,
        [&](llvm::raw_ostream &out) { return weights.write(out, why); });
    if (!done)
      return fail(why.empty() ? "the weights changed while they were packed"
                              : why);
    return weightsObject->close() || fail(weightsObject->error());
  }

  bool writeSeparateWeights() {
    separate = std::make_unique<TemporaryFile>(separatePath());
    if (!separate->ok())
      return fail(separate->error());
    llvm::raw_fd_ostream &out = separate->stream();
    out.write_zeros(sizeof(runtime::WeightsFileHeader));
    HashingStream hashing(out);
    std::string why;
    if (!weights.write(hashing, why))
      return fail(why);
    manifest.weightsFile = path::filename(separatePath()).str();
    manifest.weightsId = hashing.hash();
    runtime::WeightsFileHeader header =
        weightsFileHeader(manifest.weightsId, weights.size);
    out.pwrite(reinterpret_cast<const char *>(&header), sizeof header, 0);
    return separate->close() || fail(separate->error());
  }

  bool writeCode() {
    ObjectOptions object;
    object.optLevel = options.optLevel;
    // An object or an archive may be linked with other models'.
    object.modelImage = options.kind != PackageKind::Object && !isArchive();
    object.linkedWeights = linksWeights();
    object.entryPoints = options.kind == PackageKind::Library;
    object.backend = true;
    object.cpu = options.cpu;
    auto code = makeObjectCode(module, &manifest, target, object, timings);
    if (failed(code))
      return fail("the compiler failed to make object code");
    codeObject = std::make_unique<TemporaryFile>(options.output);
    if (!codeObject->ok())
      return fail(codeObject->error());
    codeObject->stream().write(code->data(), code->size());
    return codeObject->close() || fail(codeObject->error());
  }

  bool assemble(const std::string &output) {
    if (isArchive())
      return writeArchive(output);
    LinkJob job;
    job.output = output;
    job.soname = path::filename(options.output).str();
    job.inputs = {codeObject->path()};
    if (weightsObject)
      job.inputs.push_back(weightsObject->path());
    switch (options.kind) {
    case PackageKind::Executable:
      job.kind =
          options.isStatic ? LinkKind::StaticExecutable : LinkKind::Executable;
      break;
    case PackageKind::Library:
      job.kind = LinkKind::SharedLibrary;
      break;
    case PackageKind::Object:
      job.kind = LinkKind::Relocatable;
      break;
    }
    if (options.kind == PackageKind::Executable)
      job.inputs.push_back(options.runtimeFolder + "/libmapsto_main.a");
    if (options.kind != PackageKind::Object)
      llvm::append_range(job.inputs, runtimeArchives());
    std::string why;
    return link(job, target, why) || fail("cannot link: " + why);
  }

  /// The model's objects and the runtime's in one archive, so that a program
  /// needs no other library.
  bool writeArchive(const std::string &output) {
    std::vector<llvm::NewArchiveMember> members;
    auto addFile = [&](const std::string &file, llvm::StringRef name) {
      auto member = llvm::NewArchiveMember::getFile(file, true);
      if (!member)
        return fail(llvm::toString(member.takeError()));
      names.push_back(identifierOf(manifest.name) + name.str());
      member->MemberName = names.back();
      members.push_back(std::move(*member));
      return true;
    };
    names.reserve(2);
    if (!addFile(codeObject->path(), ".o") ||
        (weightsObject && !addFile(weightsObject->path(), "_weights.o")))
      return false;

    std::vector<std::unique_ptr<llvm::MemoryBuffer>> buffers;
    for (const std::string &archive : runtimeArchives())
      if (!addMembers(archive, buffers, members))
        return false;
    if (auto e = llvm::writeArchive(output, members,
                                    llvm::SymtabWritingMode::NormalSymtab,
                                    llvm::object::Archive::K_GNU,
                                    /*Deterministic=*/true, /*Thin=*/false))
      return fail(llvm::toString(std::move(e)));
    return true;
  }

  /// Adds an archive's members to others; `buffers` keeps them.
  bool addMembers(const std::string &path,
                  std::vector<std::unique_ptr<llvm::MemoryBuffer>> &buffers,
                  std::vector<llvm::NewArchiveMember> &members) {
    auto buffer = llvm::MemoryBuffer::getFile(path);
    if (!buffer)
      return fail("cannot read `" + path + "`: " + buffer.getError().message());
    buffers.push_back(std::move(*buffer));
    auto archive =
        llvm::object::Archive::create(buffers.back()->getMemBufferRef());
    if (!archive)
      return fail(llvm::toString(archive.takeError()));
    llvm::Error end = llvm::Error::success();
    for (const llvm::object::Archive::Child &child :
         (*archive)->children(end)) {
      auto member = llvm::NewArchiveMember::getOldMember(child, true);
      if (!member) {
        llvm::consumeError(std::move(end));
        return fail(llvm::toString(member.takeError()));
      }
      members.push_back(std::move(*member));
    }
    if (end)
      return fail(llvm::toString(std::move(end)));
    return true;
  }

  bool writeHeader() {
    llvm::SmallString<128> name(options.output);
    path::replace_extension(name, ".h");
    TemporaryFile header{std::string(name)};
    if (!header.ok())
      return fail(header.error());
    header.stream() << makeCHeader(manifest);
    if (!header.keep())
      return fail(header.error());
    written.push_back(std::string(name));
    return true;
  }

  mlir::ModuleOp module;
  ManifestModel manifest;
  const WeightsSource &weights;
  const Target &target;
  const PackageOptions &options;
  Timings &timings;
  std::vector<std::string> &written;
  std::string &error;
  std::unique_ptr<TemporaryFile> weightsObject, separate, codeObject;
  std::vector<std::string> names;
};

} // namespace

bool mapsto::writePackage(mlir::ModuleOp module, ManifestModel manifest,
                          const WeightsSource &weights, const Target &target,
                          const PackageOptions &options, Timings &timings,
                          std::vector<std::string> &written,
                          std::string &error) {
  return Packager(module, std::move(manifest), weights, target, options,
                  timings, written, error)
      .run();
}
