//===- manifest_writer.h - how the compiler describes a model -------------===//
//
// Plain structs mirroring runtime/manifest.h, with strings and vectors in the
// place of offsets. The compiler fills a ManifestModel, calls
// computeLifetimes, and serializes it; the blob goes beside the kernels' code.
//
// Ids are indices: a buffer's id is its place in ManifestModel::buffers, and so
// on. Expressions are made through ManifestModel::expr, which keeps equal ones
// once.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_RUNTIME_MANIFEST_WRITER_H
#define MAPSTO_RUNTIME_MANIFEST_WRITER_H

#include "runtime/manifest.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace mapsto {

inline constexpr uint32_t kNoId = runtime::kNone;

/// A size expression in postfix order, built from the leaves:
///   ManifestExpr::symbol(0, "B") * ManifestExpr::constant(2)
/// The text is put together along the way; set `text` for a canonical one.
struct ManifestExpr {
  struct Op {
    runtime::Opcode opcode;
    int64_t value = 0;
    bool operator==(const Op &) const = default;
  };
  std::vector<Op> code;
  std::string text;

  static ManifestExpr constant(int64_t value) {
    return {{{runtime::Opcode::Constant, value}}, std::to_string(value)};
  }
  static ManifestExpr symbol(uint32_t id, std::string name) {
    return {{{runtime::Opcode::Symbol, id}}, std::move(name)};
  }
  static ManifestExpr binary(runtime::Opcode opcode, const ManifestExpr &left,
                             const ManifestExpr &right) {
    ManifestExpr result = left;
    result.code.insert(result.code.end(), right.code.begin(), right.code.end());
    result.code.push_back({opcode});
    auto paren = [](const ManifestExpr &e) {
      return e.code.size() > 1 ? "(" + e.text + ")" : e.text;
    };
    auto infix = [&](const char *sign) {
      return paren(left) + sign + paren(right);
    };
    auto call = [&](const char *name) {
      return name + ("(" + left.text) + ", " + right.text + ")";
    };
    switch (opcode) {
    case runtime::Opcode::Sub:
      result.text = infix(" - ");
      break;
    case runtime::Opcode::Mul:
      result.text = infix("*");
      break;
    case runtime::Opcode::FloorDiv:
      result.text = call("floordiv");
      break;
    case runtime::Opcode::CeilDiv:
      result.text = call("ceildiv");
      break;
    case runtime::Opcode::Mod:
      result.text = call("mod");
      break;
    case runtime::Opcode::Min:
      result.text = call("min");
      break;
    case runtime::Opcode::Max:
      result.text = call("max");
      break;
    default:
      result.text = infix(" + ");
      break;
    }
    return result;
  }
  friend ManifestExpr operator+(const ManifestExpr &a, const ManifestExpr &b) {
    return binary(runtime::Opcode::Add, a, b);
  }
  friend ManifestExpr operator-(const ManifestExpr &a, const ManifestExpr &b) {
    return binary(runtime::Opcode::Sub, a, b);
  }
  friend ManifestExpr operator*(const ManifestExpr &a, const ManifestExpr &b) {
    return binary(runtime::Opcode::Mul, a, b);
  }
};

struct ManifestSymbol {
  std::string name;
  int64_t defaultValue = runtime::kNoValue;
};

/// An input, an output or a state. `dims` are expression ids.
struct ManifestTensor {
  std::string name, doc;
  mapsto_dtype dtype = MAPSTO_F32;
  std::vector<uint32_t> dims;
  uint32_t buffer = kNoId;
};

struct ManifestParameter {
  std::string name, doc;
  mapsto_dtype dtype = MAPSTO_F32;
  std::vector<int64_t> shape;
  uint64_t offset = 0, size = 0;
};

struct ManifestBuffer {
  std::string name, type;
  runtime::BufferKind kind = runtime::BufferKind::Arena;
  uint32_t index = 0;     ///< which input, output, state; or the aliased buffer
  uint64_t offset = 0;    ///< Weights: bytes into the weights
  uint32_t size = kNoId;  ///< expression id, bytes
  uint32_t start = kNoId; ///< Alias: expression id, bytes into its buffer
  uint32_t firstStep = 0, lastStep = 0; ///< set by computeLifetimes
};

