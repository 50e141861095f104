#include "runtime/dtype.h"
#include "runtime/manifest_references.h"

#include <cstring>
#include <initializer_list>

namespace mapsto::runtime {

namespace {

/// The checks of Manifest::open, one kind of record each. Every function
/// returns null, or what is wrong.
struct Checker : References {
  Result text(Text t) const {
    if (t.offset >= m.strings.count || t.length >= m.strings.count - t.offset ||
        m.strings[t.offset + t.length] != '\0')
      return "a text lies outside the manifest";
    return nullptr;
  }
  Result bufferId(uint32_t id) const {
    return id < m.buffers.count ? nullptr : "a buffer does not exist";
  }
  Result optionalBuffer(uint32_t id) const {
    return id == kNone ? nullptr : bufferId(id);
  }

  Result expr(const ExprRecord &e) const {
    if (e.opCount == 0 || e.firstOp > m.exprOps.count ||
        e.opCount > m.exprOps.count - e.firstOp)
      return "a size expression lies outside the manifest";
    uint32_t depth = 0;
    for (uint32_t i = 0; i < e.opCount; ++i) {
      const ExprOp &op = m.exprOps[e.firstOp + i];
      if (op.opcode > uint32_t(Opcode::Last))
        return "a size expression has an unknown operator";
      if (Opcode(op.opcode) == Opcode::Symbol &&
          (op.value < 0 || op.value >= int64_t(m.symbols.count)))
        return "a size expression names a symbol that does not exist";
      bool leaf = op.opcode <= uint32_t(Opcode::Symbol);
      if (leaf ? depth == kMaxExprDepth : depth < 2)
        return "a size expression has a bad stack";
      depth += leaf ? 1 : -1;
    }
    if (depth != 1)
      return "a size expression has a bad stack";
    return text(e.text);
  }

  Result dims(List l) const {
    if (l.count > MAPSTO_MAX_RANK)
      return "a tensor has more than 16 axes";
    return list(l, m.exprs.count, "a size expression does not exist");
  }
  Result dtype(uint32_t d) const {
    return d < kDtypeCount ? nullptr : "a tensor has an unknown dtype";
  }
  Result tensor(const TensorRecord &t, BufferKind kind, uint32_t index) const {
    if (Result r = text(t.name))
      return r;
    if (Result r = text(t.doc))
      return r;
    if (Result r = dtype(t.dtype))
      return r;
    if (Result r = bufferId(t.buffer))
      return r;
    const BufferRecord &b = m.buffers[t.buffer];
    if (b.kind != uint32_t(kind) || b.index != index)
      return "a tensor's buffer is of another";
    return dims(t.dims);
  }
  Result parameter(const ParameterRecord &p) const {
    if (Result r = text(p.name))
      return r;
    if (Result r = text(p.doc))
      return r;
    if (Result r = dtype(p.dtype))
      return r;
    uint64_t total = m.header().weightsSize;
    if (p.offset > total || p.size > total - p.offset)
      return "a parameter lies outside the weights";
    return dims(p.dims);
  }

  Result buffer(const BufferRecord &b, uint32_t id) const {
    if (Result r = text(b.name))
      return r;
    if (Result r = text(b.type))
      return r;
    if (b.kind > uint32_t(BufferKind::Last))
      return "a buffer has an unknown kind";
    if (Result r = exprId(b.sizeExpr))
      return r;
    if (b.firstStep > b.lastStep)
      return "a buffer's life ends before it begins";
    uint32_t bound = UINT32_MAX;
    switch (BufferKind(b.kind)) {
    case BufferKind::Input:
      bound = m.inputs.count;
      break;
    case BufferKind::Output:
      bound = m.outputs.count;
      break;
    case BufferKind::State:
      bound = m.states.count;
      break;
    case BufferKind::Weights:
      if (b.offset > m.header().weightsSize)
        return "a buffer lies outside the weights";
      break;
    case BufferKind::Alias:
      bound = id;
      break;
    case BufferKind::Arena:
      break;
    }
    if (b.index >= bound)
      return "a buffer refers to a tensor that does not exist";
    return BufferKind(b.kind) == BufferKind::Alias ? exprId(b.offsetExpr)
                                                   : nullptr;
  }

