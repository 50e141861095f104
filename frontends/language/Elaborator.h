//===- Elaborator.h - Runs the static half of a model file ------*- C++ -*-===//
//
// Walks the syntax tree once, as if calling the entry mapping: static code is
// executed, tensors become ops. Each Elaborate*.cpp holds one subject.
//
// Errors are reported where they are found and give poison; everything that
// gets poison gives poison without another word.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_FRONTENDS_LANGUAGE_ELABORATOR_H
#define MAPSTO_FRONTENDS_LANGUAGE_ELABORATOR_H

#include "frontends/language/Language.h"
#include "frontends/language/Object.h"
#include "frontends/language/TensorBuilder.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"

#include <set>
#include <tuple>

namespace mapsto {

/// An evaluated argument.
struct Arg {
  std::string name; // empty: positional
  Object value;
  Span span;
};

/// A parameter as the matching of arguments sees it.
struct Formal {
  std::string name;
  bool isRequired = true;
  bool isVariadic = false;
};

/// What running a body gave.
struct BodyResult {
  bool returned = false;
  /// The returned value, or that of the last expression; nothing: none of both.
  std::optional<Object> value;
  Span valueSpan;
  std::vector<Object> yields;
  std::vector<Span> yieldSpans;
  std::optional<Object> until;
  Span untilSpan;
};

class Elaborator : mlir::OpBuilder::Listener {
public:
  Elaborator(mlir::MLIRContext &context, const LanguageOptions &options,
             DiagnosticEngine &diagnostics);

  mlir::OwningOpRef<mlir::ModuleOp> run(const SourceFile &source);

  TensorBuilder t;

  //===--- Errors ---------------------------------------------------------===//

  /// Reports at `span`; inside the standard library, at the call that led
  /// there.
  Diagnostic &error(Span span, std::string message);
  /// error() that gives poison.
  Object fail(Span span, std::string message, std::string hint = "");

  /// "f32[B, 16]", "`3`", "a layer", ... as a message says it.
  std::string describe(const Object &object);
  static std::string describe(mlir::Type type);

  //===--- Conversions: nothing (with an error reported) if it is none ----===//

  /// Static numbers, bools and nested lists of them become constants, with the
  /// element type `like` where that can hold them.
  mlir::Value toTensor(const Object &object, Span span, mlir::Type like = {});
  std::optional<Dim> toDim(const Object &object, Span span);
  std::optional<int64_t> toInt(const Object &object, Span span,
                               const char *what = "this");
  std::optional<double> toReal(const Object &object, Span span);
  std::optional<bool> toBool(const Object &object, Span span);
  std::optional<Dims> toDims(const Object &object, Span span);
  /// An axis of a tensor of that rank, counted from the end if negative.
  std::optional<int64_t> toAxis(const Object &object, size_t rank, Span span);
  static mlir::Type elementType(mlir::MLIRContext *context, ast::TypeName name);

  //===--- Operators ------------------------------------------------------===//

  Object unary(ast::UnaryOp op, const Object &x, Span span);
  Object binary(ast::BinaryOp op, const Object &a, const Object &b, Span span);
  Object matmul(const Object &a, const Object &b, Span span);
  /// Operands of an elementwise op, as tensors whose shapes broadcast; static
  /// numbers take the tensor's type. False with an error otherwise.
  bool toOperands(const Object &a, const Object &b, mlir::Value &x,
                  mlir::Value &y, Span span, llvm::StringRef what);

  //===--- Calls ----------------------------------------------------------===//

  Object call(const Object &callee, std::vector<Arg> args, Span span,
              unsigned wanted = 1);
  Object callBuiltin(const Builtin &builtin, std::vector<Arg> &args, Span span);
  /// Position in `args` of each formal's argument, -1 where left to its
  /// default; nothing after an error. A variadic formal takes what is left.
  std::optional<std::vector<int>> matchArguments(llvm::ArrayRef<Formal> formals,
                                                 llvm::ArrayRef<Arg> args,
                                                 llvm::StringRef what,
                                                 Span span, Span declared);

private:
  friend struct AttendElaborator;
  friend struct BuiltinCall;

