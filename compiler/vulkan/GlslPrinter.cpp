//===- GlslPrinter.cpp - Statements of a shader ---------------------------===//

#include "compiler/vulkan/GlslPrinter.h"

#include "compiler/KernelAttributes.h"
#include "dialect/SourcePlace.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace mapsto {

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

std::string GlslPrinter::freshName(StringRef hint) {
  std::string name = hint.str();
  for (unsigned n = 2; !taken.insert(name).second; ++n)
    name = hint.str() + "_" + std::to_string(n);
  return name;
}

void GlslPrinter::name(Value value, StringRef text) {
  taken.insert(text);
  names[value] = globals[value] = text.str();
}

std::string GlslPrinter::declare(Value value, StringRef hint) {
  std::string fresh = freshName(hint);
  names[value] = fresh;
  return typeName(value.getType()) + " " + fresh;
}

/// An array of the workgroup stands at the head of the shader, an invocation's
/// own where it is.
void GlslPrinter::declareArray(memref::AllocaOp array) {
  auto hint = array->getAttrOfType<StringAttr>(kHintAttr);
  std::string fresh = freshName(hint ? hint.getValue() : "array");
  names[array] = fresh;
  MemRefType type = array.getType();
  std::string text = typeName(type.getElementType()) + " " + fresh + "[" +
                     arraySize(array) + "];\n";
  auto space = cast<gpu::AddressSpaceAttr>(type.getMemorySpace());
  if (space.getValue() != gpu::AddressSpace::Workgroup) {
    line() << text;
    return;
  }
  helpers.push_back("\nshared " + text);
  if (!type.hasStaticShape()) // the tilings say how much it takes
    return;
  unsigned bits =
      type.getElementType().isIndex() ? 32 : type.getElementTypeBitWidth();
  sharedBytes += type.getNumElements() * bits / 8;
}

/// What a value is, in a word.
static StringRef hintFor(Value value) {
  Operation *op = value.getDefiningOp();
  if (op)
    if (auto hint = op->getAttrOfType<StringAttr>(kHintAttr))
      return hint.getValue();
  if (isa<IndexType>(value.getType()))
    return "at";
  if (isa_and_nonnull<memref::LoadOp>(op))
    return "x";
  if (isa_and_nonnull<scf::ForOp>(op))
    return "sum";
  return value.getType().isInteger(1) ? "holds" : "v";
}

//===----------------------------------------------------------------------===//
// Which values are variables
//===----------------------------------------------------------------------===//

/// May memory change between the two, which are in one block?
static bool memoryChangesBetween(Operation *from, Operation *to) {
  for (Operation *op = from->getNextNode(); op != to; op = op->getNextNode())
    if (!isMemoryEffectFree(op) && !isa<memref::LoadOp>(op))
      return true;
  return false;
}

/// Is the op part of its one reader's expression?
bool GlslPrinter::isInline(Operation *op) {
  if (op->getNumResults() != 1 || op->getNumRegions() != 0 ||
      isa<memref::AllocaOp>(op))
    return false;
  if (isa<arith::ConstantOp>(op))
    return true;
  auto [it, isNew] = inlined.try_emplace(op, false);
  if (!isNew)
    return it->second;
  bool isLoad = isa<memref::LoadOp>(op);
  if (!isLoad && !isMemoryEffectFree(op))
    return false;
  if (!op->getResult(0).hasOneUse())
    return false;
  Operation *user = *op->getUsers().begin();
  // Into a loop it would be computed every time; a loop's own operands are
  // fine, but for the bound, which is asked for at every step.
  if (user->getBlock() != op->getBlock())
    return false;
  if (auto loop = dyn_cast<scf::ForOp>(user))
    if (loop.getUpperBound() == op->getResult(0))
      return false;
  // Where it is written is where the reader's own variable is.
  Operation *place = user;
  while (isInline(place))
    place = *place->getResult(0).getUsers().begin();
  if (isLoad &&
      (place->getBlock() != op->getBlock() || memoryChangesBetween(op, place)))
    return false;
  return inlined[op] = true;
}

//===----------------------------------------------------------------------===//
// Statements
//===----------------------------------------------------------------------===//

raw_ostream &GlslPrinter::line() { return os.indent(2 * depth); }

/// A comment where the statements of another line of the model begin.
void GlslPrinter::place(Location loc) {
  std::string here = placeOf(loc);
  if (here.empty() || here == lastPlace)
    return;
  lastPlace = here;
  line() << "// " << here << "\n";
}

