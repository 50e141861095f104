#include "runtime/artifact.h"

#include "runtime/cpu_features.h"

using namespace mapsto::runtime;

static thread_local char lastError[1024];

mapsto_status mapsto::runtime::fail(mapsto_status status, const char *format,
                                    ...) {
  va_list args;
  va_start(args, format);
  vsnprintf(lastError, sizeof lastError, format, args);
  va_end(args);
  return status;
}

void mapsto::runtime::addDirectory(String &text, const char *path) {
  const char *slash = strrchr(path, '/');
  if (!slash)
    text.add(".");
  else
    text.add(path, slash == path ? 1 : size_t(slash - path));
}

const char *mapsto_last_error(void) { return lastError; }

const char *mapsto_version(void) { return MAPSTO_VERSION; }

/// Names every missing feature in one line.
static mapsto_status checkCpu(const Manifest &manifest) {
  String missing;
  for (Text feature : manifest.features) {
    const char *name = manifest.text(feature);
    if (!cpuHas(name))
      missing.addf("%s%s", missing.empty() ? "" : ", ", name);
  }
  if (missing.empty())
    return MAPSTO_OK;
  return fail(MAPSTO_UNSUPPORTED,
              "`%s` was compiled for %s, but this CPU lacks %s; compile it "
              "with another --cpu",
              manifest.text(manifest.header().name),
              manifest.text(manifest.header().cpu), missing.c_str());
}

template <typename T>
static bool describeTypes(const Manifest &manifest, const Records<T> &tensors,
                          Fixed<String> &types) {
  if (!types.create(tensors.count))
    return false;
  for (uint32_t i = 0; i < tensors.count; ++i) {
    types[i].add(mapsto_dtype_name(mapsto_dtype(tensors[i].dtype)));
    types[i].add('[');
    const char *separator = "";
    for (uint32_t dim : manifest.list(tensors[i].dims)) {
      types[i].addf("%s%s", separator, manifest.text(manifest.exprs[dim].text));
      separator = ", ";
    }
    types[i].add(']');
  }
  return true;
}

static mapsto_status openImage(const mapsto_image &image, const char *directory,
                               mapsto_artifact &artifact) {
  if (image.magic != MAPSTO_IMAGE_MAGIC)
    return fail(MAPSTO_BAD_ARTIFACT, "this is not a compiled Mapsto model");
  if (image.version != MAPSTO_IMAGE_VERSION)
    return fail(MAPSTO_BAD_ARTIFACT,
                "the artifact was made by another version of Mapsto");
  Manifest &m = artifact.manifest;
  if (const char *wrong = m.open(image.manifest, image.manifest_size))
    return fail(MAPSTO_BAD_ARTIFACT, "the artifact is damaged: %s", wrong);
  if (mapsto_status status = checkCpu(m))
    return status;
  if (m.shaders.count)
    artifact.backend = image.backend;
  if (artifact.backend)
    if (const char *wrong = artifact.backend->check(&artifact))
      return fail(MAPSTO_BAD_ARTIFACT, "the artifact is damaged: %s", wrong);
  artifact.onCpu = image.kernel_count || !artifact.backend;
  if (artifact.onCpu && (image.kernel_count != m.kernels.count ||
                         (m.kernels.count && !image.kernels)))
    return fail(MAPSTO_BAD_ARTIFACT,
                "the artifact is damaged: it has %llu kernels, but %u are "
                "described",
                (unsigned long long)image.kernel_count, m.kernels.count);
  artifact.kernels = image.kernels;
  if (!describeTypes(m, m.inputs, artifact.types[MAPSTO_INPUT]) ||
      !describeTypes(m, m.outputs, artifact.types[MAPSTO_OUTPUT]) ||
      !describeTypes(m, m.states, artifact.types[MAPSTO_STATE]) ||
      !describeTypes(m, m.parameters, artifact.types[MAPSTO_PARAMETER]))
    return fail(MAPSTO_OUT_OF_MEMORY, "out of memory");

  bool beside = m.header().weightsFile.length != 0;
  if (image.weights || !m.header().weightsSize) {
    if (image.weights_size != m.header().weightsSize)
      return fail(MAPSTO_BAD_ARTIFACT,
                  "the artifact is damaged: its weights have another size than "
                  "described");
    artifact.weights = static_cast<const char *>(image.weights);
    return MAPSTO_OK;
  }
  if (!beside)
    return fail(MAPSTO_BAD_ARTIFACT,
                "the artifact is damaged: it has no weights");
  return mapWeights(artifact, directory);
}

