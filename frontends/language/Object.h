//===- Object.h - What an expression of the language is while compiling ---===//
//
// Static things (numbers, sizes, lists, layers, functions) exist only while
// the elaborator runs; a tensor is an SSA value of the graph being built.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_FRONTENDS_LANGUAGE_OBJECT_H
#define MAPSTO_FRONTENDS_LANGUAGE_OBJECT_H

#include "dialect/Dims.h"
#include "frontends/language/AST.h"

#include "mlir/IR/Value.h"
#include "llvm/ADT/StringMap.h"

#include <memory>
#include <variant>

namespace mapsto {

struct Builtin;
struct Layer;
struct Scope;
class Object;

/// What follows an error: silently accepted everywhere, so that one mistake is
/// reported once.
struct Poison {};
struct NoneValue {};
struct FnRef {
  const ast::FnDecl *decl;
  Scope *scope;
};
struct ModelRef {
  const ast::ModelDecl *decl;
  Scope *scope;
};
struct MappingRef {
  std::shared_ptr<Layer> layer;
  const ast::Mapping *mapping;
};
/// `param W: f32[H, E]` of one layer. Its name is known once the layer's is.
struct Param {
  Layer *layer;
  std::string name;
  mlir::RankedTensorType type;
  Span span;
};
/// `state cache: f32[B, S, D]` of one layer; its sizes are those of the call.
struct State {
  Layer *layer;
  const ast::StateStmt *decl;
};
struct Tuple {
  std::vector<Object> elements;
};
struct List {
  std::vector<Object> elements;
};

/// A static value or a tensor. An integer is a `Dim` without symbols.
class Object {
public:
  using Payload =
      std::variant<Poison, NoneValue, Dim, double, bool, std::string,
                   mlir::Value, std::shared_ptr<Tuple>, std::shared_ptr<List>,
                   std::shared_ptr<Layer>, FnRef, ModelRef, MappingRef,
                   const Builtin *, ast::TypeName, std::shared_ptr<Param>,
                   std::shared_ptr<State>>;

  Object() = default; // poison
  template <typename T> Object(T value) : payload(std::move(value)) {}
  static Object tuple(std::vector<Object> elements) {
    return Object(std::make_shared<Tuple>(Tuple{std::move(elements)}));
  }
  static Object list(std::vector<Object> elements) {
    return Object(std::make_shared<List>(List{std::move(elements)}));
  }

  template <typename T> bool is() const {
    return std::holds_alternative<T>(payload);
  }
  template <typename T> const T &get() const { return std::get<T>(payload); }

  bool isPoison() const { return is<Poison>(); }
  bool isNone() const { return is<NoneValue>(); }
  bool isTensor() const { return is<mlir::Value>(); }
  /// A tensor or what reads as one.
  bool isTensorLike() const {
    return isTensor() || is<std::shared_ptr<Param>>() ||
           is<std::shared_ptr<State>>();
  }
  bool isNumber() const { return is<Dim>() || is<double>(); }
  mlir::Value tensor() const { return get<mlir::Value>(); }
  std::optional<int64_t> integer() const {
    return is<Dim>() ? get<Dim>().constant() : std::nullopt;
  }
  template <typename Visitor> auto visit(Visitor &&visitor) const {
    return std::visit(visitor, payload);
  }
  /// The value of a static number; nothing where it is a symbolic size.
  std::optional<double> real() const {
    if (is<double>())
      return get<double>();
    if (auto value = integer())
      return double(*value);
    return std::nullopt;
  }
  std::vector<Object> *elements() const {
    if (is<std::shared_ptr<Tuple>>())
      return &get<std::shared_ptr<Tuple>>()->elements;
    if (is<std::shared_ptr<List>>())
      return &get<std::shared_ptr<List>>()->elements;
    return nullptr;
  }

private:
  Payload payload;
};

/// A name's value and where it got it. `who` says what gave a symbol its size.
struct Binding {
  Object value;
  Span span;
  std::string who;
};

/// Names of one body, file or layer; looked up outwards.
struct Scope {
  Scope *parent = nullptr;
  llvm::StringMap<Binding> names;
  /// The layer whose body or mapping this is; null elsewhere.
  std::shared_ptr<Layer> layer;
  /// What `...` stands for in the types of this call.
  std::optional<Dims> ellipsis;
  /// A file of the standard library.
  bool isLibrary = false;
  /// Sizes named in types here that nothing has bound yet are this entry's own.
  bool isEntry = false;

  explicit Scope(Scope *parent = nullptr) : parent(parent) {}
  Binding *find(llvm::StringRef name) {
    for (Scope *s = this; s; s = s->parent)
      if (auto it = s->names.find(name); it != s->names.end())
        return &it->second;
    return nullptr;
  }
};

/// An instance of a model. The name that its parameters carry in the weights
/// file is the path of the variables that hold it: "layers.0.attn".
struct Layer {
  const ast::ModelDecl *decl = nullptr;
  Layer *parent = nullptr;
  /// Empty until a variable holds it (and for the entry model).
  std::string name;
  bool isNamed = false;
  Scope scope;
  Span span;

  std::string path() const {
    std::string prefix = parent ? parent->path() : "";
    return prefix.empty() || name.empty() ? prefix + name : prefix + "." + name;
  }
};

} // namespace mapsto

#endif // MAPSTO_FRONTENDS_LANGUAGE_OBJECT_H
