//===- MapstoOps.td - The ops of the graph --------------------------------===//

#ifndef MAPSTO_DIALECT_OPS
#define MAPSTO_DIALECT_OPS

include "dialect/MapstoBase.td"

//===----------------------------------------------------------------------===//
// Sources
//===----------------------------------------------------------------------===//

def Mapsto_ConstantOp : Mapsto_Op<"constant", [Pure, ConstantLike, InferTypeOpAdaptor]> {
  let summary = "A literal: a scalar or a small table written in the source";
  let description = [{
    Parameters are never constants: see `mapsto.weight`.
    ```mlir
    %half = mapsto.constant dense<0.5> : tensor<f32>
    ```
  }];
  let arguments = (ins ElementsAttr:$value);
  let results = (outs Mapsto_Tensor:$result);
  let assemblyFormat = "attr-dict $value";
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}

def Mapsto_WeightOp : Mapsto_Op<"weight", [Pure]> {
  let summary = "A parameter of the model, by the name it has in the weights file";
  let description = [{
    `row_start` reads the rows from there on (as many as the type has).
    `panel` asks for the packed layout that a matmul kernel reads: a [K, N]
    matrix (or [N, K] with `transposed`) laid out as [ceil(N / panel), K, panel],
    zero-padded; `source_shape` is then the matrix's shape before packing (after
    the rows were taken).
    `stored` says that the artifact holds the matrix in fewer bits. As f32 it has
    the values that remain, as the storage's type what is stored, and with
    `scales` it is the channels' scales: as f32, the stored matrix times these.
    ```mlir
    %w = mapsto.weight "fc.weight" : tensor<64x16xf32>
    %p = mapsto.weight "fc.weight" {panel = 16 : i64, source_shape = array<i64: 64, 16>, transposed} : tensor<4x16x16xf32>
    %q = mapsto.weight "fc.weight" {stored = #mapsto.storage<i8, channels = 0>} : tensor<64x16xi8>
    %s = mapsto.weight "fc.weight" {stored = #mapsto.storage<i8, channels = 0>, scales} : tensor<64xf32>
    ```
  }];
  let arguments = (ins StrAttr:$name, OptionalAttr<I64Attr>:$row_start,
                       OptionalAttr<I64Attr>:$panel, UnitAttr:$transposed,
                       OptionalAttr<DenseI64ArrayAttr>:$source_shape,
                       OptionalAttr<Mapsto_StorageAttr>:$stored, UnitAttr:$scales);
  let results = (outs Mapsto_Tensor:$result);
  let assemblyFormat = "$name attr-dict `:` type($result)";
  let builders = [
    OpBuilder<(ins "::mlir::Type":$type, "::llvm::StringRef":$name)>,
    // Rows of another one that is not packed, from its row `first` on.
    OpBuilder<(ins "::mlir::Type":$type, "::mapsto::WeightOp":$whole, "int64_t":$first)>
  ];
  let hasVerifier = 1;
}