void mapsto::runtime::addDevices(String &text,
                                 const mapsto_artifact &artifact) {
  if (artifact.onCpu)
    text.add("`cpu`");
  if (artifact.backend)
    text.addf("%s`%s`", artifact.onCpu ? " and " : "", artifact.backend->name);
}

mapsto_status mapsto_artifact_from_image(const mapsto_image *image,
                                         const char *directory,
                                         mapsto_artifact **artifact) {
  *artifact = nullptr;
  if (!image)
    return fail(MAPSTO_INVALID, "no image given");
  mapsto_artifact *opened = create<mapsto_artifact>();
  if (!opened)
    return fail(MAPSTO_OUT_OF_MEMORY, "out of memory");
  if (mapsto_status status = openImage(*image, directory, *opened)) {
    mapsto_artifact_close(opened);
    return status;
  }
  *artifact = opened;
  return MAPSTO_OK;
}

void mapsto_artifact_close(mapsto_artifact *artifact) {
  if (!artifact ||
      artifact->references.fetch_sub(1, std::memory_order_acq_rel) != 1)
    return;
  if (artifact->backend)
    artifact->backend->close_artifact(artifact);
  unmapWeights(*artifact);
  void *library = artifact->library;
  auto *closeLibrary = artifact->closeLibrary;
  destroy(artifact);
  if (library)
    closeLibrary(library);
}

//===----------------------------------------------------------------------===//
// Signature
//===----------------------------------------------------------------------===//

const char *mapsto_model_name(const mapsto_artifact *artifact) {
  return artifact->manifest.text(artifact->manifest.header().name);
}

const char *mapsto_model_doc(const mapsto_artifact *artifact) {
  return artifact->manifest.text(artifact->manifest.header().doc);
}

size_t mapsto_count(const mapsto_artifact *artifact, mapsto_role role) {
  return unsigned(role) <= MAPSTO_PARAMETER ? artifact->types[role].size() : 0;
}

namespace {
/// What the records of all roles have in common.
struct Described {
  Text name, doc;
  uint32_t dtype;
  List dims;
};
} // namespace

static Described described(const mapsto_artifact *artifact, mapsto_role role,
                           uint32_t index) {
  const Manifest &m = artifact->manifest;
  if (role == MAPSTO_PARAMETER) {
    const ParameterRecord &p = m.parameters[index];
    return {p.name, p.doc, p.dtype, p.dims};
  }
  const TensorRecord &t = role == MAPSTO_INPUT    ? m.inputs[index]
                          : role == MAPSTO_OUTPUT ? m.outputs[index]
                                                  : m.states[index];
  return {t.name, t.doc, t.dtype, t.dims};
}

int mapsto_describe(const mapsto_artifact *artifact, mapsto_role role,
                    size_t index, mapsto_signature *signature) {
  if (index >= mapsto_count(artifact, role))
    return 0;
  Described d = described(artifact, role, uint32_t(index));
  const Manifest &m = artifact->manifest;
  *signature = {m.text(d.name), mapsto_dtype(d.dtype), int(d.dims.count),
                artifact->types[role][index].c_str(), m.text(d.doc)};
  return 1;
}

const char *mapsto_dim_text(const mapsto_artifact *artifact, mapsto_role role,
                            size_t index, int axis) {
  if (index >= mapsto_count(artifact, role))
    return nullptr;
  const Manifest &m = artifact->manifest;
  Records<uint32_t> dims =
      m.list(described(artifact, role, uint32_t(index)).dims);
  if (axis < 0 || uint32_t(axis) >= dims.count)
    return nullptr;
  return m.text(m.exprs[dims[uint32_t(axis)]].text);
}

int mapsto_find(const mapsto_artifact *artifact, mapsto_role role,
                const char *name) {
  for (size_t i = 0, n = mapsto_count(artifact, role); i < n; ++i)
    if (equal(artifact->manifest.text(
                  described(artifact, role, uint32_t(i)).name),
              name))
      return int(i);
  return -1;
}

size_t mapsto_symbol_count(const mapsto_artifact *artifact) {
  return artifact->manifest.symbols.count;
}

const char *mapsto_symbol_name(const mapsto_artifact *artifact, size_t index) {
  const Manifest &m = artifact->manifest;
  return index < m.symbols.count ? m.text(m.symbols[uint32_t(index)].name)
                                 : nullptr;
}

size_t mapsto_kernel_count(const mapsto_artifact *artifact) {
  return artifact->manifest.kernels.count;
}

const char *mapsto_kernel_name(const mapsto_artifact *artifact, size_t index) {
  const Manifest &m = artifact->manifest;
  return index < m.kernels.count ? m.text(m.kernels[uint32_t(index)].symbol)
                                 : nullptr;
}
