#include "runtime/session.h"

#include "runtime/expr.h"

namespace mapsto::runtime {

namespace {

/// One settling of a session's sizes.
struct Settler {
  mapsto_session &s;
  const Manifest &m;

  const char *symbolName(uint32_t i) const { return m.text(m.symbols[i].name); }
  const char *exprText(uint32_t id) const { return m.text(m.exprs[id].text); }

  mapsto_status damaged(const char *what) {
    return s.fail(MAPSTO_BAD_ARTIFACT, "the artifact is damaged: %s", what);
  }

  //===--- Symbols
  //---------------------------------------------------------===//

  /// "21 in input `k` (axis 2)"
  void addSource(String &text, const SymbolSource &source,
                 int64_t value) const {
    text.addf("%lld", (long long)value);
    switch (source.kind) {
    case SymbolSource::Input:
      text.addf(" in input `%s` (axis %d)", m.text(m.inputs[source.index].name),
                source.axis);
      break;
    case SymbolSource::State:
      text.addf(" in state `%s` (axis %d), kept from before",
                m.text(m.states[source.index].name), source.axis);
      break;
    case SymbolSource::Pinned:
      text.add(" as it was set");
      break;
    default:
      text.add(" by default");
      break;
    }
  }

  mapsto_status bind(uint32_t symbol, int64_t value, SymbolSource source) {
    SymbolSource &known = s.sources[symbol];
    if (known.kind == SymbolSource::Unbound) {
      s.symbols[symbol] = value;
      known = source;
      return MAPSTO_OK;
    }
    if (s.symbols[symbol] == value)
      return MAPSTO_OK;
    String before, now;
    addSource(before, known, s.symbols[symbol]);
    addSource(now, source, value);
    return s.fail(MAPSTO_INVALID, "`%s` is %s but %s", symbolName(symbol),
                  before.c_str(), now.c_str());
  }

  mapsto_status bindShape(const TensorRecord &record, const Shape &shape,
                          SymbolSource source) {
    for (source.axis = 0; source.axis < shape.rank; ++source.axis) {
      uint32_t dim = m.list(record.dims)[uint32_t(source.axis)];
      uint32_t symbol = soleSymbol(m, dim);
      if (symbol == kNone)
        continue;
      if (mapsto_status status = bind(symbol, shape.dims[source.axis], source))
        return status;
    }
    return MAPSTO_OK;
  }

  mapsto_status bindSymbols() {
    s.symbols.resize(m.symbols.count);
    s.sources.clear();
    s.sources.resize(m.symbols.count);
    for (uint32_t i = 0; i < m.symbols.count; ++i)
      if (s.pinned[i] != kNoValue)
        if (mapsto_status status =
                bind(i, s.pinned[i], {SymbolSource::Pinned, 0, 0}))
          return status;
    for (uint32_t i = 0; i < m.inputs.count; ++i) {
      if (!s.inputs[i].bound)
        return s.fail(MAPSTO_INVALID, "input `%s` (%s) is missing",
                      m.text(m.inputs[i].name),
                      s.artifact->types[MAPSTO_INPUT][i].c_str());
      if (mapsto_status status = bindShape(m.inputs[i], s.inputs[i].shape,
                                           {SymbolSource::Input, i, 0}))
        return status;
    }
    for (uint32_t i = 0; i < m.states.count; ++i)
      if (s.states[i].live)
        if (mapsto_status status = bindShape(m.states[i], s.states[i].shape,
                                             {SymbolSource::State, i, 0}))
          return status;
    for (uint32_t i = 0; i < m.symbols.count; ++i) {
      if (s.sources[i].kind != SymbolSource::Unbound)
        continue;
      int64_t value = m.symbols[i].defaultValue;
      if (value < 0)
        return s.fail(MAPSTO_INVALID,
                      "no input says how large `%s` is: set it, e.g. --dim "
                      "%s=16",
                      symbolName(i), symbolName(i));
      if (mapsto_status status = bind(i, value, {SymbolSource::Default, 0, 0}))
        return status;
    }
    return MAPSTO_OK;
  }

  //===--- Shapes
  //----------------------------------------------------------===//

