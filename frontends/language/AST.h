//===- AST.h - The syntax tree of the Mapsto language ---------------------===//
//
// What the parser makes of a file: plain nodes that own their children, each
// with the span it was written at. Nothing is resolved here; names are text.
//
// `Expr`, `Stmt` and `Decl` carry a kind and answer `classof`, so that
// `as<CallExpr>(e)` below (or llvm::dyn_cast) tells them apart.
//
// Trees are safe to walk by recursion: the parser bounds the height of an
// expression (`maxHeight`) and the nesting of blocks.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_FRONTENDS_LANGUAGE_AST_H
#define MAPSTO_FRONTENDS_LANGUAGE_AST_H

#include "frontends/language/Diagnostics.h"

#include <optional>

namespace mapsto::ast {

struct Expr;
struct Stmt;
struct Decl;
using ExprPtr = std::unique_ptr<Expr>;
using StmtPtr = std::unique_ptr<Stmt>;
using DeclPtr = std::unique_ptr<Decl>;

/// The node as a `T`, or null where it is something else (or null).
template <typename T, typename Base> const T *as(const Base *node) {
  return node && T::classof(node) ? static_cast<const T *>(node) : nullptr;
}
template <typename T, typename Base>
const T *as(const std::unique_ptr<Base> &node) {
  return as<T>(static_cast<const Base *>(node.get()));
}

/// An identifier as written.
struct Name {
  std::string text;
  Span span;

  explicit operator bool() const { return !text.empty(); }
};

/// Statements between braces.
struct Block {
  std::vector<StmtPtr> statements;
  /// With the braces.
  Span span;
};

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

/// Tensor element types, then the static (compile-time) types. `bool` is both:
/// without `[...]` on a static parameter it is a compile-time boolean.
enum class TypeName {
  F32,
  F16,
  BF16,
  F64,
  I32,
  I64,
  I8,
  I16,
  U8,
  U16,
  U32,
  U64,
  Bool,
  Int,
  Float,
  String
};

/// "f32", ...
std::string_view spelling(TypeName type);
std::optional<TypeName> parseTypeName(std::string_view text);

/// `B`, `2 * H`, or `...` for any number of leading dimensions.
struct Dim {
  /// Null for `...`.
  ExprPtr size;
  Span span;

  bool isEllipsis() const { return !size; }
};

/// `f32[B, T, D]`, `f32[]`, `int`, `f32[B, H]?`.
struct TypeExpr {
  TypeName element = TypeName::F32;
  Span elementSpan;
  /// False for a bare `f32` or `int`; `f32[]` has dims, none of them.
  bool hasDims = false;
  std::vector<Dim> dims;
  /// Marked `?`: the input may be left out; `given(x)` tells.
  bool isOptional = false;
  Span span;
};

/// A parameter of a model (`hidden = 16`, `n: int = 2`), of a fn or a mapping
/// (`x: f32[B, T]`).
struct Parameter {
  Name name;
  std::optional<TypeExpr> type;
  /// Default value, or null.
  ExprPtr value;
  std::string doc;
  Span span;
};

/// `y: f32[B]` of a mapping, or just `f32[B]`: then `name` is empty.
struct Result {
  Name name;
  TypeExpr type;
  std::string doc;
  Span span;
};

//===----------------------------------------------------------------------===//
// Expressions
//===----------------------------------------------------------------------===//

struct Expr {
  enum class Kind {
    Int,
    Float,
    String,
    Bool,
    None,
    Name,
    Unary,
    Binary,
    Conditional,
    Call,
    Index,
    Member,
    Tuple,
    List,
    Comprehension,
    Range,
    Fill,
    Attend,
    Scan,
    Repeat,
    /// Stands for text the parser could not read; never in an error-free tree.
    Error,
  };
  /// No expression is taller than this.
  static constexpr unsigned maxHeight = 512;

  Expr(Kind kind, Span span) : kind(kind), span(span) {}
  virtual ~Expr() = default;

