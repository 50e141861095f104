//===- Builtins.cpp - Calling what the table lists ------------------------===//

#include "frontends/language/Builtins.h"
#include "frontends/language/Parser.h"

using namespace mapsto;

std::vector<BuiltinGroup> mapsto::builtinGroups() {
  return {{"Math", mathBuiltins()},
          {"Reductions and sums", reduceBuiltins()},
          {"Shapes", shapeBuiltins()},
          {"Indexing", indexBuiltins()},
          {"Products and convolutions", networkBuiltins()}};
}

const Builtin *mapsto::findBuiltin(llvm::StringRef name) {
  static const llvm::StringMap<const Builtin *> table = [] {
    llvm::StringMap<const Builtin *> map;
    for (const BuiltinGroup &group : builtinGroups())
      for (const Builtin &builtin : group.functions)
        map[builtin.name] = &builtin;
    return map;
  }();
  return table.lookup(name);
}

std::vector<std::pair<Formal, std::string>>
mapsto::formalsOf(const Builtin &builtin) {
  std::vector<std::pair<Formal, std::string>> formals;
  llvm::SmallVector<llvm::StringRef> parts;
  llvm::StringRef(builtin.params).split(parts, ',', -1, /*KeepEmpty=*/false);
  for (llvm::StringRef part : parts) {
    auto [name, value] = part.split('=');
    name = name.trim();
    bool isVariadic = name.consume_front("*");
    formals.push_back({{name.str(), value.empty() && !isVariadic, isVariadic},
                       value.trim().str()});
  }
  return formals;
}

/// The few literals that defaults are.
static Object defaultValue(llvm::StringRef text) {
  if (text == "true" || text == "false")
    return text == "true";
  if (text.consume_front("\""))
    return text.drop_back().str();
  int64_t integer;
  if (!text.getAsInteger(10, integer))
    return Dim(integer);
  double number;
  if (!text.getAsDouble(number))
    return number;
  if (auto type =
          ast::parseTypeName(std::string_view(text.data(), text.size())))
    return *type;
  return NoneValue();
}

Object Elaborator::callBuiltin(const Builtin &builtin, std::vector<Arg> &args,
                               Span span) {
  auto parameters = formalsOf(builtin);
  std::vector<Formal> formals;
  for (auto &parameter : parameters)
    formals.push_back(parameter.first);
  std::string what = std::string("`") + builtin.name + "`";
  auto match = matchArguments(formals, args, what, span, Span());
  if (!match)
    return {};
  BuiltinCall call{*this, t, builtin, span, {}, {}, {}, {}, false};
  for (size_t i = 0; i < formals.size(); ++i) {
    int at = (*match)[i];
    if (formals[i].isVariadic) {
      for (const Arg &arg : args)
        if (arg.name.empty() && &arg - args.data() >= ptrdiff_t(i)) {
          call.rest.push_back(arg.value);
          call.restSpans.push_back(arg.span);
        }
      call.values.push_back(NoneValue());
      call.spans.push_back(span);
      continue;
    }
    call.values.push_back(at >= 0 ? args[at].value
                                  : defaultValue(parameters[i].second));
    call.spans.push_back(at >= 0 ? args[at].span : span);
  }
  auto isPoison = [](const Object &o) { return o.isPoison(); };
  if (llvm::any_of(call.values, isPoison) || llvm::any_of(call.rest, isPoison))
    return {};
  t.loc = locate(span);
  Object result = builtin.build(call);
  return call.failed ? Object() : result;
}

mlir::Value BuiltinCall::tensor(unsigned i, mlir::Type like) {
  mlir::Value value = e.toTensor(values[i], spans[i], like);
  failed |= !value;
  return value;
}

mlir::Value BuiltinCall::floats(unsigned i) {
  mlir::Value value = tensor(i, t.f32());
  if (value && !isFloat(elementTypeOf(value)))
    value = t.cast(value, t.f32());
  return value;
}

mlir::Value BuiltinCall::indices(unsigned i) {
  mlir::Value value = tensor(i);
  if (!value)
    return {};
  mlir::Type type = elementTypeOf(value);
  if (isFloat(type)) {
    failed = true;
    e.fail(spans[i],
           "indices are whole numbers, and these are " +
               e.describe(Object(value)),
           "`i64(x)` makes whole numbers");
    return {};
  }
  bool isKept = type.isSignlessInteger(32) || type.isSignlessInteger(64) ||
                type.isUnsignedInteger(64); // of which not all are an i64
  return isKept ? value : t.cast(value, t.i64());
}

int64_t BuiltinCall::integer(unsigned i) {
  auto value = e.toInt(values[i], spans[i]);
  failed |= !value;
  return value.value_or(0);
}

double BuiltinCall::real(unsigned i) {
  auto value = e.toReal(values[i], spans[i]);
  failed |= !value;
  return value.value_or(0);
}

bool BuiltinCall::flag(unsigned i) {
  auto value = e.toBool(values[i], spans[i]);
  failed |= !value;
  return value.value_or(false);
}

std::string BuiltinCall::text(unsigned i) {
  if (values[i].is<std::string>())
    return values[i].get<std::string>();
  failed = true;
  e.fail(spans[i], "this should be a text, and is " + e.describe(values[i]));
  return "";
}

Dim BuiltinCall::size(unsigned i) {
  auto value = e.toDim(values[i], spans[i]);
  failed |= !value;
  return value.value_or(Dim(0));
}

Dims BuiltinCall::dims(unsigned i) {
  auto value = e.toDims(values[i], spans[i]);
  failed |= !value;
  return value.value_or(Dims());
}

int64_t BuiltinCall::axis(unsigned i, mlir::Value x) {
  if (!x)
    return 0;
  auto value = e.toAxis(values[i], dimsOf(x).size(), spans[i]);
  failed |= !value;
  return value.value_or(0);
}

llvm::SmallVector<int64_t> BuiltinCall::axes(unsigned i, mlir::Value x) {
  llvm::SmallVector<int64_t> result;
  if (!x)
    return result;
  int64_t rank = dimsOf(x).size();
  if (!given(i)) {
    for (int64_t axis = 0; axis < rank; ++axis)
      result.push_back(axis);
    return result;
  }
  std::vector<Object> one = {values[i]};
  for (const Object &object :
       values[i].elements() ? *values[i].elements() : one) {
    auto axis = e.toAxis(object, rank, spans[i]);
    failed |= !axis;
    if (axis && llvm::is_contained(result, *axis)) {
      e.fail(spans[i], "axis " + std::to_string(*axis) + " is named twice");
      failed = true;
    }
    result.push_back(axis.value_or(0));
  }
  llvm::sort(result);
  return result;
}

mlir::Type BuiltinCall::type(unsigned i) {
  if (values[i].is<ast::TypeName>())
    if (mlir::Type type = Elaborator::elementType(
            t.builder.getContext(), values[i].get<ast::TypeName>()))
      return type;
  failed = true;
  e.fail(spans[i], "this should be a type such as f32 or i64, and is " +
                       e.describe(values[i]));
  return t.f32();
}
