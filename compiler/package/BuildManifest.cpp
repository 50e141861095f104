//===- BuildManifest.cpp - The schedule as the runtime's manifest ---------===//

#include "compiler/package/BuildManifest.h"
#include "dialect/SourcePlace.h"

using namespace mlir;

namespace mapsto {

//===----------------------------------------------------------------------===//
// Sizes and places
//===----------------------------------------------------------------------===//

static ManifestExpr atomExpr(const Dim::Atom &atom,
                             ArrayRef<ManifestSymbol> symbols) {
  using runtime::Opcode;
  Opcode opcode;
  switch (atom.op) {
  case Dim::Op::Symbol:
    for (auto [i, symbol] : llvm::enumerate(symbols))
      if (symbol.name == atom.text)
        return ManifestExpr::symbol(i, atom.text);
    llvm_unreachable("a symbol that the module does not declare");
  case Dim::Op::FloorDiv:
    opcode = Opcode::FloorDiv;
    break;
  case Dim::Op::CeilDiv:
    opcode = Opcode::CeilDiv;
    break;
  case Dim::Op::Mod:
    opcode = Opcode::Mod;
    break;
  case Dim::Op::Min:
    opcode = Opcode::Min;
    break;
  case Dim::Op::Max:
    opcode = Opcode::Max;
    break;
  }
  return ManifestExpr::binary(opcode, manifestExpr(*atom.lhs, symbols),
                              manifestExpr(*atom.rhs, symbols));
}

ManifestExpr manifestExpr(const Dim &dim, ArrayRef<ManifestSymbol> symbols) {
  std::optional<ManifestExpr> sum;
  for (const auto &[atoms, coefficient] : dim.getTerms()) {
    std::optional<ManifestExpr> product;
    if (coefficient != 1 || atoms.empty())
      product = ManifestExpr::constant(coefficient);
    for (const Dim::Atom &atom : atoms) {
      ManifestExpr factor = atomExpr(atom, symbols);
      product = product ? *product * factor : factor;
    }
    sum = sum ? *sum + *product : *product;
  }
  ManifestExpr expr = sum ? *sum : ManifestExpr::constant(0);
  expr.text = dim.str();
  return expr;
}

namespace {

//===----------------------------------------------------------------------===//
// Values that are one memory
//===----------------------------------------------------------------------===//

Value throughReshapes(Value value) {
  while (auto reshape = value.getDefiningOp<ReshapeOp>())
    value = reshape.getX();
  return value;
}

/// Whether the operand `use` is the last that reads its value's memory: nothing
/// reads the value, or a reshape of it, later or inside the operand's op.
bool isLastUse(OpOperand &use) {
  Operation *last = use.getOwner();
  Block *block = last->getBlock();
  SmallVector<Value> pending{throughReshapes(use.get())};
  if (pending[0].getParentBlock() != block)
    return false;
  while (!pending.empty())
    for (OpOperand &other : pending.pop_back_val().getUses()) {
      Operation *user = block->findAncestorOpInBlock(*other.getOwner());
      if (isa<ReshapeOp>(other.getOwner()))
        pending.push_back(other.getOwner()->getResult(0));
      else if (&other != &use && (user == last || last->isBeforeInBlock(user)))
        return false;
    }
  return true;
}

//===----------------------------------------------------------------------===//
// The builder
//===----------------------------------------------------------------------===//

/// Of a kernel in the graph or of its function.
std::optional<KernelKind> kindOf(Operation *kernel) {
  if (auto graph = dyn_cast_or_null<KernelOp>(kernel))
    return graph.getKind();
  if (kernel)
    if (auto kind = kernel->getAttrOfType<KernelKindAttr>(kKernelKindAttr))
      return kind.getValue();
  return std::nullopt;
}

class ManifestBuilder {
public:
  ManifestBuilder(ModuleOp module, func::FuncOp main,
                  const WeightTable &weights)
      : module(module), main(main), weights(weights) {}

  FailureOr<ManifestModel> build();

private:
  using Steps = std::vector<ManifestStep>;
  using BufferId = uint32_t;

  void declareSymbols();
  void declareChecks();
  void declareArguments();
  void declareOutputs(func::ReturnOp op);
  void declareParameters();
  LogicalResult addSteps(Block &block, Steps &steps);
  LogicalResult add(LaunchOp op, Steps &steps);
  LogicalResult add(RepeatOp op, Steps &steps);
  void finish(func::ReturnOp op);