  const Kind kind;
  Span span;
  /// Written inside its own parentheses, as in `(a + b) * c`.
  bool parenthesized = false;
  /// Nodes on the longest path down; the parser keeps it under `maxHeight`.
  unsigned height = 1;
};

/// Gives a node its kind and `classof`.
template <Expr::Kind K> struct ExprBase : Expr {
  explicit ExprBase(Span span) : Expr(K, span) {}
  static bool classof(const Expr *e) { return e->kind == K; }
};

struct IntExpr : ExprBase<Expr::Kind::Int> {
  using ExprBase::ExprBase;
  int64_t value = 0;
};

/// Also `inf`.
struct FloatExpr : ExprBase<Expr::Kind::Float> {
  using ExprBase::ExprBase;
  double value = 0;
};

struct StringExpr : ExprBase<Expr::Kind::String> {
  using ExprBase::ExprBase;
  /// Without quotes, escapes resolved.
  std::string value;
};

struct BoolExpr : ExprBase<Expr::Kind::Bool> {
  using ExprBase::ExprBase;
  bool value = false;
};

/// `None`: no value, or a new axis in a subscript.
struct NoneExpr : ExprBase<Expr::Kind::None> {
  using ExprBase::ExprBase;
};

/// A name; `_` in a target means "not wanted". Type names (`f16(x)`,
/// `cast(x, i32)`) arrive here too.
struct NameExpr : ExprBase<Expr::Kind::Name> {
  using ExprBase::ExprBase;
  std::string name;
};

enum class UnaryOp { Negate, Not };

struct UnaryExpr : ExprBase<Expr::Kind::Unary> {
  using ExprBase::ExprBase;
  UnaryOp op = UnaryOp::Negate;
  ExprPtr operand;
};

enum class BinaryOp {
  Add,
  Subtract,
  Multiply,
  Divide,
  Modulo,
  Power,
  MatMul,
  Equal,
  NotEqual,
  Less,
  LessEqual,
  Greater,
  GreaterEqual,
  And,
  Or,
};

/// "+", "&&" (also for `and`), ...
std::string_view spelling(BinaryOp op);

struct BinaryExpr : ExprBase<Expr::Kind::Binary> {
  using ExprBase::ExprBase;
  BinaryOp op = BinaryOp::Add;
  ExprPtr lhs, rhs;
  Span opSpan;
};

/// `a if condition else b`; the condition is static.
struct ConditionalExpr : ExprBase<Expr::Kind::Conditional> {
  using ExprBase::ExprBase;
  ExprPtr condition, thenValue, elseValue;
};

/// `value`, or `name = value`.
struct Argument {
  /// Empty for a positional argument. Positional ones always come first.
  Name name;
  ExprPtr value;
  Span span;
};

struct CallExpr : ExprBase<Expr::Kind::Call> {
  using ExprBase::ExprBase;
  ExprPtr callee;
  std::vector<Argument> args;
  /// The parentheses.
  Span argsSpan;
};

/// One entry between `[` and `]`.
struct Subscript {
  enum class Kind {
    /// `i`, `-1`, or a tensor of indices: `index`.
    Index,
    /// `start:stop:step`, each null where left out.
    Slice,
    /// `...`
    Ellipsis,
    /// `None`
    NewAxis,
  };
  Kind kind = Kind::Index;
  ExprPtr index;
  ExprPtr start, stop, step;
  Span span;
};

struct IndexExpr : ExprBase<Expr::Kind::Index> {
  using ExprBase::ExprBase;
  ExprPtr base;
  std::vector<Subscript> subscripts;
  /// The brackets.
  Span subscriptsSpan;
};

struct MemberExpr : ExprBase<Expr::Kind::Member> {
  using ExprBase::ExprBase;
  ExprPtr base;
  Name member;
};

struct TupleExpr : ExprBase<Expr::Kind::Tuple> {
  using ExprBase::ExprBase;
  std::vector<ExprPtr> elements;
};

struct ListExpr : ExprBase<Expr::Kind::List> {
  using ExprBase::ExprBase;
  std::vector<ExprPtr> elements;
};

/// `[element for target in iterable if condition]`
struct ComprehensionExpr : ExprBase<Expr::Kind::Comprehension> {
  using ExprBase::ExprBase;
  ExprPtr element;
  /// A NameExpr or a TupleExpr of them.
  ExprPtr target;
  ExprPtr iterable;
  /// Null where there is none.
  ExprPtr condition;
};

/// `begin..end`, end excluded. Only where something is iterated over.
struct RangeExpr : ExprBase<Expr::Kind::Range> {
  using ExprBase::ExprBase;
  ExprPtr begin, end;
};

/// `zeros[B, H]`, `ones[B, H]`, `full[B, H](value)`; also
/// `zeros[B](dtype = i32)`.
struct FillExpr : ExprBase<Expr::Kind::Fill> {
  using ExprBase::ExprBase;
  enum class What { Zeros, Ones, Full };
  What what = What::Zeros;
  std::vector<ExprPtr> shape;
  std::vector<Argument> args;
};

/// `score(q, k) = ...` inside `attend`.
struct AttendClause {
  enum class Kind { Score, Modify, Mask };
  Kind kind = Kind::Score;
  Name name;
  std::vector<Name> params;
  /// One of the two: `= expression`, or `{ statements; value }`.
  ExprPtr value;
  std::optional<Block> body;
  Span span;
};

/// `attend(q, k, v, normalizer = softmax) { clauses }`, with or without a
/// block.
struct AttendExpr : ExprBase<Expr::Kind::Attend> {
  using ExprBase::ExprBase;
  std::vector<Argument> args;
  Span argsSpan;
  /// At most one of each kind.
  std::vector<AttendClause> clauses;
};

/// `x_t in x`: one element of a sequence each step; also `t in 0..n`.
struct SequenceInput {
  /// A NameExpr or a TupleExpr of them.
  ExprPtr target;
  ExprPtr sequence;
  Span span;
};

/// `s = init`, `(h, c) = (h0, c0)`: a value carried from step to step.
struct Carry {
  /// A NameExpr or a TupleExpr of them.
  ExprPtr target;
  ExprPtr init;
  Span span;
};

/// `scan(x_t in x, s = init; reverse = true) { ...; yield s }`
/// Value: the final carried values, then the stacked yields.
struct ScanExpr : ExprBase<Expr::Kind::Scan> {
  using ExprBase::ExprBase;
  std::vector<SequenceInput> inputs;
  std::vector<Carry> carries;
  /// All named.
  std::vector<Argument> options;
  Span headSpan;
  /// May hold one YieldStmt, last.
  Block body;
};

/// `repeat(n, token = start) { ...; yield y; until cond }`, or with an index,
/// `repeat(i in 0..n, ...)`.
/// Value: the final carried values, then the stacked yields.
struct RepeatExpr : ExprBase<Expr::Kind::Repeat> {
  using ExprBase::ExprBase;
  /// Empty where there is no index.
  Name index;
  /// How often; a RangeExpr where there is an index.
  ExprPtr count;
  std::vector<Carry> carries;
  std::vector<Argument> options;
  Span headSpan;
  /// May hold a YieldStmt and an UntilStmt, at its end.
  Block body;
};

struct ErrorExpr : ExprBase<Expr::Kind::Error> {
  using ExprBase::ExprBase;
};

//===----------------------------------------------------------------------===//
// Statements
//===----------------------------------------------------------------------===//

struct Stmt {
  enum class Kind {
    Expr,
    Assign,
    Let,
    Param,
    State,
    If,
    For,
    Return,
    Yield,
    Until
  };