struct ManifestKernel {
  std::string symbol, kind, location;
  std::vector<std::string> ops;   ///< what was fused: "Linear fc (m.mto:3:8)"
  std::vector<std::string> sites; ///< places that may meet a bad index
  uint32_t argumentCount = 0, resultCount = 0;
  uint32_t grid = kNoId, cost = kNoId, flops = kNoId, bytes = kNoId;
  uint32_t scratch = kNoId; ///< kNoId: none
  uint32_t team = kNoId;    ///< times that a team waits; kNoId: never a team
  uint32_t shared = kNoId;  ///< kNoId: none
};

/// See TilingRecord.
struct ManifestTiling {
  uint32_t workgroupSize, sharedBytes, items, when;
  std::vector<uint32_t> constants;
  uint32_t matrix = 0;
};

/// See VariantRecord.
struct ManifestVariant {
  std::vector<uint32_t> words;
  uint32_t features = 0, sharedBytes = 0;
  uint32_t when = kNoId;
  std::vector<ManifestTiling> tilings = {};
};

/// A kernel's shader (see ShaderRecord).
struct ManifestShader {
  std::vector<ManifestVariant> variants;
  std::vector<uint32_t> pushes; ///< expression ids
  runtime::DispatchKind dispatch = runtime::DispatchKind::Invocations;
  uint32_t items = kNoId;
  uint32_t workgroupSize = 64;
  uint32_t bindingCount = 0;
  uint32_t scratch = kNoId, clearedBytes = 0;
  uint32_t startsFrom = kNoId;
  std::vector<std::string> sites;
};

struct ManifestPhase {
  std::string name;
  std::string stored; ///< its text, or that compressed
  uint32_t length;    ///< of the text
};

struct ManifestStep {
  runtime::StepKind kind = runtime::StepKind::Launch;
  uint32_t kernel = kNoId;
  std::vector<uint32_t> buffers; ///< Launch: arguments, results; Copy: from, to
  bool beside = false; ///< Launch: may run at once with the launch before it
  // Loops.
  uint32_t count = kNoId;
  uint32_t stop = kNoId, counter = kNoId; ///< buffers
  std::vector<ManifestStep> body;
  std::vector<std::pair<uint32_t, uint32_t>> carries; ///< from, to

  static ManifestStep launch(uint32_t kernel, std::vector<uint32_t> buffers) {
    ManifestStep step;
    step.kernel = kernel;
    step.buffers = std::move(buffers);
    return step;
  }
  static ManifestStep copy(uint32_t from, uint32_t to) {
    ManifestStep step;
    step.kind = runtime::StepKind::Copy;
    step.buffers = {from, to};
    return step;
  }
  static ManifestStep loop(uint32_t count, std::vector<ManifestStep> body) {
    ManifestStep step;
    step.kind = runtime::StepKind::Loop;
    step.count = count;
    step.body = std::move(body);
    return step;
  }
};

struct ManifestCheck {
  runtime::CheckKind kind = runtime::CheckKind::Equal;
  uint32_t left = kNoId, right = kNoId;
  std::string message;
};

struct ManifestModel {
  std::string name, doc, triple, cpu, options;
  std::vector<std::string> features; ///< "avx2", "fma", ... without '+'
  std::string weightsFile; ///< name of the file beside, or empty if embedded
  uint64_t weightsSize = 0, weightsId = 0;

  std::vector<ManifestSymbol> symbols;
  std::vector<ManifestExpr> exprs;
  std::vector<ManifestTensor> inputs, outputs, states;
  std::vector<ManifestParameter> parameters;
  std::vector<ManifestBuffer> buffers;
  std::vector<ManifestKernel> kernels;
  std::vector<ManifestShader> shaders; ///< none, or one a kernel
  std::vector<ManifestStep> steps;
  std::vector<std::pair<uint32_t, uint32_t>> writeBacks; ///< state, buffer
  std::vector<ManifestCheck> checks;
  std::vector<ManifestPhase> phases;

  /// The id of an expression; the same id for the same code.
  uint32_t expr(const ManifestExpr &e) {
    for (uint32_t i = 0; i < exprs.size(); ++i)
      if (exprs[i].code == e.code)
        return i;
    exprs.push_back(e);
    return uint32_t(exprs.size() - 1);
  }
  uint32_t expr(int64_t constant) {
    return expr(ManifestExpr::constant(constant));
  }
};

namespace manifest_detail {

/// Step ids in the order serialize gives them: a level, then the bodies of its
/// loops, each in turn.
struct Numbering {
  struct Entry {
    const ManifestStep *step;
    uint32_t firstChild;
    uint32_t last; ///< the greatest id in its body, or its own
  };
  std::vector<Entry> entries;