  Result kernel(const KernelRecord &k) const {
    for (Text t : {k.symbol, k.kind, k.location})
      if (Result r = text(t))
        return r;
    for (List l : {k.ops, k.sites})
      if (Result r = list(l, m.texts.count, "a text does not exist"))
        return r;
    for (uint32_t e : {k.gridExpr, k.flopsExpr, k.bytesExpr})
      if (Result r = exprId(e))
        return r;
    for (uint32_t e : {k.costExpr, k.scratchExpr, k.teamExpr, k.sharedExpr})
      if (Result r = optionalExpr(e))
        return r;
    return nullptr;
  }

  /// No kernel may write its inputs or the weights.
  bool writable(uint32_t id) const {
    while (BufferKind(m.buffers[id].kind) == BufferKind::Alias)
      id = m.buffers[id].index;
    BufferKind kind = BufferKind(m.buffers[id].kind);
    return kind != BufferKind::Input && kind != BufferKind::Weights;
  }

  Result step(const StepRecord &s) const {
    if (Result r = list(s.buffers, m.buffers.count, "a buffer does not exist"))
      return r;
    if (Result r = list(s.carries, m.buffers.count, "a buffer does not exist"))
      return r;
    uint32_t firstWritten = 0;
    switch (StepKind(s.kind)) {
    case StepKind::Launch: {
      if (s.kernel >= m.kernels.count)
        return "a step launches a kernel that does not exist";
      const KernelRecord &k = m.kernels[s.kernel];
      if (uint64_t(k.argumentCount) + k.resultCount != s.buffers.count)
        return "a step gives a kernel the wrong number of buffers";
      firstWritten = k.argumentCount;
      break;
    }
    case StepKind::Copy:
      if (s.buffers.count != 2)
        return "a copy needs two buffers";
      firstWritten = 1;
      break;
    case StepKind::Loop:
      if (s.carries.count % 2)
        return "a loop's carries are not pairs";
      for (uint32_t i = 1; i < s.carries.count; i += 2)
        if (!writable(m.list(s.carries)[i]))
          return "a step writes to a read-only buffer";
      if (Result r = exprId(s.countExpr))
        return r;
      if (Result r = optionalBuffer(s.stopBuffer))
        return r;
      if (Result r = optionalBuffer(s.counterBuffer))
        return r;
      if (s.counterBuffer != kNone && !writable(s.counterBuffer))
        return "a step writes to a read-only buffer";
      firstWritten = s.buffers.count;
      break;
    default:
      return "a step has an unknown kind";
    }
    for (uint32_t i = firstWritten; i < s.buffers.count; ++i)
      if (!writable(m.list(s.buffers)[i]))
        return "a step writes to a read-only buffer";
    return nullptr;
  }