  Stmt(Kind kind, Span span) : kind(kind), span(span) {}
  virtual ~Stmt() = default;

  const Kind kind;
  Span span;
  /// The `///` lines above it.
  std::string doc;
};

template <Stmt::Kind K> struct StmtBase : Stmt {
  explicit StmtBase(Span span) : Stmt(K, span) {}
  static bool classof(const Stmt *s) { return s->kind == K; }
};

/// An expression on its own: the value of a body where it comes last.
struct ExprStmt : StmtBase<Stmt::Kind::Expr> {
  using StmtBase::StmtBase;
  ExprPtr value;
};

/// `y = f(x)`, `(a, _) = f(x)`, `cache[:, pos, :] = k`, `layers[i] = Block(d)`,
/// `y: f32[B] = f(x)`. In a model body: a layer, or any static value.
struct AssignStmt : StmtBase<Stmt::Kind::Assign> {
  using StmtBase::StmtBase;
  /// NameExpr, IndexExpr, MemberExpr, or a TupleExpr of them (nested too).
  ExprPtr target;
  std::optional<TypeExpr> type;
  ExprPtr value;
};

/// `let d = hidden / heads`; `const` means the same.
struct LetStmt : StmtBase<Stmt::Kind::Let> {
  using StmtBase::StmtBase;
  /// A NameExpr or a TupleExpr of them.
  ExprPtr target;
  std::optional<TypeExpr> type;
  ExprPtr value;
};

/// `param W: f32[H, E]`, `param W: f32[H, E] = "in_proj.weight"`
struct ParamStmt : StmtBase<Stmt::Kind::Param> {
  using StmtBase::StmtBase;
  Name name;
  TypeExpr type;
  /// The name in the weights file; null where it is `name`. Any static string.
  ExprPtr alias;
};

/// `state cache: f32[B, S, D]`
struct StateStmt : StmtBase<Stmt::Kind::State> {
  using StmtBase::StmtBase;
  Name name;
  TypeExpr type;
  /// What it starts as; null for zeros.
  ExprPtr init;
};

/// Static `if`.
struct IfStmt : StmtBase<Stmt::Kind::If> {
  using StmtBase::StmtBase;
  struct Branch {
    /// Null for the final `else`.
    ExprPtr condition;
    Block body;
  };
  std::vector<Branch> branches;
};

/// Static `for i in 0..n { }`, `for layer in layers { }`.
struct ForStmt : StmtBase<Stmt::Kind::For> {
  using StmtBase::StmtBase;
  /// A NameExpr or a TupleExpr of them.
  ExprPtr target;
  ExprPtr iterable;
  Block body;
};

struct ReturnStmt : StmtBase<Stmt::Kind::Return> {
  using StmtBase::StmtBase;
  /// Null for a bare `return`; `return a, b` gives a TupleExpr.
  ExprPtr value;
};

struct YieldStmt : StmtBase<Stmt::Kind::Yield> {
  using StmtBase::StmtBase;
  std::vector<ExprPtr> values;
};

struct UntilStmt : StmtBase<Stmt::Kind::Until> {
  using StmtBase::StmtBase;
  ExprPtr condition;
};

//===----------------------------------------------------------------------===//
// Declarations
//===----------------------------------------------------------------------===//

/// `(x: f32[B]) -> (y: f32[B]) { }`, or with a name, called as `m.name(x)`.
struct Mapping {
  /// Empty for the main mapping.
  Name name;
  std::vector<Parameter> params;
  std::vector<Result> results;
  Block body;
  std::string doc;
  /// From the name or `(` to the end of the results.
  Span headSpan;
  Span span;
};

struct Decl {
  enum class Kind { Import, Model, Fn, Let, Train };

