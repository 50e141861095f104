//===- Printer.h - State of one printed model -------------------*- C++ -*-===//
//
// How it works: ops are visited in order. What is used once and short becomes
// part of its user's expression, everything else a statement. Literals, sizes
// and broadcasts are no statements of their own: they are written where they
// are used, as operators broadcast by themselves.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_FRONTENDS_LANGUAGE_PRINTER_H
#define MAPSTO_FRONTENDS_LANGUAGE_PRINTER_H

#include "dialect/MapstoDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringSet.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace mapsto {

/// How tightly an expression binds, loosest first.
enum class Precedence {
  Or,
  And,
  Compare,
  Add,
  Multiply,
  Unary,
  Power,
  Primary
};

/// A piece of source text.
struct Text {
  std::string text;
  Precedence binds = Precedence::Primary;
  /// A number, a size or a truth value known while compiling: it takes its
  /// type from the tensor it meets.
  bool isStatic = false;
};

/// Several ops that are one thing in the language; the last of them, the root,
/// stands for all.
struct Form {
  enum class Kind { Linear, Convolution, Reduction, Mean, Element };
  Kind kind;
  llvm::SmallVector<mlir::Operation *, 4> parts; ///< without the root
  mlir::Value x = {}, weight = {}, bias = {};    ///< Linear; bias may be null
  Conv1dOp convolution = {};                     ///< Convolution, with `bias`
  ReduceOp reduce = {};                          ///< Reduction, Mean
  bool keepDims = false;
  SliceOp slice = {}; ///< Element, with the axes that are gone
  llvm::SmallVector<bool> dropped = {};
};
std::optional<Form> formOf(mlir::Operation *root);
/// Whether it is written as part of what reads it.
bool isPartOfForm(mlir::Operation *op);

class Printer {
public:
  /// `calls` are the functions that the text will call: names of inputs and
  /// outputs keep out of their way only.
  Printer(mlir::func::FuncOp main,
          const llvm::StringMap<mlir::RankedTensorType> &whole,
          const llvm::StringSet<> *calls, std::vector<std::string> &errors)
      : main(main), whole(whole), calls(calls), errors(errors) {}

  /// The whole file, unformatted.
  std::string print(llvm::StringRef name, llvm::StringRef doc,
                    llvm::StringRef comment);

private:
  mlir::func::FuncOp main;
  const llvm::StringMap<mlir::RankedTensorType> &whole;
  const llvm::StringSet<> *calls;
  std::vector<std::string> &errors;
  std::string out;
  llvm::DenseMap<mlir::Value, Text> texts;

  // Names (PrintNames.cpp).
  llvm::StringSet<> taken;
  std::map<std::string, std::string> symbols; ///< of sizes, where renamed
  llvm::DenseMap<mlir::Value, std::string> wanted;
  std::string section;
  std::string commonPath;
  void findCommonPath();
  llvm::StringRef withoutCommonPath(llvm::StringRef path);
  void nameSymbols();
  std::string unique(llvm::StringRef wish);
  /// The same for a name that users of the model write.
  std::string uniqueOutside(llvm::StringRef wish);
  std::string nameFor(mlir::OpResult result);
  std::string nameOfArgument(mlir::BlockArgument argument, llvm::StringRef wish,
                             const llvm::StringSet<> &captured);
  llvm::StringSet<> capturedNames(mlir::Region &region);
  void beginSection(mlir::Operation *op);

  // The frame (Print.cpp).
  llvm::SmallVector<WeightOp> weightsAsUsed();
  void printParameters();
  std::string typeText(mlir::Type type);
  std::string elementText(mlir::Type element, mlir::Operation *op);
  void printMapping();
  void fail(mlir::Operation *op, const llvm::Twine &why);

  // Statements (Print.cpp).
  void printBlock(mlir::Block &block);
  void printOp(mlir::Operation *op);
  void statement(mlir::ValueRange results, const std::string &value);
  unsigned countUses(mlir::Value value, mlir::Block *home, bool &elsewhere);

  // Values (PrintValues.cpp).
  std::string dim(const Dim &size);
  Text dimText(const Dim &size);
  std::string dimList(llvm::ArrayRef<Dim> dims);
  Text number(mlir::Attribute element);
  /// The number or size that every element of a value is.
  std::optional<Text> staticText(mlir::Value value);
  /// A value as it stands: named, nested, or static.
  Text get(mlir::Value value);
  /// The same, as a tensor of the value's type.
  Text tensor(mlir::Value value);
  std::string arg(mlir::Value value) { return tensor(value).text; }
  std::string within(const Text &text, Precedence least);
  Text filled(llvm::ArrayRef<Dim> dims, mlir::Type element, const Text &value);
  /// Operands of an operator that broadcasts them to `dims`. At least one of
  /// them is a tensor.
  llvm::SmallVector<Text> broadcasting(mlir::ValueRange operands,
                                       llvm::ArrayRef<Dim> dims);

  // Ops (PrintOps.cpp, PrintShapes.cpp).
  std::optional<Text> expression(mlir::Operation *op);
  std::optional<Text> pointwise(mlir::Operation *op);
  std::optional<Text> shapes(mlir::Operation *op);
  std::optional<Text> network(mlir::Operation *op);
  Text infix(mlir::Operation *op, const char *sign, Precedence binds);
  Text function(mlir::Operation *op, const char *name);
  Text call(const char *name, mlir::ValueRange operands,
            const std::string &options = "");
  Text subscripts(SliceOp op, llvm::ArrayRef<bool> dropped);
  Text formText(const Form &form);
  Text convolution(Conv1dOp op, mlir::Value bias);
  Text reduction(ReduceOp op, const std::string &name, bool keepDims);
  std::string recurrence(mlir::Operation *op);

  // Regions (PrintRegions.cpp).
  void printAttention(AttentionOp op);
  void printScan(ScanOp op);
  void printRepeat(RepeatOp op);
  std::string clause(const char *name, mlir::Region &region, size_t always,
                     llvm::ArrayRef<std::string> wishes);
  void printLoopBody(mlir::Block &block,
                     llvm::ArrayRef<mlir::BlockArgument> carried,
                     mlir::ValueRange next, mlir::ValueRange stacked,
                     mlir::Value stop);
  void nameValue(mlir::Value value);
};

/// Whether an importer called a tensor so, whose author gave it no name.
bool isMadeUp(llvm::StringRef name);

/// The value that broadcasts repeat.
mlir::Value unbroadcast(mlir::Value value);

} // namespace mapsto

#endif // MAPSTO_FRONTENDS_LANGUAGE_PRINTER_H