  struct Frame {
    const void *decl;
    const Layer *layer;
    Span call;
    std::string what;
    std::string layerPath;
  };
  /// A fn or a mapping. `what` is how messages call it.
  struct Callee {
    const void *decl;
    std::string what;
    const std::vector<ast::Parameter> &params;
    const std::vector<ast::Result> &results;
    const ast::Block &body;
    Span span;
    std::shared_ptr<Layer> layer;
  };
  struct StateSlot {
    std::string name;
    mlir::Value current;
    mlir::BlockArgument argument;
    Span span;
  };

  //===--- Files (ElaborateFile.cpp) --------------------------------------===//
  Scope *loadFile(const SourceFile &source, bool isLibrary);
  void declare(const ast::File &file, Scope &scope);
  void importInto(const ast::ImportDecl &decl, Scope &scope);
  std::vector<std::unique_ptr<ast::File>> trees;
  std::vector<std::unique_ptr<Scope>> fileScopes;
  std::map<const SourceFile *, Scope *> loaded;
  std::vector<const SourceFile *> loading;

  //===--- The entry (ElaborateEntry.cpp) ---------------------------------===//
  bool elaborateEntry(const ast::File &file, Scope &scope);
  bool runEntry(const Callee &callee, Scope &parent);
  bool bindEntrySizes(const Callee &callee, Scope &scope);
  std::optional<Object> givenArgument(const std::string &name);
  void finish();
  mlir::func::FuncOp main;
  mlir::Operation *lastWeight = nullptr;
  llvm::StringMap<std::pair<mlir::Value, Span>> weights;
  llvm::MapVector<std::string, StateSlot, std::map<std::string, unsigned>>
      states;
  std::map<std::string, bool> usedArgs;

  //===--- Expressions (ElaborateExpr.cpp) --------------------------------===//
  Object eval(const ast::Expr &expr, Scope &scope, unsigned wanted = 1);
  Object evalExpr(const ast::Expr &expr, Scope &scope, unsigned wanted);
  Object lookUp(llvm::StringRef name, Span span, Scope &scope);
  Object evalBinary(const ast::BinaryExpr &expr, Scope &scope);
  Object evalCall(const ast::CallExpr &expr, Scope &scope, unsigned wanted);
  Object evalMember(const ast::MemberExpr &expr, Scope &scope);
  Object evalFill(const ast::FillExpr &expr, Scope &scope);
  Object evalComprehension(const ast::ComprehensionExpr &expr, Scope &scope);
  std::vector<Arg> evalArgs(llvm::ArrayRef<ast::Argument> args, Scope &scope);
  /// The static things an expression runs over; nothing after an error.
  std::optional<std::vector<Object>> iterate(const ast::Expr &expr,
                                             Scope &scope);
  mlir::Location locate(Span span);

  //===--- Subscripts (ElaborateIndex.cpp) --------------------------------===//
  Object evalIndex(const ast::IndexExpr &expr, Scope &scope);
  Object indexTensor(mlir::Value x, const ast::IndexExpr &expr, Scope &scope);
  mlir::Value writeTensor(mlir::Value x, const ast::IndexExpr &target,
                          mlir::Value value, Span span, Scope &scope);
  struct AxisRange;
  bool checkIndex(Dim &at, const Dim &size, Span span);
  std::optional<AxisRange> evalRange(const ast::Subscript &subscript,
                                     const Dim &size, Scope &scope);
  bool expandSubscripts(const ast::IndexExpr &expr, size_t rank,
                        llvm::SmallVectorImpl<const ast::Subscript *> &out);