  Decl(Kind kind, Span span) : kind(kind), span(span) {}
  virtual ~Decl() = default;

  const Kind kind;
  Span span;
  /// Empty for an import and a `let`.
  Name name;
  std::string doc;
};

template <Decl::Kind K> struct DeclBase : Decl {
  explicit DeclBase(Span span) : Decl(K, span) {}
  static bool classof(const Decl *d) { return d->kind == K; }
};

/// `import "std/attention"`
struct ImportDecl : DeclBase<Decl::Kind::Import> {
  using DeclBase::DeclBase;
  std::string path;
  Span pathSpan;
};

/// `model Name(params) { statements and mappings }`
struct ModelDecl : DeclBase<Decl::Kind::Model> {
  using DeclBase::DeclBase;
  std::vector<Parameter> params;
  /// Layers, `param`, `state`, `let`, static `if` and `for`, in order.
  Block body;
  /// In order; at most one of them is without a name.
  std::vector<Mapping> mappings;
};

/// `fn name(x: f32[B, D], n: int = 4) -> f32[B] { }`
struct FnDecl : DeclBase<Decl::Kind::Fn> {
  using DeclBase::DeclBase;
  std::vector<Parameter> params;
  /// Empty where no `->` was written: then they follow from the body.
  std::vector<Result> results;
  Block body;
};

/// A static binding of the file: `let eps = 1e-5`.
struct LetDecl : DeclBase<Decl::Kind::Let> {
  using DeclBase::DeclBase;
  std::unique_ptr<LetStmt> binding;
};

/// `train Name(model = M()) { (x: ...) -> loss  optimizer = adam(lr = 1e-3) }`
struct TrainDecl : DeclBase<Decl::Kind::Train> {
  using DeclBase::DeclBase;
  std::vector<Parameter> params;
  std::vector<Parameter> inputs;
  /// One of the two: `-> expression`, or `-> { statements; value }`.
  ExprPtr loss;
  std::optional<Block> lossBody;
  /// `optimizer = ...`, ...
  Block settings;
};

/// A whole file.
struct File {
  const SourceFile *source = nullptr;
  std::vector<DeclPtr> decls;
};

} // namespace mapsto::ast

#endif // MAPSTO_FRONTENDS_LANGUAGE_AST_H