def Mapsto_SizeOp : Mapsto_Op<"size", [Pure]> {
  let summary = "A symbolic size as a number";
  let arguments = (ins StrAttr:$dim);
  let results = (outs Mapsto_Index:$result);
  let assemblyFormat = "$dim attr-dict `:` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Mapsto_IotaOp : Mapsto_Op<"iota", [Pure]> {
  let summary = "Counts 0, 1, 2, ... along an axis";
  let arguments = (ins I64Attr:$axis);
  let results = (outs Mapsto_NumberTensor:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Pointwise
//===----------------------------------------------------------------------===//

class Mapsto_Pointwise<string mnemonic, list<Trait> traits = []>
    : Mapsto_Op<mnemonic, traits # [Pure, Elementwise, SameOperandsAndResultShape, InferTypeOpAdaptor]>;

class Mapsto_Unary<string mnemonic, string text, Type type = Mapsto_FloatTensor>
    : Mapsto_Pointwise<mnemonic> {
  let summary = text;
  let arguments = (ins type:$x);
  let results = (outs type:$result);
  let assemblyFormat = "$x attr-dict `:` type($x)";
  let extraClassDefinition = [{
    ::llvm::LogicalResult $cppClass::inferReturnTypes(::mlir::MLIRContext *, std::optional<::mlir::Location>,
        Adaptor adaptor, ::llvm::SmallVectorImpl<::mlir::Type> &types) {
      types.push_back(adaptor.getX().getType());
      return ::mlir::success();
    }
  }];
  let hasFolder = 1;
}

def Mapsto_NegOp : Mapsto_Unary<"neg", "-x", Mapsto_NumberTensor>;
def Mapsto_AbsOp : Mapsto_Unary<"abs", "|x|", Mapsto_NumberTensor>;
def Mapsto_SignOp : Mapsto_Unary<"sign", "-1, 0 or 1 (NaN for NaN)", Mapsto_NumberTensor>;
def Mapsto_NotOp : Mapsto_Unary<"not", "logical negation", Mapsto_BoolTensor>;
def Mapsto_ExpOp : Mapsto_Unary<"exp", "e to the power x">;
def Mapsto_Expm1Op : Mapsto_Unary<"expm1", "exp(x) - 1, exact near 0">;
def Mapsto_LogOp : Mapsto_Unary<"log", "natural logarithm">;
def Mapsto_Log1pOp : Mapsto_Unary<"log1p", "log(1 + x), exact near 0">;
def Mapsto_SqrtOp : Mapsto_Unary<"sqrt", "square root">;
def Mapsto_RsqrtOp : Mapsto_Unary<"rsqrt", "1 / sqrt(x)">;
def Mapsto_TanhOp : Mapsto_Unary<"tanh", "hyperbolic tangent">;
def Mapsto_SigmoidOp : Mapsto_Unary<"sigmoid", "1 / (1 + exp(-x))">;
def Mapsto_ErfOp : Mapsto_Unary<"erf", "error function">;
def Mapsto_SinOp : Mapsto_Unary<"sin", "sine, radians">;
def Mapsto_CosOp : Mapsto_Unary<"cos", "cosine, radians">;
def Mapsto_TanOp : Mapsto_Unary<"tan", "tangent, radians">;
def Mapsto_AtanOp : Mapsto_Unary<"atan", "arc tangent, radians">;
def Mapsto_FloorOp : Mapsto_Unary<"floor", "largest whole number not above x">;
def Mapsto_CeilOp : Mapsto_Unary<"ceil", "smallest whole number not below x">;
def Mapsto_RoundOp : Mapsto_Unary<"round", "nearest whole number, halves to even">;
def Mapsto_IsNanOp : Mapsto_Pointwise<"isnan"> {
  let summary = "true where x is not a number";
  let arguments = (ins Mapsto_FloatTensor:$x);
  let results = (outs Mapsto_BoolTensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x)";
}

class Mapsto_Binary<string mnemonic, string text, list<Trait> traits = [], Type type = Mapsto_NumberTensor>
    : Mapsto_Pointwise<mnemonic, traits # [SameTypeOperands]> {
  let summary = text;
  let arguments = (ins type:$lhs, type:$rhs);
  let results = (outs type:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs)";
  let extraClassDefinition = [{
    ::llvm::LogicalResult $cppClass::inferReturnTypes(::mlir::MLIRContext *, std::optional<::mlir::Location>,
        Adaptor adaptor, ::llvm::SmallVectorImpl<::mlir::Type> &types) {
      types.push_back(adaptor.getLhs().getType());
      return ::mlir::success();
    }
  }];
  let hasFolder = 1;
}

def Mapsto_AddOp : Mapsto_Binary<"add", "x + y", [Commutative]>;
def Mapsto_SubOp : Mapsto_Binary<"sub", "x - y">;
def Mapsto_MulOp : Mapsto_Binary<"mul", "x * y", [Commutative]>;
def Mapsto_DivOp : Mapsto_Binary<"div", "x / y; whole numbers round down, as Python's //">;
def Mapsto_ModOp : Mapsto_Binary<"mod", "remainder with the divisor's sign, as Python's %">;
def Mapsto_PowOp : Mapsto_Binary<"pow", "x to the power y">;
def Mapsto_MinOp : Mapsto_Binary<"min", "the smaller; NaN wins", [Commutative]>;
def Mapsto_MaxOp : Mapsto_Binary<"max", "the larger; NaN wins", [Commutative]>;
def Mapsto_AndOp : Mapsto_Binary<"and", "both; of whole numbers, bit by bit", [Commutative], Mapsto_IntTensor>;
def Mapsto_OrOp : Mapsto_Binary<"or", "either; of whole numbers, bit by bit", [Commutative], Mapsto_IntTensor>;
def Mapsto_XorOp : Mapsto_Binary<"xor", "exactly one; of whole numbers, bit by bit", [Commutative], Mapsto_IntTensor>;

def Mapsto_CompareOp : Mapsto_Pointwise<"compare", [SameTypeOperands]> {
  let summary = "A comparison, element by element";
  let arguments = (ins Mapsto_ComparePredicateAttr:$predicate, Mapsto_NumberTensor:$lhs, Mapsto_NumberTensor:$rhs);
  let results = (outs Mapsto_BoolTensor:$result);
  let assemblyFormat = "`` $predicate $lhs `,` $rhs attr-dict `:` type($lhs)";
  let hasFolder = 1;
}

def Mapsto_SelectOp : Mapsto_Pointwise<"select", [AllTypesMatch<["x", "y"]>]> {
  let summary = "x where the condition holds, y elsewhere";
  let arguments = (ins Mapsto_BoolTensor:$condition, Mapsto_Tensor:$x, Mapsto_Tensor:$y);
  let results = (outs Mapsto_Tensor:$result);
  let assemblyFormat = "$condition `,` $x `,` $y attr-dict `:` type($condition) `,` type($x)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Mapsto_CastOp : Mapsto_Op<"cast", [Pure, Elementwise, SameOperandsAndResultShape]> {
  let summary = "The same values in another element type; floats go to integers towards zero";
  let description = [{
    Integers that do not fit wrap. Unsigned integers (`ui8` to `ui64`) are how
    tensors are kept, not computed with: this op and those that only move
    elements are all that takes them.
    ```mlir
    %wide = mapsto.cast %pixels : tensor<28x28xui8> to tensor<28x28xi32>
    ```
  }];
  let arguments = (ins Mapsto_Tensor:$x);
  let results = (outs Mapsto_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `to` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

//===----------------------------------------------------------------------===//
// Shapes
//===----------------------------------------------------------------------===//

class Mapsto_ShapeOp<string mnemonic> : Mapsto_Op<mnemonic, [Pure]> {
  let arguments = (ins Mapsto_Tensor:$x);
  let results = (outs Mapsto_Tensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `to` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}

def Mapsto_BroadcastOp : Mapsto_ShapeOp<"broadcast"> {
  let summary = "NumPy broadcasting: axes aligned from the right, sizes of 1 repeated";
}
def Mapsto_ReshapeOp : Mapsto_ShapeOp<"reshape"> {
  let summary = "The same elements in the same order under another shape";
}

def Mapsto_TransposeOp : Mapsto_InferredOp<"transpose"> {
  let summary = "Axes reordered: result axis i is x's axis permutation[i]";
  let arguments = (ins Mapsto_Tensor:$x, DenseI64ArrayAttr:$permutation);
  let results = (outs Mapsto_Tensor:$result);
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}

def Mapsto_SliceOp : Mapsto_InferredOp<"slice"> {
  let summary = "A box of x: from starts, sizes long, every steps-th element";
  let description = [{
    Starts and sizes are sizes over symbols; sizes count the elements taken, the
    last of which is at start + (size - 1) * step. Steps are at least 1 (see
    `mapsto.flip`).
    ```mlir
    %last = mapsto.slice %x {starts = #mapsto.dims<"0", "T - 1">, sizes = #mapsto.dims<"B", "1">,
        steps = array<i64: 1, 1>} : (tensor<?x?xf32, #mapsto.dims<"B", "T">>) -> tensor<?x1xf32, #mapsto.dims<"B", "1">>
    ```
  }];
  let arguments = (ins Mapsto_Tensor:$x, Mapsto_DimsAttr:$starts, Mapsto_DimsAttr:$sizes,
                       DenseI64ArrayAttr:$steps);
  let results = (outs Mapsto_Tensor:$result);
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}

def Mapsto_FlipOp : Mapsto_InferredOp<"flip"> {
  let summary = "Elements in reverse order along the given axes";
  let arguments = (ins Mapsto_Tensor:$x, DenseI64ArrayAttr:$axes);
  let results = (outs Mapsto_Tensor:$result);
}

def Mapsto_ConcatOp : Mapsto_InferredOp<"concat"> {
  let summary = "Tensors laid one after the other along an axis";
  let arguments = (ins Variadic<Mapsto_Tensor>:$parts, I64Attr:$axis);
  let results = (outs Mapsto_Tensor:$result);
  let hasFolder = 1;
}

def Mapsto_PadOp : Mapsto_InferredOp<"pad"> {
  let summary = "x with `value` (a scalar) around it: low before and high after each axis";
  let arguments = (ins Mapsto_Tensor:$x, Mapsto_Tensor:$value, Mapsto_DimsAttr:$low, Mapsto_DimsAttr:$high);
  let results = (outs Mapsto_Tensor:$result);
}

//===----------------------------------------------------------------------===//
// Reductions and scans along an axis
//===----------------------------------------------------------------------===//

def Mapsto_ReduceOp : Mapsto_InferredOp<"reduce"> {
  let summary = "Axes combined away; of no elements: 0, 1, -inf, +inf, false, true";
  let arguments = (ins Mapsto_ReduceKindAttr:$kind, Mapsto_NumberTensor:$x, DenseI64ArrayAttr:$axes);
  let results = (outs Mapsto_NumberTensor:$result);
  let assemblyFormat = "`` $kind $x attr-dict `:` functional-type(operands, results)";
  let hasFolder = 1;
}

def Mapsto_ArgReduceOp : Mapsto_InferredOp<"arg_reduce"> {
  let summary = "Index of the first largest (max) or smallest (min) element along an axis; NaN wins";
  let arguments = (ins Mapsto_ReduceKindAttr:$kind, Mapsto_NumberTensor:$x, I64Attr:$axis);
  let results = (outs Mapsto_IntTensor:$result);
  let assemblyFormat = "`` $kind $x attr-dict `:` functional-type(operands, results)";
}

def Mapsto_SoftmaxOp : Mapsto_InferredOp<"softmax"> {
  let summary = "exp(x - max) / sum of it along an axis";
  let arguments = (ins Mapsto_FloatTensor:$x, I64Attr:$axis);
  let results = (outs Mapsto_FloatTensor:$result);
}

def Mapsto_CumulativeOp : Mapsto_InferredOp<"cumulative"> {
  let summary = "Running sum, product, max or min along an axis";
  let arguments = (ins Mapsto_ReduceKindAttr:$kind, Mapsto_NumberTensor:$x, I64Attr:$axis,
                       UnitAttr:$exclusive, UnitAttr:$reverse);
  let results = (outs Mapsto_NumberTensor:$result);
  let assemblyFormat = "`` $kind $x attr-dict `:` functional-type(operands, results)";
}

def Mapsto_TopKOp : Mapsto_InferredOp<"topk"> {
  let summary = "The k largest (or smallest) along the last axis, best first, with their indices; ties by index";
  let arguments = (ins Mapsto_NumberTensor:$x, I64Attr:$k, UnitAttr:$smallest);
  let results = (outs Mapsto_NumberTensor:$values, Mapsto_IntTensor:$indices);
}

//===----------------------------------------------------------------------===//
// Indexed access. An index below zero counts from the end; one out of range is
// an error of the run.
//===----------------------------------------------------------------------===//

def Mapsto_TakeOp : Mapsto_InferredOp<"take"> {
  let summary = "x's slices at `indices` along an axis: the axis is replaced by the shape of indices";
  let arguments = (ins Mapsto_Tensor:$x, Mapsto_IntTensor:$indices, I64Attr:$axis);
  let results = (outs Mapsto_Tensor:$result);
}

def Mapsto_TakeAlongOp : Mapsto_InferredOp<"take_along"> {
  let summary = "result[.., i, ..] = x[.., indices[.., i, ..], ..]; all other axes agree";
  let arguments = (ins Mapsto_Tensor:$x, Mapsto_IntTensor:$indices, I64Attr:$axis);
  let results = (outs Mapsto_Tensor:$result);
}

def Mapsto_ScatterOp : Mapsto_InferredOp<"scatter"> {
  let summary = "x with updates[.., i, ..] combined into [.., indices[.., i, ..], ..]";
  let arguments = (ins Mapsto_ScatterKindAttr:$kind, Mapsto_NumberTensor:$x, Mapsto_IntTensor:$indices,
                       Mapsto_NumberTensor:$updates, I64Attr:$axis);
  let results = (outs Mapsto_NumberTensor:$result);
  let assemblyFormat = "`` $kind $x `,` $indices `,` $updates attr-dict `:` functional-type(operands, results)";
}

def Mapsto_UpdateOp : Mapsto_InferredOp<"update"> {
  let summary = "x with `values` written over it from `start` (a scalar) on, along an axis";
  let description = [{
    The other axes agree. The whole of `values` must fit: a start out of range is
    an error of the run. In place where x is not read again.
  }];
  let arguments = (ins Mapsto_Tensor:$x, Mapsto_Tensor:$values, Mapsto_Index:$start, I64Attr:$axis);
  let results = (outs Mapsto_Tensor:$result);
}

//===----------------------------------------------------------------------===//
// Contractions
//===----------------------------------------------------------------------===//

def Mapsto_MatmulOp : Mapsto_InferredOp<"matmul"> {
  let summary = "Matrix product of the last two axes";
  let description = [{
    lhs is [batch..., M, K]; rhs is [batch..., K, N], or [batch..., N, K] with
    `transposed`. The batch axes agree, or rhs is one matrix for all of them.
    Accumulates in f32 (f64 for f64, i64 for integers).
    ```mlir
    %y = mapsto.matmul %x, %w {transposed} : (tensor<8x16xf32>, tensor<32x16xf32>) -> tensor<8x32xf32>
    ```
  }];
  let arguments = (ins Mapsto_NumberTensor:$lhs, Mapsto_NumberTensor:$rhs, UnitAttr:$transposed);
  let results = (outs Mapsto_NumberTensor:$result);
  let hasCanonicalizer = 1;
}

def Mapsto_PackedMatmulOp : Mapsto_InferredOp<"packed_matmul"> {
  let summary = "Matrix product with a packed right side: [..., M, K] by [ceil(N / P), K, P]";
  let description = [{
    The right side of a product of f32 may be of f16, bf16 or i8: its elements
    are widened as they are read.
  }];
  let arguments = (ins Mapsto_NumberTensor:$lhs, Mapsto_NumberTensor:$rhs, I64Attr:$columns);
  let results = (outs Mapsto_NumberTensor:$result);
}

def Mapsto_Conv1dOp : Mapsto_InferredOp<"conv1d"> {
  let summary = "Cross-correlation along time: [B, C, T] with weight [O, C / groups, k]";
  let arguments = (ins Mapsto_FloatTensor:$x, Mapsto_FloatTensor:$weight, I64Attr:$stride,
                       I64Attr:$pad_low, I64Attr:$pad_high, I64Attr:$dilation, I64Attr:$groups);
  let results = (outs Mapsto_FloatTensor:$result);
}

def Mapsto_ConvTranspose1dOp : Mapsto_InferredOp<"conv_transpose1d"> {
  let summary = "The adjoint of conv1d: [B, C, T] with weight [C, O / groups, k]";
  let arguments = (ins Mapsto_FloatTensor:$x, Mapsto_FloatTensor:$weight, I64Attr:$stride,
                       I64Attr:$padding, I64Attr:$output_padding, I64Attr:$dilation, I64Attr:$groups);
  let results = (outs Mapsto_FloatTensor:$result);
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

def Mapsto_AttentionOp : Mapsto_Op<"attention", [Pure, AttrSizedOperandSegments,
    AttrSizedResultSegments]> {
  let summary = "Weighted sum of values; the weights come from a score of query and key";
  let description = [{
    queries are [batch..., L, Dq], keys [batch..., S, Dk], value [batch..., S, Dv];
    the output is [batch..., L, Dv]. The last batch axis of keys and value may
    be a divisor of the queries' (grouped queries: query head h reads key head
    h / (Hq / Hk)). More than one query or key operand are parallel features of
    the same query or key (what a general score needs of them).

    score(q..., k...): one row of each query and key feature to a scalar; empty:
    the dot product of the first query and key, times `scale`.
    modify(s, b..., i, j): the score and its indices (one i64 scalar per batch
    axis, query, key) to the score used; empty: s.
    mask(b..., i, j): a boolean scalar, false removes the pair; empty: all kept.
    Regions may read values from around the op. Indices of a mask are of the
    queries' axes.

    weights (optional) are [batch..., L, S], log_sum_exp (optional) [batch..., L].
    A query that has no key left gets output 0, weights 0 and log_sum_exp -inf.
    Online softmax: Milakov and Gimelshein, arXiv:1805.02867; Dao et al.,
    arXiv:2205.14135.
  }];
  let arguments = (ins Variadic<Mapsto_Tensor>:$queries, Variadic<Mapsto_Tensor>:$keys,
                       Mapsto_Tensor:$value, DefaultValuedAttr<F64Attr, "1.0">:$scale,
                       DefaultValuedAttr<Mapsto_NormalizerAttr, "::mapsto::Normalizer::softmax">:$normalizer);
  let results = (outs Mapsto_Tensor:$output, Optional<Mapsto_Tensor>:$weights,
                      Optional<Mapsto_Tensor>:$log_sum_exp);
  let regions = (region MaxSizedRegion<1>:$score, MaxSizedRegion<1>:$modify, MaxSizedRegion<1>:$mask);
  let assemblyFormat = [{
    `queries` `(` $queries `:` type($queries) `)` `keys` `(` $keys `:` type($keys) `)`
    `value` `(` $value `:` type($value) `)` attr-dict-with-keyword
    `->` type($output) (`weights` type($weights)^)? (`log_sum_exp` type($log_sum_exp)^)?
    `score` $score `modify` $modify `mask` $mask
  }];
  let hasRegionVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Recurrence
//===----------------------------------------------------------------------===//

def Mapsto_ScanOp : Mapsto_Op<"scan", [Pure, AttrSizedOperandSegments]> {
  let summary = "A recurrence over time: carried state, sequences in and out";
  let description = [{
    The body gets every state and one step of every sequence (its time axis
    removed), and yields the new states, then the step of every output. Results:
    the final states, then the outputs stacked along `axis`. `count` is the
    number of steps; every sequence has that size along `axis`. `reverse` walks
    from the last step to the first (outputs stay at their step's place). With
    `lengths` ([B], B being the first axis of every state) a row's steps from its
    length on leave its state alone and output 0.
    ```mlir
    %last, %all = mapsto.scan init(%s0) over(%x) {axis = 1, count = "T"} ... {
      ^bb0(%s: tensor<..>, %x_t: tensor<..>):
        %n = mapsto.add %s, %x_t : tensor<..>
        mapsto.yield %n, %n : tensor<..>, tensor<..>
    }
    ```
  }];
  let arguments = (ins Variadic<Mapsto_Tensor>:$inits, Variadic<Mapsto_Tensor>:$sequences,
                       Optional<Mapsto_IntTensor>:$lengths, I64Attr:$axis, StrAttr:$count, UnitAttr:$reverse);
  let results = (outs Variadic<Mapsto_Tensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    `init` `(` ($inits^ `:` type($inits))? `)` `over` `(` ($sequences^ `:` type($sequences))? `)`
    (`lengths` `(` $lengths^ `:` type($lengths) `)`)? attr-dict-with-keyword
    `->` `(` type($results) `)` $body
  }];
  let hasRegionVerifier = 1;
}

def Mapsto_RepeatOp : Mapsto_Op<"repeat", [Pure]> {
  let summary = "Steps until a condition holds, at most `count`: decoding inside the artifact";
  let description = [{
    The body gets the step's number (i64 scalar) and the carried values, and
    yields: a boolean scalar (stop after this step), the new carried values, the
    outputs of this step. Results: the final carried values, then the outputs
    stacked along a new axis `axis` of size `count`, 0 where no step ran. Unlike
    `mapsto.scan`, each step is a sequence of kernels of its own.
  }];
  let arguments = (ins Variadic<Mapsto_Tensor>:$inits, I64Attr:$axis, StrAttr:$count);
  let results = (outs Variadic<Mapsto_Tensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    `init` `(` ($inits^ `:` type($inits))? `)` attr-dict-with-keyword `->` `(` type($results) `)` $body
  }];
  let hasRegionVerifier = 1;
}

def Mapsto_YieldOp : Mapsto_Op<"yield", [Pure, Terminator]> {
  let summary = "The results of a region or kernel";
  let arguments = (ins Variadic<Mapsto_Tensor>:$values);
  let assemblyFormat = "attr-dict ($values^ `:` type($values))?";
}

// One layer, one direction. x is [T, B, I] (axis = 0) or [B, T, I] (axis = 1);
// weights and biases as PyTorch lays them out: [G*H, I], [G*H, H], [G*H].
class Mapsto_Recurrence<string mnemonic, string more_format = "", dag more_in = (ins), dag more_attr = (ins), dag more_out = (outs)>
    : Mapsto_Op<mnemonic, [Pure, AttrSizedOperandSegments, InferTypeOpAdaptor]> {
  let arguments = !con((ins Mapsto_Tensor:$x, Mapsto_Tensor:$w_ih, Mapsto_Tensor:$w_hh,
      Optional<Mapsto_Tensor>:$b_ih, Optional<Mapsto_Tensor>:$b_hh, Optional<Mapsto_Tensor>:$h0),
      more_in, (ins Optional<Mapsto_IntTensor>:$lengths, I64Attr:$axis, UnitAttr:$reverse), more_attr);
  let results = !con((outs Mapsto_Tensor:$out, Mapsto_Tensor:$hn), more_out);
  let assemblyFormat =
      "$x `,` $w_ih `,` $w_hh (`bias_ih` `(` $b_ih^ `)`)? (`bias_hh` `(` $b_hh^ `)`)? "
      "(`h0` `(` $h0^ `)`)? " # more_format # "(`lengths` `(` $lengths^ `)`)? attr-dict `:` "
      "functional-type(operands, results)";
}

def Mapsto_RnnOp : Mapsto_Recurrence<"rnn", "", (ins), (ins
    DefaultValuedAttr<Mapsto_NonlinearityAttr, "::mapsto::Nonlinearity::tanh">:$nonlinearity)> {
  let summary = "h = f(W_ih x + b_ih + W_hh h + b_hh) (Elman, 1990)";
}
def Mapsto_LstmOp : Mapsto_Recurrence<"lstm", "(`c0` `(` $c0^ `)`)? ", (ins Optional<Mapsto_Tensor>:$c0), (ins), (outs Mapsto_Tensor:$cn)> {
  let summary = "Long short-term memory, gates in the order i, f, g, o (Hochreiter and Schmidhuber, 1997)";
}
def Mapsto_GruOp : Mapsto_Recurrence<"gru", "", (ins), (ins UnitAttr:$reset_before)> {
  let summary = "Gated recurrent unit, gates in the order r, z, n (Cho et al., 2014)";
  let description = [{
    n = tanh(W_in x + b_in + r * (W_hn h + b_hn)); with `reset_before`, the form
    of the paper: n = tanh(W_in x + b_in + W_hn (r * h) + b_hn).
    h = (1 - z) * n + z * h.
  }];
}

//===----------------------------------------------------------------------===//
// Kernels and their schedule (phase `kernels`)
//===----------------------------------------------------------------------===//

def Mapsto_KernelOp : Mapsto_Op<"kernel", [Symbol, IsolatedFromAbove, SingleBlock]> {
  let summary = "One kernel: the ops that were fused into it";
  let arguments = (ins SymbolNameAttr:$sym_name, Mapsto_KernelKindAttr:$kind,
                       TypeAttrOf<FunctionType>:$function_type);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `` $kind attr-dict-with-keyword `:` $function_type $body";
  let hasVerifier = 1;
}

def Mapsto_LaunchOp : Mapsto_Op<"launch", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Runs a kernel; with `beside`, possibly at once with the launch before it";
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<Mapsto_Tensor>:$inputs, UnitAttr:$beside);
  let results = (outs Variadic<Mapsto_Tensor>:$results);
  let assemblyFormat = "$kernel `(` $inputs `)` attr-dict `:` functional-type($inputs, $results)";
  let hasVerifier = 1;
}

#endif // MAPSTO_DIALECT_OPS