  /// " with T = 4, B = 2" for the symbols of an expression.
  void addValues(String &text, uint32_t id) const {
    const char *separator = " with ";
    for (uint32_t i = 0; i < m.symbols.count; ++i)
      if (mentions(m, id, i)) {
        text.addf("%s%s = %lld", separator, symbolName(i),
                  (long long)s.symbols[i]);
        separator = ", ";
      }
  }

  mapsto_status value(uint32_t id, int64_t &result) {
    ExprError error = evaluate(m, id, s.symbols.data(), result);
    if (error == ExprError::None)
      return MAPSTO_OK;
    String values;
    addValues(values, id);
    return s.fail(MAPSTO_INVALID, "%s %s%s", exprText(id),
                  error == ExprError::Overflow ? "overflows"
                                               : "divides by zero",
                  values.c_str());
  }

  mapsto_status checkShape(const TensorRecord &record, const char *what,
                           const Shape &shape) {
    for (int axis = 0; axis < shape.rank; ++axis) {
      uint32_t dim = m.list(record.dims)[uint32_t(axis)];
      int64_t want;
      if (mapsto_status status = value(dim, want))
        return status;
      if (want == shape.dims[axis])
        continue;
      String text, values;
      addShape(text, shape);
      addValues(values, dim);
      if (values.empty())
        return s.fail(MAPSTO_INVALID,
                      "%s `%s` has shape %s, but axis %d must be %lld", what,
                      m.text(record.name), text.c_str(), axis, (long long)want);
      return s.fail(MAPSTO_INVALID,
                    "%s `%s` has shape %s, but axis %d must be %s = %lld%s",
                    what, m.text(record.name), text.c_str(), axis,
                    exprText(dim), (long long)want, values.c_str());
    }
    return MAPSTO_OK;
  }

  mapsto_status computeShape(const TensorRecord &record, const char *what,
                             Shape &shape, int64_t &bytes) {
    shape = {};
    shape.rank = int(record.dims.count);
    for (int axis = 0; axis < shape.rank; ++axis) {
      uint32_t dim = m.list(record.dims)[uint32_t(axis)];
      int64_t &size = shape.dims[axis];
      if (mapsto_status status = value(dim, size))
        return status;
      if (size >= 0)
        continue;
      String values;
      addValues(values, dim);
      return s.fail(MAPSTO_INVALID,
                    "%s `%s` would have size %lld on axis %d (%s%s)", what,
                    m.text(record.name), (long long)size, axis, exprText(dim),
                    values.c_str());
    }
    mapsto_dtype dtype = mapsto_dtype(record.dtype);
    int64_t count = elementCount(dtype, shape.dims, shape.rank);
    if (count < 0) {
      String text;
      addShape(text, shape);
      return s.fail(MAPSTO_INVALID, "%s `%s` would be too large: %s", what,
                    m.text(record.name), text.c_str());
    }
    bytes = count * int64_t(mapsto_dtype_size(dtype));
    return MAPSTO_OK;
  }

  mapsto_status checkConditions() {
    for (const CheckRecord &check : m.checks) {
      int64_t left, right;
      if (mapsto_status status = value(check.left, left))
        return status;
      if (mapsto_status status = value(check.right, right))
        return status;
      bool equality = CheckKind(check.kind) == CheckKind::Equal;
      if (equality ? left == right : left >= right)
        continue;
      String text, leftValues, rightValues;
      addValues(leftValues, check.left);
      addValues(rightValues, check.right);
      text.addf("%s (%lld%s) must %s %s (%lld%s)", exprText(check.left),
                (long long)left, leftValues.c_str(),
                equality ? "equal" : "be at least", exprText(check.right),
                (long long)right, rightValues.c_str());
      return s.fail(MAPSTO_INVALID, "%s\n  %s", text.c_str(),
                    m.text(check.message));
    }
    return MAPSTO_OK;
  }

