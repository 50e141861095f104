//===- FormKernels.cpp - Cut the graph into kernels and a schedule --------===//
//
// Each group of ops (Grouping.h) becomes a `mapsto.kernel`, and the entry
// function a schedule of launches:
//
//   %0 = mapsto.packed_matmul %x, %w          %1 = mapsto.launch @fc(%x, %w,
//   %b) %1 = mapsto.add %0, %b             ==>    mapsto.kernel @fc matmul {
//   ... }
//
// In the schedule remain weights, tables of constants, launches, reshapes
// (another view of the same memory) and `repeat`, whose body is a schedule of
// its own. What a repeat stacks up is first made a carried tensor that each
// step updates in place. Arguments, parameters and values given twice may be
// returned as they are: whoever plans the memory copies them.
//
//===----------------------------------------------------------------------===//

#include "compiler/KernelAttributes.h"
#include "compiler/Passes.h"
#include "compiler/graph/Grouping.h"
#include "compiler/graph/Hoisting.h"
#include "mlir/Transforms/RegionUtils.h"

#include <set>

using namespace mlir;

namespace mapsto {

#define GEN_PASS_DEF_FORMKERNELS
#include "compiler/Passes.h.inc"

namespace {

/// The innermost name that the source gives to an op ("layers.0.fc"), if any.
StringRef nameOf(Location loc) {
  StringRef name;
  loc->walk([&](Location l) {
    if (auto named = dyn_cast<NameLoc>(l)) {
      name = named.getName().getValue();
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return name;
}

/// Stacked outputs of a repeat become carried tensors, updated each step.
void carryOutputs(RepeatOp repeat) {
  Block &body = repeat.getBody().front();
  auto yield = cast<YieldOp>(body.getTerminator());
  size_t carried = repeat.getInits().size();
  size_t outputs = yield.getValues().size() - 1 - carried;
  OpBuilder b(repeat);
  Location loc = repeat.getLoc();
  int64_t axis = repeat.getAxis();

  SmallVector<Value> inits(repeat.getInits());
  SmallVector<Value> yields(yield.getValues());
  for (size_t k = 0; k < outputs; ++k) {
    Value result = repeat.getResults()[carried + k];
    Type element = elementTypeOf(result);
    auto scalar = RankedTensorType::get({}, element);
    Value zero = ConstantOp::create(
        b, loc, DenseElementsAttr::get(scalar, b.getZeroAttr(element)));
    inits.push_back(BroadcastOp::create(b, loc, result.getType(), zero));
    Value stack = body.addArgument(result.getType(), loc);
    OpBuilder inner(yield);
    Value step = yields[1 + carried + k];
    Dims dims = dimsOf(step);
    dims.insert(dims.begin() + axis, Dim(1));
    Value one = ReshapeOp::create(inner, loc, tensorOf(dims, element), step);
    yields[1 + carried + k] =
        UpdateOp::create(inner, loc, stack, one, body.getArgument(0), axis);
  }
  yield->setOperands(yields);
  repeat.getInitsMutable().assign(inits);
}

class Outliner {
public:
  explicit Outliner(ModuleOp module) : module(module) {}

  void run(Block &block) {
    SmallVector<Group> groups = formGroups(block);
    for (Group &group : groups)
      outline(group);
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
      if (op.use_empty() && isMemoryEffectFree(&op) &&
          !op.hasTrait<OpTrait::IsTerminator>())
        op.erase();
    for (auto repeat : block.getOps<RepeatOp>())
      run(repeat.getBody().front());
  }

private:
  ModuleOp module;
  /// Names in use; at first those that the C library has for functions that
  /// the code may call, as an op of the same name does.
  std::set<std::string> names{"atan",  "ceil",  "cos",  "erf",   "exp",
                              "expm1", "floor", "log",  "log1p", "pow",
                              "round", "sin",   "sqrt", "tan",   "tanh"};

  std::string freshName(const Group &group) {
    Operation *named = group.anchor ? group.anchor : group.root;
    std::string base = nameOf(named->getLoc()).str();
    StringRef what = named->getName().stripDialect();
    base = base.empty() ? what.str() : base + "_" + what.str();
    for (char &c : base)
      if (!llvm::isAlnum(c))
        c = '_';
    std::string name = base;
    for (int n = 1; !names.insert(name).second; ++n)
      name = base + "_" + std::to_string(n);
    return name;
  }

  void outline(const Group &group) {
    OpBuilder b(group.root);
    Location loc = group.anchor ? group.anchor->getLoc() : group.root->getLoc();

    // What the group reads from outside; a reshape of that stays outside.
    llvm::SetVector<Value> inputs;
    SmallVector<Operation *> inside;
    llvm::SmallPtrSet<Operation *, 16> members(llvm::from_range, group.ops);
    for (Operation *op : group.ops) {
      if (isa<ReshapeOp>(op) && op != group.root) {
        Operation *definition = op->getOperand(0).getDefiningOp();
        if (!definition || !members.contains(definition)) {
          members.erase(op);
          continue;
        }
      }
      inside.push_back(op);
    }
    // An update's operand comes first: the schedule may hand its memory on.
    if (auto update = dyn_cast_or_null<UpdateOp>(group.anchor)) {
      Operation *definition = update.getX().getDefiningOp();
      if (!definition || !members.contains(definition))
        inputs.insert(update.getX());
    }
    for (Operation *op : inside)
      op->walk([&](Operation *inner) {
        for (Value operand : inner->getOperands()) {
          Operation *definition = operand.getDefiningOp();
          bool within = definition
                            ? op->isProperAncestor(definition) ||
                                  members.contains(definition)
                            : op->isProperAncestor(
                                  operand.getParentBlock()->getParentOp()) ||
                                  op == operand.getParentBlock()->getParentOp();
          if (!within)
            inputs.insert(operand);
        }
      });

    SmallVector<Value> outputs(group.root->getResults());
    auto type =
        FunctionType::get(b.getContext(), TypeRange(inputs.getArrayRef()),
                          TypeRange(ValueRange(outputs)));
    OpBuilder top = OpBuilder::atBlockEnd(module.getBody());
    auto kernel =
        KernelOp::create(top, loc, freshName(group), group.kind, type);
    Block *body = top.createBlock(&kernel.getBody());
    IRMapping map;
    for (Value input : inputs)
      map.map(input, body->addArgument(input.getType(), input.getLoc()));
    if (auto update = dyn_cast_or_null<UpdateOp>(group.anchor))
      if (!inputs.empty() && inputs.front() == update.getX())
        kernel->setAttr(kInPlaceAttr, top.getUnitAttr());
    top.setInsertionPointToEnd(body);
    for (Operation *op : inside)
      top.clone(*op, map);
    SmallVector<Value> yields;
    for (Value output : outputs)
      yields.push_back(map.lookup(output));
    YieldOp::create(top, loc, yields);

    auto launch = LaunchOp::create(b, loc, type.getResults(),
                                   kernel.getSymName(), inputs.getArrayRef());
    for (auto [output, result] : llvm::zip(outputs, launch.getResults()))
      output.replaceAllUsesWith(result);
  }
};

struct FormKernels : impl::FormKernelsBase<FormKernels> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto main = module.lookupSymbol<func::FuncOp>(kEntryName);
    if (!main || main.isExternal())
      return;
    Block &entry = main.getBody().front();

    // What is free to repeat is not handed from one schedule to another.
    main.walk([](RepeatOp repeat) { sinkFreeOps(repeat.getBody().front()); });
    // Kernels read weights and tables as operands: they live in the schedule.
    SmallVector<Operation *> sources;
    main.walk([&](Operation *op) {
      if (isa<WeightOp>(op) || (isa<ConstantOp>(op) && !isSplat(op)))
        sources.push_back(op);
    });
    for (Operation *op : llvm::reverse(sources))
      op->moveBefore(&entry, entry.begin());

    main.walk([](RepeatOp repeat) { carryOutputs(repeat); });

    Outliner(module).run(entry);
    noteSymbols(module);
  }

  void noteSymbols(ModuleOp module) {
    std::set<std::string> symbols;
    auto note = [&](Type type) {
      if (!isa<RankedTensorType>(type))
        return;
      for (const Dim &dim : dimsOf(type))
        for (std::string &s : dim.symbols())
          symbols.insert(s);
    };
    module.walk([&](Operation *op) {
      for (Type type : op->getResultTypes())
        note(type);
      for (Region &region : op->getRegions())
        for (Block &block : region)
          for (BlockArgument arg : block.getArguments())
            note(arg.getType());
      // Sizes also stand in attributes.
      SmallVector<StringRef> texts;
      if (auto size = dyn_cast<SizeOp>(op))
        texts.push_back(size.getDim());
      if (auto scan = dyn_cast<ScanOp>(op))
        texts.push_back(scan.getCount());
      if (auto repeat = dyn_cast<RepeatOp>(op))
        texts.push_back(repeat.getCount());
      for (NamedAttribute attr : op->getAttrs())
        if (auto dims = dyn_cast<DimsAttr>(attr.getValue()))
          for (StringAttr text : dims.getSizes())
            texts.push_back(text.getValue());
      for (StringRef text : texts)
        if (FailureOr<Dim> dim = Dim::parse(text); succeeded(dim))
          for (std::string &s : dim->symbols())
            symbols.insert(s);
    });
    Builder b(module.getContext());
    SmallVector<Attribute> names;
    for (const std::string &s : symbols)
      names.push_back(b.getStringAttr(s));
    module->setAttr(kSymbolsAttr, b.getArrayAttr(names));
  }
};

} // namespace

} // namespace mapsto