  FailureOr<uint32_t> kernelFor(LaunchOp op);
  uint32_t expr(const Dim &dim) {
    return model.expr(manifestExpr(dim, model.symbols));
  }
  uint32_t exprOf(Operation *op, StringRef attribute, uint32_t otherwise);
  std::vector<std::string> textsOf(Operation *op, StringRef attribute);

  BufferId addBuffer(std::string name, Type type, runtime::BufferKind kind,
                     uint32_t index = 0);
  BufferId addWeights(Operation *op);
  BufferId bufferOf(Value value) const {
    auto it = buffers.find(value);
    assert(it != buffers.end() && "a value that no step has made");
    return it->second;
  }
  /// Whether the operand's memory may become its op's result's: it is the
  /// artifact's to write, and not read again.
  bool canTake(OpOperand &operand) const {
    BufferId buffer = bufferOf(operand.get());
    return !isKind(buffer, runtime::BufferKind::Input) &&
           !isKind(buffer, runtime::BufferKind::Weights) && isLastUse(operand);
  }
  /// Whether the launch changes its first operand, as `mapsto.update` does.
  bool isUpdate(LaunchOp op) {
    return module.lookupSymbol(op.getKernel())->hasAttr(kInPlaceAttr);
  }
  /// Has the value written to the buffer, if it is made by a launch or a repeat
  /// and no other buffer was asked for.
  void claim(Value value, BufferId buffer);
  ManifestTensor tensor(DictionaryAttr attributes, StringRef nameAttribute,
                        unsigned position, Type type, BufferId buffer);
  bool isKind(BufferId buffer, runtime::BufferKind kind) const {
    return model.buffers[buffer].kind == kind;
  }