/// Does the value's expression read one of the variables?
bool GlslPrinter::readsOneOf(Value value, ValueRange variables) {
  for (Value variable : variables)
    if (names.contains(value) && names.lookup(value) == names.lookup(variable))
      return true;
  Operation *op = value.getDefiningOp();
  return !names.contains(value) && op &&
         llvm::any_of(op->getOperands(),
                      [&](Value v) { return readsOneOf(v, variables); });
}

/// Assigns all at once: what reads a variable that is assigned before it is
/// taken beforehand.
void GlslPrinter::assign(ValueRange targets, ValueRange values) {
  SmallVector<std::string> texts;
  for (auto [i, value] : llvm::enumerate(values)) {
    texts.push_back(expression(value).text);
    if (texts[i] == names.lookup(targets[i]) ||
        !readsOneOf(value, targets.take_front(i)))
      continue;
    std::string next = freshName("next");
    line() << "const " << typeName(value.getType()) << " " << next << " = "
           << texts[i] << ";\n";
    texts[i] = next;
  }
  for (auto [target, text] : llvm::zip_equal(targets, texts))
    if (names.lookup(target) != text)
      line() << names.lookup(target) << " = " << text << ";\n";
}

void GlslPrinter::block(Block &body) {
  ++depth;
  for (Operation &op : body.without_terminator())
    statement(op);
  --depth;
}

void GlslPrinter::printBody(Block &body, unsigned indent) {
  depth = indent;
  for (Operation &op : body.without_terminator())
    statement(op);
}

void GlslPrinter::assignResult(Operation &op) {
  std::string text = expression(&op).text;
  line() << "const " << declare(op.getResult(0), hintFor(op.getResult(0)))
         << " = " << text << ";\n";
}

void GlslPrinter::statement(Operation &op) {
  if (isInline(&op))
    return;
  if (!isa<scf::ForOp, scf::IfOp>(op))
    place(op.getLoc());
  TypeSwitch<Operation *>(&op)
      .Case([&](memref::StoreOp store) {
        if (store.getMemRef() == errors) {
          reported.push_back(expression(store.getValue()).text);
          if (reported.size() == 3)
            line() << "report(" << llvm::join(reported, ", ") << ");\n";
          if (reported.size() == 3)
            reported.clear();
          return;
        }
        std::string target =
            element(store.getMemRef(), store.getIndices()[0]).text;
        line() << target << " = " << expression(store.getValue()).text << ";\n";
      })
      .Case([&](memref::AllocaOp array) { declareArray(array); })
      .Case([&](gpu::BarrierOp) {
        if (sharesBuffers)
          line() << "memoryBarrierBuffer();\n";
        line() << "barrier();\n";
      })
      .Case([&](scf::ForOp loop) {
        for (auto [result, argument, init] :
             llvm::zip_equal(loop.getResults(), loop.getRegionIterArgs(),
                             loop.getInitArgs())) {
          std::string text = expression(init).text;
          line() << declare(result, hintFor(result)) << " = " << text << ";\n";
          names[argument] = names.lookup(result);
        }
        std::string from = expression(loop.getLowerBound()).text;
        auto hint = loop->getAttrOfType<StringAttr>(kHintAttr);
        std::string variable =
            declare(loop.getInductionVar(),
                    hint && !loop.getNumResults() ? hint.getValue() : "i");
        std::string i = names.lookup(loop.getInductionVar());
        std::string step = expression(loop.getStep()).text;
        StringRef unroll;
        if (loop->hasAttr(kUnrollAttr)) {
          extensions.insert("GL_EXT_control_flow_attributes");
          unroll = "[[unroll]] ";
        }
        line() << unroll << "for (" << variable << " = " << from << "; " << i
               << " < " << operand(loop.getUpperBound(), GlslExpression::Shift)
               << "; " << (step == "1" ? "++" + i : i + " += " + step)
               << ") {\n";
        block(*loop.getBody());
        ++depth;
        assign(loop.getRegionIterArgs(),
               loop.getBody()->getTerminator()->getOperands());
        --depth;
        line() << "}\n";
      })
      .Case([&](scf::IfOp branch) {
        for (Value result : branch.getResults())
          line() << declare(result, hintFor(result)) << ";\n";
        auto side = [&](Block *body) {
          block(*body);
          ++depth;
          if (branch.getNumResults())
            assign(branch.getResults(), body->getTerminator()->getOperands());
          --depth;
        };
        line() << "if (" << expression(branch.getCondition()).text << ") {\n";
        side(branch.thenBlock());
        if (Block *otherwise = branch.elseBlock()) {
          line() << "} else {\n";
          side(otherwise);
        }
        line() << "}\n";
      })
      .Default([&](Operation *op) { assignResult(*op); });
}

} // namespace mapsto