  mapsto_status settleShapes() {
    for (uint32_t i = 0; i < m.inputs.count; ++i)
      if (mapsto_status status =
              checkShape(m.inputs[i], "input", s.inputs[i].shape))
        return status;
    for (uint32_t i = 0; i < m.states.count; ++i) {
      if (s.states[i].live) {
        if (mapsto_status status =
                checkShape(m.states[i], "state", s.states[i].shape))
          return status;
        continue;
      }
      if (mapsto_status status = computeShape(
              m.states[i], "state", s.states[i].shape, s.states[i].bytes))
        return status;
    }
    if (mapsto_status status = checkConditions())
      return status;
    for (uint32_t i = 0; i < m.outputs.count; ++i)
      if (mapsto_status status = computeShape(
              m.outputs[i], "output", s.outputs[i].shape, s.outputs[i].bytes))
        return status;
    return MAPSTO_OK;
  }

  //===--- Memory
  //----------------------------------------------------------===//

  /// Bytes there are behind a buffer that the runtime does not place itself.
  int64_t available(const BufferRecord &b) const {
    switch (BufferKind(b.kind)) {
    case BufferKind::Input: {
      const InputBinding &input = s.inputs[b.index];
      return elementCount(input.dtype, input.shape.dims, input.shape.rank) *
             int64_t(mapsto_dtype_size(input.dtype));
    }
    case BufferKind::Output:
      return s.outputs[b.index].bytes;
    case BufferKind::State:
      return s.states[b.index].bytes;
    case BufferKind::Weights:
      return int64_t(m.header().weightsSize - b.offset);
    default:
      return INT64_MAX;
    }
  }

  mapsto_status sizeBuffers() {
    s.bufferSizes.resize(m.buffers.count);
    s.bufferOffsets.resize(m.buffers.count);
    // A step of a decoder grows its caches, and nothing else: the plan stays.
    bool planned = s.planned;
    s.planned = false;
    for (uint32_t i = 0; i < m.buffers.count; ++i) {
      const BufferRecord &b = m.buffers[i];
      bool inArena = BufferKind(b.kind) == BufferKind::Arena;
      int64_t size, offset = inArena ? s.bufferOffsets[i] : 0;
      if (mapsto_status status = value(b.sizeExpr, size))
        return status;
      if (size < 0)
        return s.fail(MAPSTO_INVALID, "`%s` (%s) would have a negative size",
                      m.text(b.name), m.text(b.type));
      int64_t room = available(b);
      if (BufferKind(b.kind) == BufferKind::Alias) {
        if (mapsto_status status = value(b.offsetExpr, offset))
          return status;
        room = offset < 0 ? -1 : s.bufferSizes[b.index] - offset;
      }
      if (size > room)
        return damaged("a buffer is larger than what it lies in");
      planned &= !inArena || size == s.bufferSizes[i];
      s.bufferSizes[i] = size;
      s.bufferOffsets[i] = offset;
    }
    if (!planned)
      if (mapsto_status status = placeBuffers())
        return status;
    s.planned = true;
    return MAPSTO_OK;
  }

  mapsto_status placeBuffers() {
    Array<ArenaItem> items;
    for (uint32_t i = 0; i < m.buffers.count; ++i) {
      const BufferRecord &b = m.buffers[i];
      if (BufferKind(b.kind) == BufferKind::Arena)
        items.push({uint64_t(s.bufferSizes[i]), b.firstStep, b.lastStep});
    }
    if (!planArena(items, s.plan, s.alignment))
      return s.fail(MAPSTO_INVALID, "these sizes need more memory than can be "
                                    "addressed");
    const ArenaItem *item = items.data();
    for (uint32_t i = 0; i < m.buffers.count; ++i)
      if (BufferKind(m.buffers[i].kind) == BufferKind::Arena)
        s.bufferOffsets[i] = int64_t(item++->offset);
    return MAPSTO_OK;
  }

  /// What an item costs, in operations. Where nobody says so, a word moved
  /// counts as one.
  static int64_t costOf(const KernelSizes &sizes) {
    int64_t work;
    if (__builtin_add_overflow(sizes.flops, sizes.bytes / 4, &work))
      return INT64_MAX;
    int64_t items = sizes.grid > 1 ? sizes.grid : 1;
    return work / items + (work % items > 0);
  }

