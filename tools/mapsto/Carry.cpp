#include "tools/mapsto/Carry.h"
#include "compiler/package/StoredWeights.h"
#include "dialect/Dims.h"
#include "dialect/MapstoDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mapsto;

/// The place among arguments or results whose attributes have this name.
template <typename Attribute>
static std::optional<unsigned>
findNamed(unsigned count, const std::string &name, const char *kind,
          std::string &error, Attribute attribute) {
  std::vector<std::string> names;
  for (unsigned i = 0; i != count; ++i)
    if (mlir::StringAttr text = attribute(i)) {
      if (text.getValue() == name)
        return i;
      names.push_back(text.str());
    }
  std::string near = didYouMean(name, names);
  error = std::string("--carry: the model has no ") + kind + " `" + name + "`" +
          (near.empty() ? "" : "; " + near);
  return std::nullopt;
}

/// "f32[2, B, 128]"
static std::string describe(mlir::Type type) {
  auto element = llvm::cast<mlir::RankedTensorType>(type).getElementType();
  return mapsto_dtype_name(dtypeOf(element)) + str(dimsOf(type));
}

bool mapsto::carryStates(Model &model, const Arguments &arguments,
                         std::string &error) {
  if (!arguments.has("--carry"))
    return true;
  auto main = model.module->lookupSymbol<mlir::func::FuncOp>(kEntryName);
  for (const std::string &text : arguments.all("--carry")) {
    std::string output, input;
    if (!splitNamed(text, output, input)) {
      error = "--carry needs OUTPUT=INPUT, not `" + text + "`";
      return false;
    }
    auto to = findNamed(
        main.getNumArguments(), input, "input", error, [&](unsigned i) {
          return main.getArgAttrOfType<mlir::StringAttr>(i, kNameAttr);
        });
    auto from = findNamed(
        main.getNumResults(), output, "output", error, [&](unsigned i) {
          return main.getResultAttrOfType<mlir::StringAttr>(i, kNameAttr);
        });
    if (!to || !from)
      return false;
    mlir::Type made = main.getResultTypes()[*from];
    mlir::Type taken = main.getArgumentTypes()[*to];
    if (describe(made) != describe(taken)) {
      error = "--carry: output `" + output + "` is " + describe(made) +
              ", and input `" + input + "` is " + describe(taken);
      return false;
    }
    mlir::StringAttr state = mlir::StringAttr::get(&model.context, input);
    main.removeArgAttr(*to, kNameAttr);
    main.setArgAttr(*to, kStateAttr, state);
    main.removeResultAttr(*from, kNameAttr);
    main.setResultAttr(*from, kStateAttr, state);
  }
  return true;
}
