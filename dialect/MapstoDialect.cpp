//===- MapstoDialect.cpp - Registration and the dims attribute ------------===//

#include "dialect/MapstoDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

#include "dialect/MapstoDialect.cpp.inc"
#include "dialect/MapstoEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialect/MapstoAttrs.cpp.inc"
#define GET_OP_CLASSES
#include "dialect/MapstoOps.cpp.inc"

namespace mapsto {

void MapstoDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialect/MapstoAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialect/MapstoOps.cpp.inc"
      >();
}

Operation *MapstoDialect::materializeConstant(OpBuilder &builder,
                                              Attribute value, Type type,
                                              Location loc) {
  auto elements = dyn_cast<ElementsAttr>(value);
  if (!elements || elements.getType() != type)
    return nullptr;
  return ConstantOp::create(builder, loc, elements);
}

//===----------------------------------------------------------------------===//
// mapsto.weight
//===----------------------------------------------------------------------===//

void WeightOp::build(OpBuilder &b, OperationState &state, Type type,
                     StringRef name) {
  build(b, state, type, b.getStringAttr(name), IntegerAttr(), IntegerAttr(),
        UnitAttr(), DenseI64ArrayAttr(), StorageAttr(), UnitAttr());
}

void WeightOp::build(OpBuilder &b, OperationState &state, Type type,
                     WeightOp whole, int64_t first) {
  first += whole.getRowStart().value_or(0);
  build(b, state, type, whole.getNameAttr(), b.getI64IntegerAttr(first),
        IntegerAttr(), UnitAttr(), DenseI64ArrayAttr(), whole.getStoredAttr(),
        UnitAttr());
}

//===----------------------------------------------------------------------===//
// #mapsto.storage
//===----------------------------------------------------------------------===//

LogicalResult StorageAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                  Type type, std::optional<int64_t> channels) {
  if (type.isF16() || type.isBF16()) {
    if (channels)
      return emitError() << "only i8 has scales for channels";
    return success();
  }
  if (!type.isInteger(8))
    return emitError() << "weights are stored as f16, bf16 or i8, not " << type;
  if (!channels || (*channels != 0 && *channels != 1))
    return emitError() << "i8 needs `channels`: the rows (0) or the columns "
                          "(1) that have a scale each";
  return success();
}

//===----------------------------------------------------------------------===//
// #mapsto.dims
//===----------------------------------------------------------------------===//

DimsAttr DimsAttr::get(MLIRContext *context, ArrayRef<Dim> dims) {
  SmallVector<StringAttr> texts;
  for (const Dim &dim : dims)
    texts.push_back(StringAttr::get(context, dim.str()));
  return get(context, texts);
}

Dims DimsAttr::getDims() const {
  Dims dims;
  for (StringAttr text : getSizes())
    dims.push_back(*Dim::parse(text));
  return dims;
}

// Only the canonical text is legal: equal sizes are then equal attributes and
// equal types.
LogicalResult DimsAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                               ArrayRef<StringAttr> sizes) {
  for (StringAttr text : sizes) {
    FailureOr<Dim> dim = Dim::parse(text);
    if (failed(dim))
      return emitError() << "size \"" << text.getValue()
                         << "\" is not an expression over symbols";
    if (std::string canonical = dim->str(); canonical != text.getValue())
      return emitError() << "size \"" << text.getValue()
                         << "\" must be written \"" << canonical << "\"";
  }
  return success();
}

LogicalResult
DimsAttr::verifyEncoding(ArrayRef<int64_t> shape, Type elementType,
                         function_ref<InFlightDiagnostic()> emitError) const {
  if (shape.size() != getSizes().size())
    return emitError() << "tensor of rank " << shape.size() << " has "
                       << getSizes().size() << " sizes in its encoding";
  bool anyDynamic = false;
  for (auto [axis, dim] : llvm::enumerate(getDims())) {
    bool isDynamic = ShapedType::isDynamic(shape[axis]);
    anyDynamic |= isDynamic;
    if (dim.constant().value_or(ShapedType::kDynamic) != shape[axis])
      return emitError() << "axis " << axis << " is "
                         << (isDynamic ? "?" : std::to_string(shape[axis]))
                         << " in the shape but \"" << dim.str()
                         << "\" in the encoding";
  }
  if (!anyDynamic)
    return emitError() << "a shape of constants needs no #mapsto.dims encoding";
  return success();
}

} // namespace mapsto
