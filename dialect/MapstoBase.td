//===- MapstoBase.td - The dialect, its attributes and op classes ---------===//

#ifndef MAPSTO_DIALECT_BASE
#define MAPSTO_DIALECT_BASE

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/IR/TensorEncoding.td"

def Mapsto_Dialect : Dialect {
  let name = "mapsto";
  let cppNamespace = "::mapsto";
  let summary = "Dataflow graphs of sequence models, on tensors with symbolic sizes";
  let description = [{
    Every value is a ranked tensor. A size that is not a number is an integer
    polynomial over symbols, carried by the type's encoding:
    `tensor<?x?x16xf32, #mapsto.dims<"B", "T", "16">>`. Ops have value
    semantics; parameters are named resources (`mapsto.weight`), never literals.
  }];
  let useDefaultAttributePrinterParser = 1;
  let hasConstantMaterializer = 1;
  let hasCanonicalizer = 1;
}

def Mapsto_DimsAttr : AttrDef<Mapsto_Dialect, "Dims",
    [DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let mnemonic = "dims";
  let summary = "A list of sizes, each a constant or an expression over symbols";
  let parameters = (ins OptionalArrayRefParameter<"::mlir::StringAttr">:$sizes);
  let assemblyFormat = "`<` (`>`) : ($sizes^ `>`)?";
  let extraClassDeclaration = [{
    static DimsAttr get(::mlir::MLIRContext *context, ::llvm::ArrayRef<::mapsto::Dim> dims);
    ::mapsto::Dims getDims() const;
  }];
  let genVerifyDecl = 1;
}

def Mapsto_StorageAttr : AttrDef<Mapsto_Dialect, "Storage"> {
  let mnemonic = "storage";
  let summary = "How a matrix of f32 is stored in fewer bits";
  let description = [{
    f16 and bf16 round each element. i8 has one scale for each row (`channels`
    = 0) or column (1): the largest magnitude in it over 127; an element is the
    scale times the nearest whole number.
    ```mlir
    #mapsto.storage<f16>
    #mapsto.storage<i8, channels = 0>
    ```
  }];
  let parameters = (ins "::mlir::Type":$type, OptionalParameter<"std::optional<int64_t>">:$channels);
  let assemblyFormat = "`<` $type (`,` `channels` `=` $channels^)? `>`";
  let genVerifyDecl = 1;
}

class Mapsto_Enum<string name, string summary, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, summary, cases> {
  let cppNamespace = "::mapsto";
  let genSpecializedAttr = 0;
}

def Mapsto_ComparePredicate : Mapsto_Enum<"ComparePredicate", "how two values are compared", [
  I32EnumAttrCase<"eq", 0>, I32EnumAttrCase<"ne", 1>, I32EnumAttrCase<"lt", 2>,
  I32EnumAttrCase<"le", 3>, I32EnumAttrCase<"gt", 4>, I32EnumAttrCase<"ge", 5>]>;
def Mapsto_ReduceKind : Mapsto_Enum<"ReduceKind", "how values are combined", [
  I32EnumAttrCase<"sum", 0>, I32EnumAttrCase<"prod", 1>, I32EnumAttrCase<"max", 2>,
  I32EnumAttrCase<"min", 3>, I32EnumAttrCase<"any", 4>, I32EnumAttrCase<"all", 5>]>;
def Mapsto_ScatterKind : Mapsto_Enum<"ScatterKind", "what a scattered update does to the value under it", [
  I32EnumAttrCase<"set", 0>, I32EnumAttrCase<"add", 1>, I32EnumAttrCase<"mul", 2>,
  I32EnumAttrCase<"max", 3>, I32EnumAttrCase<"min", 4>]>;
def Mapsto_Normalizer : Mapsto_Enum<"Normalizer", "how scores become weights", [
  I32EnumAttrCase<"softmax", 0>, I32EnumAttrCase<"hard", 1>,
  I32EnumAttrCase<"sparsemax", 2>, I32EnumAttrCase<"sigmoid", 3>]>;
def Mapsto_Nonlinearity : Mapsto_Enum<"Nonlinearity", "the activation of a plain recurrence", [
  I32EnumAttrCase<"tanh", 0>, I32EnumAttrCase<"relu", 1>]>;
def Mapsto_KernelKind : Mapsto_Enum<"KernelKind", "the loop structure of a kernel, given by its anchor", [
  I32EnumAttrCase<"map", 0>, I32EnumAttrCase<"row", 1>, I32EnumAttrCase<"matmul", 2>,
  I32EnumAttrCase<"attention", 3>, I32EnumAttrCase<"scan", 4>, I32EnumAttrCase<"conv", 5>,
  I32EnumAttrCase<"cumulative", 6>, I32EnumAttrCase<"topk", 7>, I32EnumAttrCase<"scatter", 8>,
  I32EnumAttrCase<"update", 9>]>;

// Written bare in an op's format, as in `mapsto.reduce sum`.
class Mapsto_EnumAttr<EnumAttrInfo info, string mnemonic>
    : EnumAttr<Mapsto_Dialect, info, mnemonic> {
  let assemblyFormat = "$value";
}
// Written in an attribute dictionary, as in `#mapsto.normalizer<hard>`.
class Mapsto_DictEnumAttr<EnumAttrInfo info, string mnemonic>
    : EnumAttr<Mapsto_Dialect, info, mnemonic> {
  let assemblyFormat = "`<` $value `>`";
}
def Mapsto_ComparePredicateAttr : Mapsto_EnumAttr<Mapsto_ComparePredicate, "predicate">;
def Mapsto_ReduceKindAttr : Mapsto_EnumAttr<Mapsto_ReduceKind, "reduce_kind">;
def Mapsto_ScatterKindAttr : Mapsto_EnumAttr<Mapsto_ScatterKind, "scatter_kind">;
def Mapsto_NormalizerAttr : Mapsto_DictEnumAttr<Mapsto_Normalizer, "normalizer">;
def Mapsto_NonlinearityAttr : Mapsto_DictEnumAttr<Mapsto_Nonlinearity, "nonlinearity">;
def Mapsto_KernelKindAttr : Mapsto_EnumAttr<Mapsto_KernelKind, "kernel_kind">;

def Mapsto_Tensor : Type<CPred<"::mapsto::hasSizes($_self)">,
    "a tensor whose sizes are known (constants, or named by #mapsto.dims)",
    "::mlir::RankedTensorType">;
// Unsigned integers are only kept: they are cast to be computed with.
def Mapsto_NumberTensor : Type<And<[Mapsto_Tensor.predicate,
    CPred<"!::llvm::cast<::mlir::RankedTensorType>($_self).getElementType().isUnsignedInteger()">]>,
    "a tensor whose sizes are known (constants, or named by #mapsto.dims), not of unsigned integers: cast those to be computed with",
    "::mlir::RankedTensorType">;
def Mapsto_FloatTensor : RankedTensorOf<[AnyFloat]>;
def Mapsto_IntTensor : RankedTensorOf<[AnySignlessInteger]>;
def Mapsto_BoolTensor : RankedTensorOf<[I1]>;
def Mapsto_Index : 0DTensorOf<[I64]>;

class Mapsto_Op<string mnemonic, list<Trait> traits = []>
    : Op<Mapsto_Dialect, mnemonic, traits>;

// An op whose result types follow from its operands; the builder needs none
// and the verifier holds them to it.
class Mapsto_InferredOp<string mnemonic, list<Trait> traits = []>
    : Mapsto_Op<mnemonic, traits # [Pure, InferTypeOpAdaptor]> {
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}

#endif // MAPSTO_DIALECT_BASE
