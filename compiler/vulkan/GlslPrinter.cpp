//===- GlslPrinter.cpp - Statements of a shader ---------------------------===//

#include "compiler/vulkan/GlslPrinter.h"
#include "compiler/vulkan/GlslFunctions.h"

#include "compiler/KernelAttributes.h"
#include "dialect/SourcePlace.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace mapsto {

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

/// i, j, k, ...: the first that no loop around has.
static StringRef loopVariable(const llvm::StringSet<> &taken) {
  for (StringRef name : {"i", "j", "k", "m", "n"})
    if (!taken.contains(name))
      return name;
  return "i";
}

/// An array of the workgroup stands at the head of the shader, an invocation's
/// own where it is.
void GlslPrinter::declareArray(memref::AllocaOp array) {
  auto hint = array->getAttrOfType<StringAttr>(kHintAttr);
  std::string fresh = freshName(hint ? hint.getValue() : "array");
  names[array] = fresh;
  MemRefType type = array.getType();
  bool isOfMatrices = type.getRank() == 3;
  std::string text = isOfMatrices ? matrixArray(array, fresh)
                                  : typeName(type.getElementType()) + " " +
                                        fresh + "[" + arraySize(array) + "]";
  text += ";\n";
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

raw_ostream &GlslPrinter::line() { return os.indent(2 * depth); }

/// A comment where the statements of another line of the model begin.
void GlslPrinter::place(Location loc) {
  std::string here = placeOf(loc);
  if (here.empty() || here == lastPlace || precise)
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

void GlslPrinter::printFunction(func::FuncOp function) {
  Block &body = function.getBody().front();
  std::string parameters;
  for (Value argument : body.getArguments()) {
    name(argument, freshName("x"));
    parameters += (parameters.empty() ? "" : ", ") +
                  typeName(argument.getType()) + " " + names.lookup(argument);
  }
  std::string result = typeName(function.getResultTypes().front());
  os << "\n"
     << result << " " << function.getSymName() << "(" << parameters << ") {\n";
  printBody(body, 1);
  line() << (precise ? "precise " : "const ") << result
         << " result = " << expression(body.getTerminator()->getOperand(0)).text
         << ";\n";
  line() << "return result;\n}\n";
}

void GlslPrinter::printBody(Block &body, unsigned indent) {
  depth = indent;
  for (Operation &op : body.without_terminator())
    statement(op);
}

/// Is the branch a choice between two expressions? GLSL evaluates the one.
bool GlslPrinter::isChoice(scf::IfOp branch) {
  auto isExpression = [&](Block *body) {
    return llvm::all_of(body->without_terminator(),
                        [&](Operation &op) { return isInline(&op); });
  };
  return branch.getNumResults() == 1 && isExpression(branch.thenBlock()) &&
         isExpression(branch.elseBlock());
}

void GlslPrinter::assignResult(Operation &op) {
  std::string text = expression(&op).text;
  bool rounds = precise && isa<FloatType>(op.getResult(0).getType());
  line() << (rounds ? "" : "const ")
         << declare(op.getResult(0), nameHint(op.getResult(0))) << " = " << text
         << ";\n";
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
      .Case([&](func::CallOp call) {
        if (call.getNumResults())
          return assignResult(op);
        line() << matrixStatement(call) << ";\n";
      })
      .Case([&](gpu::BarrierOp barrier) {
        if (sharesBuffers && !barrier->hasAttr(kArraysOnlyAttr))
          line() << "memoryBarrierBuffer();\n";
        line() << "barrier();\n";
      })
      .Case([&](scf::ForOp loop) {
        for (auto [result, argument, init] :
             llvm::zip_equal(loop.getResults(), loop.getRegionIterArgs(),
                             loop.getInitArgs())) {
          std::string text = expression(init).text;
          line() << declare(result, nameHint(result)) << " = " << text << ";\n";
          names[argument] = names.lookup(result);
        }
        llvm::StringSet<> outer = taken;
        std::string from = expression(loop.getLowerBound()).text;
        auto hint = loop->getAttrOfType<StringAttr>(kHintAttr);
        std::string variable =
            declare(loop.getInductionVar(), hint && !loop.getNumResults()
                                                ? hint.getValue()
                                                : loopVariable(taken));
        std::string i = names.lookup(loop.getInductionVar());
        std::string step = expression(loop.getStep()).text;
        StringRef unroll;
        // Emulated matrices are arrays that any index may be used on, and take
        // long to compile as it is.
        if (loop->hasAttr(kUnrollAttr) && !emulatesMatrices) {
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
        taken = std::move(outer);
        line() << "}\n";
      })
      .Case([&](scf::IfOp branch) {
        if (isChoice(branch)) {
          auto side = [&](Block *body) {
            return operand(body->getTerminator()->getOperand(0),
                           GlslExpression::LogicalOr);
          };
          std::string text =
              operand(branch.getCondition(), GlslExpression::LogicalOr) +
              " ? " + side(branch.thenBlock()) + " : " +
              side(branch.elseBlock());
          Value result = branch.getResult(0);
          line() << "const " << declare(result, nameHint(result)) << " = "
                 << text << ";\n";
          return;
        }
        for (Value result : branch.getResults())
          line() << declare(result, nameHint(result)) << ";\n";
        auto side = [&](Block *body) {
          llvm::StringSet<> outer = taken;
          block(*body);
          ++depth;
          if (branch.getNumResults())
            assign(branch.getResults(), body->getTerminator()->getOperands());
          --depth;
          taken = std::move(outer);
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