  uint32_t level(const std::vector<ManifestStep> &steps) {
    uint32_t first = uint32_t(entries.size());
    for (const ManifestStep &step : steps)
      entries.push_back({&step, 0, uint32_t(entries.size())});
    for (uint32_t i = first, end = first + uint32_t(steps.size()); i < end;
         ++i) {
      const ManifestStep *step = entries[i].step;
      if (step->kind != runtime::StepKind::Loop)
        continue;
      entries[i].firstChild = level(step->body);
      entries[i].last = uint32_t(entries.size() - 1);
    }
    return first;
  }
};

} // namespace manifest_detail

/// Sets the life of every arena buffer from the steps, in time order: position
/// in a walk that enters loops. A buffer touched in a loop and also outside it,
/// or carried, or read in the body before it is written there, lives as long as
/// the whole loop. Write-backs read after the last step.
inline void computeLifetimes(ManifestModel &model) {
  struct Life {
    uint32_t first = kNoId, last = 0;
    void cover(uint32_t from, uint32_t to) {
      first = std::min(first, from);
      last = std::max(last, to);
    }
  };
  std::vector<Life> lives(model.buffers.size());
  auto base = [&](uint32_t b) {
    while (model.buffers[b].kind == runtime::BufferKind::Alias)
      b = model.buffers[b].index;
    return b;
  };

  struct Touch {
    uint32_t buffer, time;
    bool writes;
  };
  struct Loop {
    uint32_t first, last;
    std::vector<uint32_t>
        held; ///< live through the loop whatever their touches
  };
  std::vector<Touch> touches;
  std::vector<Loop> loops; // inner before outer
  uint32_t now = 0;
  auto walk = [&](auto &&self, const std::vector<ManifestStep> &steps) -> void {
    for (const ManifestStep &step : steps) {
      // Launches that may run at once share a moment: what one of them reads
      // or writes is alive while any of them runs.
      uint32_t time = step.beside ? now - 1 : now++;
      if (step.kind == runtime::StepKind::Loop) {
        Loop loop{time, 0, {}};
        self(self, step.body);
        // The end of an iteration is a moment of its own: the carries.
        loop.last = now++;
        for (uint32_t b : {step.stop, step.counter})
          if (b != kNoId)
            loop.held.push_back(base(b));
        for (auto [from, to] : step.carries) {
          loop.held.push_back(base(to));
          // Overlapping carries copy in order: `from` must outlast them.
          touches.push_back({base(from), loop.last, false});
        }
        loops.push_back(std::move(loop));
        continue;
      }
      uint32_t arguments = step.kind == runtime::StepKind::Copy
                               ? 1
                               : model.kernels[step.kernel].argumentCount;
      for (uint32_t i = 0; i < step.buffers.size(); ++i)
        touches.push_back({base(step.buffers[i]), time, i >= arguments});
    }
  };
  walk(walk, model.steps);
  for (auto [state, buffer] : model.writeBacks)
    touches.push_back({base(buffer), now, false});

  // Reads first at one moment: a kernel's arguments are read before it writes.
  std::sort(touches.begin(), touches.end(), [](const Touch &a, const Touch &b) {
    return std::pair(a.time, a.writes) < std::pair(b.time, b.writes);
  });
  for (const Touch &t : touches)
    lives[t.buffer].cover(t.time, t.time);
  for (const Loop &loop : loops) {
    for (uint32_t b : loop.held)
      lives[b].cover(loop.first, loop.last);
    std::vector<bool> written(model.buffers.size());
    std::vector<bool> inside(model.buffers.size());
    std::vector<bool> outside(model.buffers.size());
    for (const Touch &t : touches) {
      bool in = t.time >= loop.first && t.time <= loop.last;
      if (in && !t.writes && !written[t.buffer])
        outside[t.buffer] = true;
      if (in && t.writes)
        written[t.buffer] = true;
      (in ? inside : outside)[t.buffer] = true;
    }
    for (uint32_t b = 0; b < lives.size(); ++b)
      if (inside[b] && outside[b])
        lives[b].cover(loop.first, loop.last);
  }
  for (uint32_t b = 0; b < lives.size(); ++b) {
    bool used = lives[b].first != kNoId;
    model.buffers[b].firstStep = used ? lives[b].first : 0;
    model.buffers[b].lastStep = used ? lives[b].last : 0;
  }
}