  /// The steps are exactly one tree, in the writer's order: every body follows
  /// the one before. The depth bounds the runtime's recursion.
  Result nesting() const {
    uint32_t next = m.header().rootCount;
    if (next > m.steps.count)
      return "the schedule is longer than its steps";
    if (Result r = level(0, next, 0, next))
      return r;
    return next == m.steps.count ? nullptr : "a step is in no schedule";
  }
  Result level(uint32_t first, uint32_t end, uint32_t depth,
               uint32_t &next) const {
    if (depth > kMaxLoopDepth)
      return "loops are nested too deeply";
    for (uint32_t i = first; i < end; ++i) {
      const StepRecord &s = m.steps[i];
      if (s.beside && (i == first || StepKind(s.kind) != StepKind::Launch ||
                       StepKind(m.steps[i - 1].kind) != StepKind::Launch))
        return "a step runs beside one that is not there";
      if (StepKind(s.kind) != StepKind::Loop)
        continue;
      if (s.firstChild != next || s.childCount > m.steps.count - next)
        return "a loop's body lies outside the schedule";
      next += s.childCount;
      if (Result r = level(s.firstChild, next, depth + 1, next))
        return r;
    }
    return nullptr;
  }
};

} // namespace

template <typename T>
static bool view(const void *blob, uint64_t size, const SectionRecord &s,
                 Records<T> &records) {
  if (s.offset % 8 || s.offset > size || s.count > UINT32_MAX - 1 ||
      s.count > (size - s.offset) / sizeof(T))
    return false;
  records = {
      reinterpret_cast<const T *>(static_cast<const char *>(blob) + s.offset),
      uint32_t(s.count)};
  return true;
}

const char *Manifest::open(const void *blob, uint64_t size) {
  if (reinterpret_cast<uintptr_t>(blob) % 8)
    return "the manifest is not aligned";
  if (!blob || size < sizeof(Header) ||
      memcmp(blob, kManifestMagic, sizeof kManifestMagic) != 0)
    return "this is not a Mapsto manifest";
  head = static_cast<const Header *>(blob);
  if (head->version != kManifestVersion)
    return "the artifact was made by another version of Mapsto";
  if (head->size != size)
    return "the manifest is truncated";

  auto at = [&](Section s) -> const SectionRecord & {
    return head->sections[size_t(s)];
  };
  if (!view(blob, size, at(Section::Strings), strings) ||
      !view(blob, size, at(Section::Indices), indices) ||
      !view(blob, size, at(Section::ExprOps), exprOps) ||
      !view(blob, size, at(Section::Exprs), exprs) ||
      !view(blob, size, at(Section::Symbols), symbols) ||
      !view(blob, size, at(Section::Inputs), inputs) ||
      !view(blob, size, at(Section::Outputs), outputs) ||
      !view(blob, size, at(Section::States), states) ||
      !view(blob, size, at(Section::Parameters), parameters) ||
      !view(blob, size, at(Section::Buffers), buffers) ||
      !view(blob, size, at(Section::Kernels), kernels) ||
      !view(blob, size, at(Section::Steps), steps) ||
      !view(blob, size, at(Section::WriteBacks), writeBacks) ||
      !view(blob, size, at(Section::Checks), checks) ||
      !view(blob, size, at(Section::Phases), phases) ||
      !view(blob, size, at(Section::Features), features) ||
      !view(blob, size, at(Section::Texts), texts) ||
      !view(blob, size, at(Section::Shaders), shaders) ||
      !view(blob, size, at(Section::ShaderWords), shaderWords) ||
      !view(blob, size, at(Section::Variants), variants) ||
      !view(blob, size, at(Section::Tilings), tilings))
    return "a section lies outside the manifest";

  Checker check{{*this}};
  for (Text t : {head->name, head->doc, head->triple, head->cpu, head->options,
                 head->weightsFile})
    if (const char *wrong = check.text(t))
      return wrong;
  for (Text t : features)
    if (const char *wrong = check.text(t))
      return wrong;
  for (Text t : texts)
    if (const char *wrong = check.text(t))
      return wrong;
  for (const SymbolRecord &s : symbols)
    if (const char *wrong = check.text(s.name))
      return wrong;
  for (const ExprRecord &e : exprs)
    if (const char *wrong = check.expr(e))
      return wrong;
  for (uint32_t i = 0; i < buffers.count; ++i)
    if (const char *wrong = check.buffer(buffers[i], i))
      return wrong;
  for (uint32_t i = 0; i < inputs.count; ++i)
    if (const char *wrong = check.tensor(inputs[i], BufferKind::Input, i))
      return wrong;
  for (uint32_t i = 0; i < outputs.count; ++i)
    if (const char *wrong = check.tensor(outputs[i], BufferKind::Output, i))
      return wrong;
  for (uint32_t i = 0; i < states.count; ++i)
    if (const char *wrong = check.tensor(states[i], BufferKind::State, i))
      return wrong;
  for (const ParameterRecord &p : parameters)
    if (const char *wrong = check.parameter(p))
      return wrong;
  for (const KernelRecord &k : kernels)
    if (const char *wrong = check.kernel(k))
      return wrong;
  for (const StepRecord &s : steps)
    if (const char *wrong = check.step(s))
      return wrong;
  if (const char *wrong = check.nesting())
    return wrong;
  for (const WriteBackRecord &w : writeBacks)
    if (w.state >= states.count || w.result >= buffers.count)
      return "a state is written from a buffer that does not exist";
  for (const CheckRecord &c : checks) {
    if (c.kind > uint32_t(CheckKind::Last))
      return "a check has an unknown kind";
    for (uint32_t e : {c.left, c.right})
      if (const char *wrong = check.exprId(e))
        return wrong;
    if (const char *wrong = check.text(c.message))
      return wrong;
  }
  for (const PhaseRecord &p : phases)
    for (Text t : {p.name, p.stored})
      if (const char *wrong = check.text(t))
        return wrong;
  return nullptr;
}

bool Manifest::find(const void *file, uint64_t size) {
  const char *bytes = static_cast<const char *>(file);
  for (uint64_t at = 0; at < size && size - at >= sizeof(Header); at += 8) {
    if (memcmp(bytes + at, kManifestMagic, sizeof kManifestMagic) != 0)
      continue;
    uint64_t length = reinterpret_cast<const Header *>(bytes + at)->size;
    if (length <= size - at && !open(bytes + at, length))
      return true;
  }
  return false;
}

} // namespace mapsto::runtime