  //===--- Statements (ElaborateStmt.cpp) ---------------------------------===//
  void exec(const ast::Block &block, Scope &scope, BodyResult &result);
  void execStmt(const ast::Stmt &stmt, Scope &scope, BodyResult &result,
                bool isLast);
  void assign(const ast::Expr &target, const Object &value, Span span,
              Scope &scope);
  void assignName(llvm::StringRef name, Span where, Object value, Span span,
                  Scope &scope);
  void assignTuple(const std::vector<ast::ExprPtr> &targets,
                   const Object &value, Span where, Span span, Scope &scope);
  void declareParam(const ast::ParamStmt &stmt, Scope &scope);
  void nameLayers(const Object &value, llvm::StringRef name, Layer *parent);
  static unsigned countTargets(const ast::Expr &target);

  //===--- Types and sizes (ElaborateType.cpp) ----------------------------===//
  /// The size an expression in a type means. A name that is no size yet is its
  /// own symbol, collected in `unbound`.
  std::optional<Dim> evalSize(const ast::Expr &expr, Scope &scope,
                              std::vector<std::string> *unbound = nullptr);
  std::optional<Dims> evalDims(const ast::TypeExpr &type, Scope &scope,
                               std::vector<std::string> *unbound = nullptr);
  /// Checks the argument or result `value` against a type, binding the type's
  /// free symbols in `scope`; the value (cast up from f16 or bf16 where f32 is
  /// wanted), or poison.
  Object unify(const ast::TypeExpr &type, const Object &value, Scope &scope,
               const std::string &who, const std::string &of, Span span);
  std::string expected(const ast::TypeExpr &type, Scope &scope);

  //===--- Calls (ElaborateCall.cpp) --------------------------------------===//
  Object callBody(const Callee &callee, Scope &parent, std::vector<Arg> &args,
                  Span span);
  Object collectResults(const Callee &callee, Scope &scope,
                        const BodyResult &body);
  Object callLayer(std::shared_ptr<Layer> layer, const ast::Mapping *mapping,
                   std::vector<Arg> &args, Span span);
  Object instantiate(const ModelRef &model, std::vector<Arg> &args, Span span);
  bool enter(const Callee &callee, Span call);
  std::vector<Frame> frames;
  std::vector<const void *> instantiating;
  /// Keeps every layer alive: parameters point to theirs.
  std::vector<std::shared_ptr<Layer>> layers;

  mlir::Value readParam(const Param &param);
  StateSlot *stateSlot(const State &state, Scope &scope, Span span);
  Scope *currentScope = nullptr;
  Span here; ///< the expression that ops are made for

  //===--- Unsigned integers (ElaborateUnsigned.cpp) ----------------------===//
  void notifyOperationInserted(mlir::Operation *op,
                               mlir::OpBuilder::InsertPoint) override;

  //===--- attend, scan, repeat -------------------------------------------===//
  Object evalAttend(const ast::AttendExpr &expr, Scope &scope, unsigned wanted);
  Object evalScan(const ast::ScanExpr &expr, Scope &scope);
  Object evalRepeat(const ast::RepeatExpr &expr, Scope &scope);
  bool evalCarries(llvm::ArrayRef<ast::Carry> carries, Scope &scope,
                   std::vector<std::pair<std::string, Span>> &names,
                   llvm::SmallVectorImpl<mlir::Value> &inits);
  bool bindCarries(llvm::ArrayRef<std::pair<std::string, Span>> names,
                   mlir::ValueRange values, Scope &scope);
  bool collectCarries(llvm::ArrayRef<std::pair<std::string, Span>> names,
                      mlir::ValueRange inits, Scope &scope,
                      llvm::SmallVectorImpl<mlir::Value> &out);
  /// What a loop body may not do: write a state of the model.
  unsigned loopDepth = 0;

  mlir::MLIRContext &context;
  const LanguageOptions &options;
  DiagnosticEngine &diagnostics;
  /// Static code runs this many statements at most, so that compiling ends.
  static constexpr unsigned maxStatements = 200000;
  unsigned statements = 0;
  /// A file with syntax errors lacks what could not be read.
  bool isIncomplete = false;
  std::set<std::tuple<const SourceFile *, uint32_t, std::string>> reported;
  Diagnostic repeated;
};

} // namespace mapsto

#endif // MAPSTO_FRONTENDS_LANGUAGE_ELABORATOR_H