namespace manifest_detail {
/// A constant that is too wide for its field becomes high * 2^32 + low.
inline void addOp(const ManifestExpr::Op &op,
                  std::vector<runtime::ExprOp> &ops) {
  using runtime::Opcode;
  auto add = [&](Opcode opcode, int64_t value) {
    runtime::ExprOp added;
    added.opcode = uint64_t(opcode);
    added.value = value;
    ops.push_back(added);
    return added.value == value;
  };
  if (add(op.opcode, op.value))
    return;
  ops.pop_back();
  add(Opcode::Constant, op.value >> 32);
  add(Opcode::Constant, int64_t(1) << 32);
  add(Opcode::Mul, 0);
  add(Opcode::Constant, op.value & 0xffffffff);
  add(Opcode::Add, 0);
}
} // namespace manifest_detail

/// The manifest as bytes, to be placed 8-byte aligned. What it describes is
/// checked where it is opened, not here.
inline std::vector<uint8_t> serialize(const ManifestModel &model) {
  using namespace runtime;
  std::string strings;
  std::map<std::string, uint32_t> seen;
  auto text = [&](const std::string &s) -> Text {
    auto [it, fresh] = seen.try_emplace(s, uint32_t(strings.size()));
    if (fresh) {
      strings += s;
      strings += '\0';
    }
    return {it->second, uint32_t(s.size())};
  };
  std::vector<uint32_t> indices;
  auto list = [&](const std::vector<uint32_t> &ids) -> List {
    List l{uint32_t(indices.size()), uint32_t(ids.size())};
    indices.insert(indices.end(), ids.begin(), ids.end());
    return l;
  };
  std::vector<Text> texts;
  auto textList = [&](const std::vector<std::string> &items) -> List {
    std::vector<uint32_t> ids;
    for (const std::string &item : items) {
      ids.push_back(uint32_t(texts.size()));
      texts.push_back(text(item));
    }
    return list(ids);
  };
  auto constantIds = [](ManifestModel &m, const std::vector<int64_t> &shape) {
    std::vector<uint32_t> ids;
    for (int64_t size : shape)
      ids.push_back(m.expr(size));
    return ids;
  };

  std::vector<ParameterRecord> parameters;
  ManifestModel constants; // the shapes of parameters, appended to the model's
  uint32_t firstConstant = uint32_t(model.exprs.size());
  for (const ManifestParameter &p : model.parameters) {
    std::vector<uint32_t> ids = constantIds(constants, p.shape);
    for (uint32_t &id : ids)
      id += firstConstant;
    parameters.push_back({text(p.name), text(p.doc), uint32_t(p.dtype), 0,
                          list(ids), p.offset, p.size});
  }

  std::vector<ExprOp> exprOps;
  std::vector<ExprRecord> exprs;
  auto addExprs = [&](const std::vector<ManifestExpr> &from) {
    for (const ManifestExpr &e : from) {
      uint32_t first = uint32_t(exprOps.size());
      for (const ManifestExpr::Op &op : e.code)
        manifest_detail::addOp(op, exprOps);
      exprs.push_back({text(e.text), first, uint32_t(exprOps.size()) - first});
    }
  };
  addExprs(model.exprs);
  addExprs(constants.exprs);

  std::vector<SymbolRecord> symbols;
  for (const ManifestSymbol &s : model.symbols)
    symbols.push_back({text(s.name), s.defaultValue});

  auto tensors = [&](const std::vector<ManifestTensor> &from) {
    std::vector<TensorRecord> to;
    for (const ManifestTensor &t : from)
      to.push_back({text(t.name), text(t.doc), uint32_t(t.dtype), t.buffer,
                    list(t.dims)});
    return to;
  };
  std::vector<TensorRecord> inputs = tensors(model.inputs);
  std::vector<TensorRecord> outputs = tensors(model.outputs);
  std::vector<TensorRecord> states = tensors(model.states);

  std::vector<BufferRecord> buffers;
  for (const ManifestBuffer &b : model.buffers)
    buffers.push_back({text(b.name), text(b.type), uint32_t(b.kind), b.index,
                       b.offset, b.size, b.start, b.firstStep, b.lastStep});

  std::vector<KernelRecord> kernels;
  for (const ManifestKernel &k : model.kernels)
    kernels.push_back({text(k.symbol), text(k.kind), text(k.location),
                       textList(k.ops), textList(k.sites), k.argumentCount,
                       k.resultCount, k.grid, k.cost, k.flops, k.bytes,
                       k.scratch, k.team, k.shared});

  std::vector<uint32_t> shaderWords;
  std::vector<ShaderRecord> shaders;
  std::vector<VariantRecord> variants;
  std::vector<TilingRecord> tilings;
  for (const ManifestShader &s : model.shaders) {
    shaders.push_back({{uint32_t(variants.size()), uint32_t(s.variants.size())},
                       list(s.pushes),
                       uint32_t(s.dispatch),
                       s.items,
                       s.workgroupSize,
                       s.bindingCount,
                       s.scratch,
                       s.clearedBytes,
                       s.startsFrom,
                       0,
                       textList(s.sites)});
    for (const ManifestVariant &v : s.variants) {
      variants.push_back(
          {{uint32_t(shaderWords.size()), uint32_t(v.words.size())},
           v.features,
           v.sharedBytes,
           v.when,
           0,
           {uint32_t(tilings.size()), uint32_t(v.tilings.size())}});
      shaderWords.insert(shaderWords.end(), v.words.begin(), v.words.end());
      for (const ManifestTiling &t : v.tilings)
        tilings.push_back({t.workgroupSize, t.sharedBytes, t.items, t.when,
                           list(t.constants), t.matrix, 0});
    }
  }

  std::vector<StepRecord> steps;
  manifest_detail::Numbering numbering;
  numbering.level(model.steps);
  for (const auto &entry : numbering.entries) {
    const ManifestStep &s = *entry.step;
    std::vector<uint32_t> carries;
    for (auto [from, to] : s.carries) {
      carries.push_back(from);
      carries.push_back(to);
    }
    steps.push_back({uint32_t(s.kind), s.kernel, list(s.buffers), s.count,
                     s.stop, s.counter, entry.firstChild,
                     uint32_t(s.body.size()), s.beside, list(carries)});
  }

  std::vector<WriteBackRecord> writeBacks;
  for (auto [state, buffer] : model.writeBacks)
    writeBacks.push_back({state, buffer});
  std::vector<CheckRecord> checks;
  for (const ManifestCheck &c : model.checks)
    checks.push_back({uint32_t(c.kind), c.left, c.right, 0, text(c.message)});
  std::vector<PhaseRecord> phases;
  for (const ManifestPhase &phase : model.phases)
    phases.push_back({text(phase.name), text(phase.stored), phase.length, 0});
  std::vector<Text> features;
  for (const std::string &f : model.features)
    features.push_back(text(f));

  Header header{};
  std::memcpy(header.magic, kManifestMagic, sizeof header.magic);
  header.version = kManifestVersion;
  header.rootCount = uint32_t(model.steps.size());
  header.name = text(model.name);
  header.doc = text(model.doc);
  header.triple = text(model.triple);
  header.cpu = text(model.cpu);
  header.options = text(model.options);
  header.weightsFile = text(model.weightsFile);
  header.weightsSize = model.weightsSize;
  header.weightsId = model.weightsId;

  std::vector<uint8_t> blob(sizeof(Header));
  auto section = [&](Section s, const auto &records) {
    blob.resize((blob.size() + 7) / 8 * 8);
    header.sections[size_t(s)] = {blob.size(), records.size()};
    auto *bytes = reinterpret_cast<const uint8_t *>(records.data());
    blob.insert(blob.end(), bytes,
                bytes + records.size() * sizeof(records.data()[0]));
  };
  section(Section::Strings, strings);
  section(Section::Indices, indices);
  section(Section::ExprOps, exprOps);
  section(Section::Exprs, exprs);
  section(Section::Symbols, symbols);
  section(Section::Inputs, inputs);
  section(Section::Outputs, outputs);
  section(Section::States, states);
  section(Section::Parameters, parameters);
  section(Section::Buffers, buffers);
  section(Section::Kernels, kernels);
  section(Section::Steps, steps);
  section(Section::WriteBacks, writeBacks);
  section(Section::Checks, checks);
  section(Section::Phases, phases);
  section(Section::Features, features);
  section(Section::Texts, texts);
  section(Section::Shaders, shaders);
  section(Section::ShaderWords, shaderWords);
  section(Section::Variants, variants);
  section(Section::Tilings, tilings);
  blob.resize((blob.size() + 7) / 8 * 8);
  header.size = blob.size();
  std::memcpy(blob.data(), &header, sizeof header);
  return blob;
}

/// The first 64 bytes of a weights file left beside an artifact.
inline runtime::WeightsFileHeader weightsFileHeader(uint64_t id,
                                                    uint64_t size) {
  runtime::WeightsFileHeader header{};
  std::memcpy(header.magic, runtime::kWeightsMagic, sizeof header.magic);
  header.id = id;
  header.size = size;
  return header;
}

} // namespace mapsto

#endif // MAPSTO_RUNTIME_MANIFEST_WRITER_H