  ModuleOp module;
  func::FuncOp main;
  const WeightTable &weights;
  ManifestModel model;
  DenseMap<Value, BufferId> buffers;
  DenseMap<Value, BufferId> claimed;
  DenseMap<const WeightTable::Entry *, BufferId> weightBuffers;
  llvm::StringMap<uint32_t> kernels;
  SmallVector<uint32_t> stateOfArgument; // kNoId for an input
  SmallVector<BufferId> outputs;         // by result; kNoId for a state
};

std::string typeText(Type type) {
  return std::string(mapsto_dtype_name(
             dtypeOf(cast<RankedTensorType>(type).getElementType()))) +
         str(dimsOf(type));
}

Dim bytesOf(Type type) {
  mapsto_dtype dtype = dtypeOf(cast<RankedTensorType>(type).getElementType());
  return numElements(dimsOf(type)) * Dim(mapsto_dtype_size(dtype));
}

FailureOr<ManifestModel> ManifestBuilder::build() {
  auto text = [&](StringRef attribute) {
    auto value = module->getAttrOfType<StringAttr>(attribute);
    return value ? value.str() : std::string();
  };
  model.name = text(kModelAttr);
  model.doc = text(kDocAttr);
  model.weightsSize = weights.size();

  Block &body = main.getBody().front();
  auto ret = cast<func::ReturnOp>(body.getTerminator());
  declareSymbols();
  declareChecks();
  declareArguments();
  declareOutputs(ret);
  declareParameters();
  if (failed(addSteps(body, model.steps)))
    return failure();
  finish(ret);
  computeLifetimes(model);
  return std::move(model);
}

void ManifestBuilder::declareSymbols() {
  if (auto names = module->getAttrOfType<ArrayAttr>(kSymbolsAttr))
    for (StringRef name : names.getAsValueRange<StringAttr>())
      model.symbols.push_back({name.str()});
}

void ManifestBuilder::declareChecks() {
  auto checks = module->getAttrOfType<ArrayAttr>(kChecksAttr);
  if (!checks)
    return;
  // Of what nothing reads in the end, the sizes may not be known.
  auto isKnown = [&](const Dim &dim) {
    return llvm::all_of(dim.symbols(), [&](const std::string &name) {
      return llvm::any_of(model.symbols, [&](const ManifestSymbol &symbol) {
        return symbol.name == name;
      });
    });
  };
  for (ArrayAttr check : checks.getAsRange<ArrayAttr>()) {
    auto text = [&](unsigned i) {
      return cast<StringAttr>(check[i]).getValue();
    };
    FailureOr<Dim> left = Dim::parse(text(0)), right = Dim::parse(text(2));
    if (failed(left) || failed(right) || !isKnown(*left) || !isKnown(*right))
      continue;
    auto kind = text(1) == "==" ? runtime::CheckKind::Equal
                                : runtime::CheckKind::AtLeast;
    model.checks.push_back({kind, expr(*left), expr(*right), text(3).str()});
  }
}

uint32_t ManifestBuilder::exprOf(Operation *op, StringRef attribute,
                                 uint32_t otherwise) {
  auto text = op->getAttrOfType<StringAttr>(attribute);
  if (!text)
    return otherwise;
  FailureOr<Dim> dim = Dim::parse(text.getValue());
  return succeeded(dim) ? expr(*dim) : otherwise;
}

std::vector<std::string> ManifestBuilder::textsOf(Operation *op,
                                                  StringRef attribute) {
  std::vector<std::string> texts;
  if (auto list = op->getAttrOfType<ArrayAttr>(attribute))
    for (StringRef text : list.getAsValueRange<StringAttr>())
      texts.push_back(text.str());
  return texts;
}

//===----------------------------------------------------------------------===//
// Signature
//===----------------------------------------------------------------------===//

ManifestBuilder::BufferId ManifestBuilder::addBuffer(std::string name,
                                                     Type type,
                                                     runtime::BufferKind kind,
                                                     uint32_t index) {
  ManifestBuffer buffer;
  buffer.name = std::move(name);
  buffer.type = typeText(type);
  buffer.kind = kind;
  buffer.index = index;
  buffer.size = expr(bytesOf(type));
  model.buffers.push_back(std::move(buffer));
  return model.buffers.size() - 1;
}

ManifestTensor ManifestBuilder::tensor(DictionaryAttr attributes,
                                       StringRef nameAttribute,
                                       unsigned position, Type type,
                                       BufferId buffer) {
  auto text = [&](StringRef name) -> std::optional<std::string> {
    if (attributes)
      if (auto value = attributes.getAs<StringAttr>(name))
        return value.str();
    return std::nullopt;
  };
  ManifestTensor result;
  result.name = text(nameAttribute).value_or(std::to_string(position));
  result.doc = text(kDocAttr).value_or("");
  result.dtype = dtypeOf(cast<RankedTensorType>(type).getElementType());
  for (const Dim &dim : dimsOf(type))
    result.dims.push_back(expr(dim));
  result.buffer = buffer;
  return result;
}

void ManifestBuilder::declareArguments() {
  for (BlockArgument argument : main.getArguments()) {
    unsigned i = argument.getArgNumber();
    bool isState = bool(main.getArgAttr(i, kStateAttr));
    auto &tensors = isState ? model.states : model.inputs;
    uint32_t index = tensors.size();
    BufferId buffer = addBuffer("", argument.getType(),
                                isState ? runtime::BufferKind::State
                                        : runtime::BufferKind::Input,
                                index);
    tensors.push_back(tensor(main.getArgAttrDict(i),
                             isState ? kStateAttr : kNameAttr, index,
                             argument.getType(), buffer));
    model.buffers[buffer].name = tensors.back().name;
    buffers[argument] = buffer;
    stateOfArgument.push_back(isState ? index : kNoId);
  }
}

void ManifestBuilder::claim(Value value, BufferId buffer) {
  auto result = dyn_cast<OpResult>(throughReshapes(value));
  if (!result || !isa<LaunchOp, RepeatOp>(result.getOwner()) ||
      !claimed.try_emplace(result, buffer).second)
    return;
  // What becomes the value in place begins there too.
  Operation *op = result.getOwner();
  auto launch = dyn_cast<LaunchOp>(op);
  unsigned i = result.getResultNumber();
  if (i < op->getNumOperands() && (!launch || (i == 0 && isUpdate(launch))) &&
      isLastUse(op->getOpOperand(i)))
    claim(op->getOperand(i), buffer);
}

void ManifestBuilder::declareOutputs(func::ReturnOp op) {
  for (auto [i, value] : llvm::enumerate(op.getOperands())) {
    if (main.getResultAttr(i, kStateAttr)) {
      outputs.push_back(kNoId);
      continue;
    }
    uint32_t index = model.outputs.size();
    BufferId buffer =
        addBuffer("", value.getType(), runtime::BufferKind::Output, index);
    model.outputs.push_back(tensor(main.getResultAttrDict(i), kNameAttr, index,
                                   value.getType(), buffer));
    model.buffers[buffer].name = model.outputs.back().name;
    outputs.push_back(buffer);
    claim(value, buffer);
  }
}

void ManifestBuilder::declareParameters() {
  llvm::StringMap<size_t> known;
  for (const WeightTable::Entry &entry : weights.entries()) {
    if (entry.value || entry.scales)
      continue;
    auto [it, isNew] = known.try_emplace(entry.name, model.parameters.size());
    if (isNew) {
      ManifestParameter parameter;
      parameter.name = entry.name;
      parameter.dtype = entry.dtype;
      parameter.shape = entry.panel ? entry.matrix : entry.shape;
      model.parameters.push_back(std::move(parameter));
    }
    ManifestParameter &parameter = model.parameters[it->second];
    int64_t rows = (entry.panel ? entry.matrix : entry.shape).empty()
                       ? 0
                       : (entry.panel ? entry.matrix : entry.shape)[0];
    if (!parameter.shape.empty())
      parameter.shape[0] = std::max(parameter.shape[0], entry.rowStart + rows);
    if (!entry.panel && entry.rowStart == 0 && entry.shape == parameter.shape) {
      parameter.offset = entry.offset;
      parameter.size = entry.size;
    }
  }
}

ManifestBuilder::BufferId ManifestBuilder::addWeights(Operation *op) {
  const WeightTable::Entry &entry = weights.find(op);
  auto [it, isNew] = weightBuffers.try_emplace(&entry, 0);
  if (isNew) {
    it->second =
        addBuffer(entry.value ? "literal" : entry.name,
                  op->getResult(0).getType(), runtime::BufferKind::Weights);
    model.buffers[it->second].offset = entry.offset;
  }
  return it->second;
}

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

LogicalResult ManifestBuilder::addSteps(Block &block, Steps &steps) {
  for (Operation &op : block.without_terminator()) {
    LogicalResult result =
        llvm::TypeSwitch<Operation *, LogicalResult>(&op)
            .Case<WeightOp, ConstantOp>([&](auto source) {
              buffers[source.getResult()] = addWeights(source);
              return success();
            })
            .Case([&](ReshapeOp reshape) {
              buffers[reshape.getResult()] = bufferOf(reshape.getX());
              return success();
            })
            .Case<LaunchOp, RepeatOp>(
                [&](auto step) { return add(step, steps); })
            .Default([](Operation *other) {
              return other->emitError("is not part of a schedule");
            });
    if (failed(result))
      return failure();
  }
  return success();
}

FailureOr<uint32_t> ManifestBuilder::kernelFor(LaunchOp op) {
  auto [it, isNew] = kernels.try_emplace(op.getKernel(), model.kernels.size());
  if (!isNew)
    return it->second;
  Operation *symbol = module.lookupSymbol(op.getKernel());
  if (!symbol)
    return op.emitError("launches a kernel that is not there");
  ManifestKernel kernel;
  kernel.symbol = op.getKernel().str();
  if (std::optional<KernelKind> kind = kindOf(symbol))
    kernel.kind = stringifyKernelKind(*kind).str();
  kernel.location = placeOf(symbol->getLoc());
  kernel.ops = textsOf(symbol, kFusedAttr);
  kernel.sites = textsOf(symbol, kSitesAttr);
  kernel.argumentCount = op.getInputs().size();
  kernel.resultCount = op.getResults().size();
  kernel.grid = exprOf(symbol, kGridAttr, model.expr(1));
  kernel.flops = exprOf(symbol, kFlopsAttr, model.expr(0));
  kernel.bytes = exprOf(symbol, kBytesAttr, model.expr(0));
  kernel.scratch = exprOf(symbol, kScratchAttr, kNoId);
  kernel.team = exprOf(symbol, kTeamAttr, kNoId);
  kernel.shared = exprOf(symbol, kSharedAttr, kNoId);
  model.kernels.push_back(std::move(kernel));
  return it->second;
}

LogicalResult ManifestBuilder::add(LaunchOp op, Steps &steps) {
  FailureOr<uint32_t> kernel = kernelFor(op);
  if (failed(kernel))
    return failure();
  std::vector<BufferId> used;
  for (Value input : op.getInputs())
    used.push_back(bufferOf(input));
  for (OpResult result : op.getResults()) {
    std::optional<BufferId> buffer;
    if (auto it = claimed.find(result); it != claimed.end()) {
      buffer = it->second;
    } else if (result.getResultNumber() == 0 && isUpdate(op) &&
               canTake(op->getOpOperand(0))) {
      buffer = used[0];
    }
    if (!buffer)
      buffer = addBuffer(
          op.getNumResults() == 1
              ? op.getKernel().str()
              : (op.getKernel() + "." + Twine(result.getResultNumber())).str(),
          result.getType(), runtime::BufferKind::Arena);
    buffers[result] = *buffer;
    used.push_back(*buffer);
  }
  steps.push_back(ManifestStep::launch(*kernel, std::move(used)));
  steps.back().beside = op.getBeside();
  return success();
}

LogicalResult ManifestBuilder::add(RepeatOp op, Steps &steps) {
  Block &body = op.getBody().front();
  auto yield = cast<YieldOp>(body.getTerminator());
  unsigned carriedCount = op.getInits().size();
  if (op.getNumResults() != carriedCount)
    return op.emitError("still has outputs that are not carried");
  FailureOr<Dim> count = Dim::parse(op.getCount());
  if (failed(count))
    return op.emitError("has no count");
  ManifestStep loop = ManifestStep::loop(expr(*count), {});

  // Each carried value has one buffer, before, in and after the loop.
  SmallVector<BufferId> carried;
  for (auto [i, init] : llvm::enumerate(op.getInits())) {
    BufferId from = bufferOf(init);
    BufferId to = from;
    if (auto it = claimed.find(op.getResult(i)); it != claimed.end())
      to = it->second;
    else if (!canTake(op->getOpOperand(i)))
      to = addBuffer("carried", init.getType(), runtime::BufferKind::Arena);
    if (to != from)
      steps.push_back(ManifestStep::copy(from, to));
    carried.push_back(to);
    buffers[body.getArgument(i + 1)] = to;
    buffers[op.getResult(i)] = to;
  }
  loop.counter = addBuffer("step", body.getArgument(0).getType(),
                           runtime::BufferKind::Arena);
  buffers[body.getArgument(0)] = loop.counter;

  if (failed(addSteps(body, loop.body)))
    return failure();

  Value stop = yield.getValues()[0];
  auto constant = throughReshapes(stop).getDefiningOp<ConstantOp>();
  auto never = constant ? dyn_cast<DenseIntElementsAttr>(constant.getValue())
                        : DenseIntElementsAttr();
  if (!never || !never.isSplat() || never.getSplatValue<bool>())
    loop.stop = bufferOf(stop);
  for (unsigned i = 0; i < carriedCount; ++i) {
    BufferId from = bufferOf(yield.getValues()[i + 1]);
    if (from == carried[i])
      continue;
    if (llvm::is_contained(carried, from)) {
      // Another carried value's old state, which a carry may overwrite first.
      BufferId old = addBuffer("carried", op.getInits()[i].getType(),
                               runtime::BufferKind::Arena);
      loop.body.push_back(ManifestStep::copy(from, old));
      from = old;
    }
    loop.carries.push_back({from, carried[i]});
  }
  steps.push_back(std::move(loop));
  return success();
}

//===----------------------------------------------------------------------===//
// What is returned
//===----------------------------------------------------------------------===//

void ManifestBuilder::finish(func::ReturnOp op) {
  for (auto [i, value] : llvm::enumerate(op.getOperands()))
    if (BufferId from = bufferOf(value);
        outputs[i] != kNoId && from != outputs[i])
      model.steps.push_back(ManifestStep::copy(from, outputs[i]));

  for (auto [i, value] : llvm::enumerate(op.getOperands())) {
    auto name = main.getResultAttrOfType<StringAttr>(i, kStateAttr);
    if (!name)
      continue;
    for (auto [state, tensor] : llvm::enumerate(model.states)) {
      BufferId from = bufferOf(value);
      if (tensor.name != name.getValue() || from == tensor.buffer)
        continue;
      if (isKind(from, runtime::BufferKind::State)) {
        // Another state's old value, which may be written back first.
        BufferId old = addBuffer("old " + model.buffers[from].name,
                                 value.getType(), runtime::BufferKind::Arena);
        model.steps.push_back(ManifestStep::copy(from, old));
        from = old;
      }
      model.writeBacks.push_back({state, from});
    }
  }
}

} // namespace

FailureOr<ManifestModel> buildManifest(ModuleOp module,
                                       const WeightTable &weights) {
  auto main = module.lookupSymbol<func::FuncOp>(kEntryName);
  if (!main || main.isDeclaration())
    return module.emitError("has no entry function");
  return ManifestBuilder(module, main, weights).build();
}

} // namespace mapsto