  mapsto_status sizeKernels() {
    s.kernelSizes.resize(m.kernels.count);
    s.scratchBytes = s.sharedBytes = 0;
    for (uint32_t i = 0; i < m.kernels.count; ++i) {
      const KernelRecord &k = m.kernels[i];
      KernelSizes &sizes = s.kernelSizes[i];
      sizes = {};
      if (mapsto_status status = value(k.gridExpr, sizes.grid))
        return status;
      // Only reports depend on these: too large a number is no reason to stop.
      const int64_t *symbols = s.symbols.data();
      if (evaluate(m, k.flopsExpr, symbols, sizes.flops) != ExprError::None)
        sizes.flops = 0;
      if (evaluate(m, k.bytesExpr, symbols, sizes.bytes) != ExprError::None)
        sizes.bytes = 0;
      if (k.costExpr == kNone)
        sizes.cost = costOf(sizes);
      else if (evaluate(m, k.costExpr, symbols, sizes.cost) != ExprError::None)
        sizes.cost = INT64_MAX;
      if (sizes.cost < 0) // a damaged file's
        sizes.cost = 0;
      if (k.teamExpr != kNone &&
          evaluate(m, k.teamExpr, symbols, sizes.waits) != ExprError::None)
        sizes.waits = 0;
      if (mapsto_status status =
              size(k, k.scratchExpr, sizes.scratch, s.scratchBytes))
        return status;
      if (mapsto_status status =
              size(k, k.sharedExpr, sizes.shared, s.sharedBytes))
        return status;
    }
    return MAPSTO_OK;
  }

  /// A kernel's memory, none if `expr` is none, and the most of any kernel in
  /// whole cache lines.
  mapsto_status size(const KernelRecord &k, uint32_t expr, int64_t &bytes,
                     int64_t &most) {
    if (expr == kNone)
      return MAPSTO_OK;
    if (mapsto_status status = value(expr, bytes))
      return status;
    if (bytes < 0 || bytes > INT64_MAX / 2)
      return s.fail(MAPSTO_INVALID,
                    "`%s` needs more memory than can be addressed",
                    m.text(k.symbol));
    int64_t rounded = (bytes + 63) / 64 * 64;
    most = rounded > most ? rounded : most;
    return MAPSTO_OK;
  }

  mapsto_status run() {
    if (mapsto_status status = bindSymbols())
      return status;
    if (mapsto_status status = settleShapes())
      return status;
    if (mapsto_status status = sizeBuffers())
      return status;
    return sizeKernels();
  }
};

} // namespace

mapsto_status settle(mapsto_session &session) {
  if (session.settled)
    return MAPSTO_OK;
  mapsto_status status = Settler{session, session.manifest()}.run();
  session.settled = status == MAPSTO_OK;
  ++session.generation;
  return status;
}

mapsto_status makeState(mapsto_session &session, uint32_t state,
                        const int64_t *symbols, bool &known) {
  const Manifest &m = session.manifest();
  const TensorRecord &record = m.states[state];
  StateValue &value = session.states[state];
  known = true;
  Shape shape;
  shape.rank = int(record.dims.count);
  for (uint32_t axis = 0; axis < record.dims.count; ++axis) {
    uint32_t dim = m.list(record.dims)[axis];
    for (uint32_t i = 0; !symbols && i < m.symbols.count; ++i)
      known &= !mentions(m, dim, i);
    if (!known)
      return MAPSTO_OK;
    if (evaluate(m, dim, symbols, shape.dims[axis]) != ExprError::None)
      shape.dims[axis] = -1;
  }
  mapsto_dtype dtype = mapsto_dtype(record.dtype);
  int64_t count = elementCount(dtype, shape.dims, shape.rank);
  if (count < 0)
    return session.fail(MAPSTO_INVALID, "state `%s` would be too large",
                        m.text(record.name));
  value.shape = shape;
  value.bytes = count * int64_t(mapsto_dtype_size(dtype));
  if (!value.memory.ensure(uint64_t(value.bytes)))
    return session.fail(MAPSTO_OUT_OF_MEMORY,
                        "out of memory: state `%s` takes %lld bytes",
                        m.text(record.name), (long long)value.bytes);
  memset(value.memory.data(), 0, size_t(value.bytes));
  value.live = true;
  value.onHost = true;
  value.onDevice = false;
  return MAPSTO_OK;
}

} // namespace mapsto::runtime
