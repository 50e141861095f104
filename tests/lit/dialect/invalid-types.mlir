// What the types of operands and results must satisfy.
// RUN: mapsto-opt %s -split-input-file -verify-diagnostics

// expected-error @+1 {{size "T+1" must be written "T + 1"}}
func.func private @dims(tensor<?xf32, #mapsto.dims<"T+1">>)

// -----

// expected-error @+1 {{size "T +" is not an expression over symbols}}
func.func private @dims(tensor<?xf32, #mapsto.dims<"T +">>)

// -----

// expected-error @+1 {{tensor of rank 1 has 2 sizes in its encoding}}
func.func private @dims(tensor<?xf32, #mapsto.dims<"B", "T">>)

// -----

// expected-error @+1 {{axis 1 is 3 in the shape but "4" in the encoding}}
func.func private @dims(tensor<?x3xf32, #mapsto.dims<"B", "4">>)

// -----

// expected-error @+1 {{a shape of constants needs no #mapsto.dims encoding}}
func.func private @dims(tensor<3xf32, #mapsto.dims<"3">>)

// -----

func.func @size_unknown(%x: tensor<?xf32>) {
  // expected-error @+1 {{operand #0 must be a tensor whose sizes are known}}
  %0 = mapsto.neg %x : tensor<?xf32>
  return
}

// -----

func.func @weight() {
  // expected-error @+1 {{a parameter has constant sizes, found [B]}}
  %0 = mapsto.weight "w" : tensor<?xf32, #mapsto.dims<"B">>
  return
}

// -----

func.func @weight() {
  // expected-error @+1 {{packed, a matrix of 12 by 60 is tensor<4x12x16>, found 'tensor<3x12x16xf32>'}}
  %0 = mapsto.weight "w" {panel = 16 : i64, source_shape = array<i64: 60, 12>, transposed} : tensor<3x12x16xf32>
  return
}

// -----

func.func @weight() {
  // expected-error @+1 {{'transposed' and 'source_shape' say how a matrix is packed; they need 'panel'}}
  %0 = mapsto.weight "w" {transposed} : tensor<3x12xf32>
  return
}

// -----

func.func @weight() {
  // expected-error @+1 {{row_start must be at least 0}}
  %0 = mapsto.weight "w" {row_start = -1 : i64} : tensor<3x12xf32>
  return
}

// -----

func.func @size() {
  // expected-error @+1 {{size "1 + T" must be written "T + 1"}}
  %0 = mapsto.size "1 + T" : tensor<i64>
  return
}

// -----

func.func @iota() {
  // expected-error @+1 {{axis 1 is outside a tensor of rank 1}}
  %0 = mapsto.iota {axis = 1 : i64} : tensor<3xi64>
  return
}

// -----

func.func @unary(%x: tensor<3xi64>) {
  // expected-error @+1 {{operand #0 must be ranked tensor of floating-point values, but got 'tensor<3xi64>'}}
  %0 = mapsto.exp %x : tensor<3xi64>
  return
}

// -----

func.func @binary(%x: tensor<?xf32, #mapsto.dims<"B">>, %y: tensor<?xf32, #mapsto.dims<"T">>) {
  // expected-error @+1 {{requires all operands to have the same type}}
  %0 = "mapsto.add"(%x, %y) : (tensor<?xf32, #mapsto.dims<"B">>, tensor<?xf32, #mapsto.dims<"T">>) -> tensor<?xf32, #mapsto.dims<"B">>
  return
}

// -----

func.func @compare(%x: tensor<3xf32>) {
  // expected-error @+1 {{all non-scalar operands/results must have the same shape and base type}}
  %0 = "mapsto.isnan"(%x) : (tensor<3xf32>) -> tensor<4xi1>
  return
}

// -----

func.func @select(%c: tensor<?xi1, #mapsto.dims<"B">>, %x: tensor<?xf32, #mapsto.dims<"T">>) {
  // expected-error @+1 {{condition [B] and values [T] must have one shape}}
  %0 = mapsto.select %c, %x, %x : tensor<?xi1, #mapsto.dims<"B">>, tensor<?xf32, #mapsto.dims<"T">>
  return
}

// -----

func.func @cast(%x: tensor<?xf32, #mapsto.dims<"B">>) {
  // expected-error @+1 {{changes only the element type, found [B] to [T]}}
  %0 = mapsto.cast %x : tensor<?xf32, #mapsto.dims<"B">> to tensor<?xi64, #mapsto.dims<"T">>
  return
}

// -----

func.func @broadcast(%x: tensor<?x3xf32, #mapsto.dims<"B", "3">>) {
  // expected-error @+1 {{[B, 3] does not broadcast to [B, 4]}}
  %0 = mapsto.broadcast %x : tensor<?x3xf32, #mapsto.dims<"B", "3">> to tensor<?x4xf32, #mapsto.dims<"B", "4">>
  return
}

// -----

func.func @broadcast(%x: tensor<3xf32>) {
  // expected-error @+1 {{keeps the element type, found 'f32' to 'i64'}}
  %0 = mapsto.broadcast %x : tensor<3xf32> to tensor<2x3xi64>
  return
}

// -----

func.func @reshape(%x: tensor<?x16xf32, #mapsto.dims<"B", "16">>) {
  // expected-error @+1 {{[B, 16] has 16*B elements, [B, 4, 5] has 20*B}}
  %0 = mapsto.reshape %x : tensor<?x16xf32, #mapsto.dims<"B", "16">> to tensor<?x4x5xf32, #mapsto.dims<"B", "4", "5">>
  return
}

// -----

func.func @transpose(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{transpose: permutation must name each of 2 axes once}}
  %0 = mapsto.transpose %x {permutation = array<i64: 1, 1>} : (tensor<2x3xf32>) -> tensor<3x3xf32>
  return
}

// -----

func.func @transpose(%x: tensor<2x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{inferred type(s) 'tensor<3x2xf32>' are incompatible with return type(s) of operation 'tensor<2x3xf32>'}}
  %0 = mapsto.transpose %x {permutation = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @slice(%x: tensor<?xf32, #mapsto.dims<"T">>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{slice: axis 0 of size T is read up to T + 1}}
  %0 = mapsto.slice %x {starts = #mapsto.dims<"1">, sizes = #mapsto.dims<"T">, steps = array<i64: 1>}
      : (tensor<?xf32, #mapsto.dims<"T">>) -> tensor<?xf32, #mapsto.dims<"T">>
  return
}

// -----

func.func @slice(%x: tensor<4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{slice: step of axis 0 is 0, must be at least 1}}
  %0 = mapsto.slice %x {starts = #mapsto.dims<"1">, sizes = #mapsto.dims<"2">, steps = array<i64: 0>} : (tensor<4xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @flip(%x: tensor<4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{flip: axis 2 is outside a tensor of rank 1}}
  %0 = mapsto.flip %x {axes = array<i64: 2>} : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @concat(%x: tensor<4x2xf32>, %y: tensor<4x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{concat: part [4, 2] and part [4, 3] must agree on all axes but 0}}
  %0 = mapsto.concat %x, %y {axis = 0 : i64} : (tensor<4x2xf32>, tensor<4x3xf32>) -> tensor<8x2xf32>
  return
}

// -----

func.func @pad(%x: tensor<4xf32>, %v: tensor<1xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{pad: the value must have 0 axes, found [1]}}
  %0 = mapsto.pad %x, %v {low = #mapsto.dims<"1">, high = #mapsto.dims<"1">} : (tensor<4xf32>, tensor<1xf32>) -> tensor<6xf32>
  return
}

// -----

func.func @reduce(%x: tensor<4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{reduce: any of 'f32'; it needs booleans}}
  %0 = mapsto.reduce any %x {axes = array<i64: 0>} : (tensor<4xf32>) -> tensor<f32>
  return
}

// -----

func.func @reduce(%x: tensor<4x4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{reduce: axes must be in increasing order}}
  %0 = mapsto.reduce sum %x {axes = array<i64: 1, 0>} : (tensor<4x4xf32>) -> tensor<f32>
  return
}

// -----

func.func @arg_reduce(%x: tensor<4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{arg_reduce: kind must be max or min, found sum}}
  %0 = mapsto.arg_reduce sum %x {axis = 0 : i64} : (tensor<4xf32>) -> tensor<i64>
  return
}

// -----

func.func @softmax(%x: tensor<4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{softmax: axis -1 is outside a tensor of rank 1}}
  %0 = mapsto.softmax %x {axis = -1 : i64} : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @cumulative(%x: tensor<4xi1>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{cumulative: sum of 'i1'; it needs numbers}}
  %0 = mapsto.cumulative sum %x {axis = 0 : i64} : (tensor<4xi1>) -> tensor<4xi1>
  return
}

// -----

func.func @topk(%x: tensor<4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{topk: k is 5 of 4 elements}}
  %0:2 = mapsto.topk %x {k = 5 : i64} : (tensor<4xf32>) -> (tensor<5xf32>, tensor<5xi64>)
  return
}

// -----

func.func @take(%x: tensor<4xf32>, %i: tensor<2xf32>) {
  // expected-error @+1 {{operand #1 must be ranked tensor of signless integer values}}
  %0 = mapsto.take %x, %i {axis = 0 : i64} : (tensor<4xf32>, tensor<2xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @take_along(%x: tensor<4x2xf32>, %i: tensor<2x3xi64>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{take_along: x [4, 2] and indices [2, 3] must agree on all axes but 0}}
  %0 = mapsto.take_along %x, %i {axis = 0 : i64} : (tensor<4x2xf32>, tensor<2x3xi64>) -> tensor<2x3xf32>
  return
}

// -----

func.func @scatter(%x: tensor<4xf32>, %i: tensor<2xi64>, %u: tensor<3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{scatter: indices [2] and updates [3] must have one shape}}
  %0 = mapsto.scatter set %x, %i, %u {axis = 0 : i64} : (tensor<4xf32>, tensor<2xi64>, tensor<3xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @update(%x: tensor<4xf32>, %v: tensor<5xf32>, %s: tensor<i64>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{update: values of size 5 do not fit into 4 on axis 0}}
  %0 = mapsto.update %x, %v, %s {axis = 0 : i64} : (tensor<4xf32>, tensor<5xf32>, tensor<i64>) -> tensor<4xf32>
  return
}

// -----

func.func @matmul(%x: tensor<?x16xf32, #mapsto.dims<"B", "16">>, %w: tensor<8x32xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{matmul: [B, 16] by [8, 32] transposed: the inner sizes 16 and 32 differ}}
  %0 = mapsto.matmul %x, %w {transposed} : (tensor<?x16xf32, #mapsto.dims<"B", "16">>, tensor<8x32xf32>) -> tensor<?x8xf32, #mapsto.dims<"B", "8">>
  return
}

// -----

func.func @matmul(%x: tensor<2x3x4xf32>, %y: tensor<5x4x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{matmul: the batch axes [2] and [5] differ}}
  %0 = mapsto.matmul %x, %y : (tensor<2x3x4xf32>, tensor<5x4x3xf32>) -> tensor<2x3x3xf32>
  return
}

// -----

func.func @packed_matmul(%x: tensor<2x4xf32>, %y: tensor<2x4x16xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{packed_matmul: the number of panels is 2, expected 1}}
  %0 = mapsto.packed_matmul %x, %y {columns = 8 : i64} : (tensor<2x4xf32>, tensor<2x4x16xf32>) -> tensor<2x8xf32>
  return
}

// -----

func.func @conv1d(%x: tensor<1x4x9xf32>, %w: tensor<6x4x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{conv1d: the number of channels is 4, expected 8}}
  %0 = mapsto.conv1d %x, %w {stride = 1 : i64, pad_low = 0 : i64, pad_high = 0 : i64, dilation = 1 : i64, groups = 2 : i64}
      : (tensor<1x4x9xf32>, tensor<6x4x3xf32>) -> tensor<1x6x7xf32>
  return
}

// -----

func.func @conv_transpose1d(%x: tensor<1x4x9xf32>, %w: tensor<4x6x3xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{conv_transpose1d: stride, dilation and groups must be at least 1}}
  %0 = mapsto.conv_transpose1d %x, %w {stride = 0 : i64, padding = 0 : i64, output_padding = 0 : i64, dilation = 1 : i64, groups = 1 : i64}
      : (tensor<1x4x9xf32>, tensor<4x6x3xf32>) -> tensor<1x6x11xf32>
  return
}

// -----

func.func @rnn(%x: tensor<2x5x8xf32>, %wih: tensor<16x9xf32>, %whh: tensor<16x16xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{rnn: w_ih's second size is 9, expected 8}}
  %0:2 = mapsto.rnn %x, %wih, %whh {axis = 1 : i64}
      : (tensor<2x5x8xf32>, tensor<16x9xf32>, tensor<16x16xf32>) -> (tensor<2x5x16xf32>, tensor<2x16xf32>)
  return
}

// -----

func.func @lstm(%x: tensor<2x5x8xf32>, %wih: tensor<48x8xf32>, %whh: tensor<48x16xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{lstm: w_ih's first size is 48, expected 64}}
  %0:3 = mapsto.lstm %x, %wih, %whh {axis = 1 : i64}
      : (tensor<2x5x8xf32>, tensor<48x8xf32>, tensor<48x16xf32>) -> (tensor<2x5x16xf32>, tensor<2x16xf32>, tensor<2x16xf32>)
  return
}

// -----

func.func @gru(%x: tensor<2x5x8xf32>, %wih: tensor<48x8xf32>, %whh: tensor<48x16xf32>, %n: tensor<5xi64>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{gru: lengths is [5], expected [2]}}
  %0:2 = mapsto.gru %x, %wih, %whh lengths(%n) {axis = 1 : i64}
      : (tensor<2x5x8xf32>, tensor<48x8xf32>, tensor<48x16xf32>, tensor<5xi64>) -> (tensor<2x5x16xf32>, tensor<2x16xf32>)
  return
}

// -----

// expected-error @+1 {{weights are stored as f16, bf16 or i8, not 'f64'}}
func.func private @storage() attributes {s = #mapsto.storage<f64>}

// -----

// expected-error @+1 {{i8 needs `channels`}}
func.func private @storage() attributes {s = #mapsto.storage<i8>}

// -----

// expected-error @+1 {{only i8 has scales for channels}}
func.func private @storage() attributes {s = #mapsto.storage<f16, channels = 0>}

// -----

func.func @stored() {
  // expected-error @+1 {{is stored as 'f16', and cannot be read as 'i8'}}
  %0 = mapsto.weight "w" {stored = #mapsto.storage<f16>} : tensor<3x12xi8>
  return
}

// -----

func.func @stored() {
  // expected-error @+1 {{scales are one f32 for each channel of an i8 matrix}}
  %0 = mapsto.weight "w" {stored = #mapsto.storage<f16>, scales} : tensor<3xf32>
  return
}

// -----

func.func @stored() {
  // expected-error @+1 {{only matrices are stored in fewer bits}}
  %0 = mapsto.weight "w" {stored = #mapsto.storage<f16>} : tensor<3xf32>
  return
}

// -----

func.func @unsigned(%x: tensor<4xui8>) {
  // expected-error @+1 {{not of unsigned integers: cast those to be computed with}}
  %0 = mapsto.add %x, %x : tensor<4xui8>
  return
}
