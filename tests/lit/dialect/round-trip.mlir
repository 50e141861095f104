// Every op prints as it is parsed, in its own form and in the generic one.
// RUN: mapsto-opt %s -split-input-file | FileCheck %s
// RUN: mapsto-opt %s -split-input-file | mapsto-opt -split-input-file | FileCheck %s
// RUN: mapsto-opt %s -split-input-file -mlir-print-op-generic | mapsto-opt -split-input-file | FileCheck %s

#B = #mapsto.dims<"B">
#BT = #mapsto.dims<"B", "T">

// CHECK-LABEL: func.func @sources
func.func @sources() {
  // CHECK: mapsto.constant dense<5.000000e-01> : tensor<f32>
  %0 = mapsto.constant dense<0.5> : tensor<f32>
  // CHECK: mapsto.weight "fc.weight" : tensor<64x16xf32>
  %1 = mapsto.weight "fc.weight" : tensor<64x16xf32>
  // CHECK: mapsto.weight "fc.weight" {row_start = 8 : i64} : tensor<4x16xf32>
  %2 = mapsto.weight "fc.weight" {row_start = 8 : i64} : tensor<4x16xf32>
  // CHECK: mapsto.weight "fc.weight" {panel = 16 : i64, source_shape = array<i64: 60, 12>, transposed} : tensor<4x12x16xf32>
  %3 = mapsto.weight "fc.weight" {panel = 16 : i64, source_shape = array<i64: 60, 12>, transposed} : tensor<4x12x16xf32>
  // CHECK: mapsto.size "B*T + 1" : tensor<i64>
  %4 = mapsto.size "B*T + 1" : tensor<i64>
  // CHECK: mapsto.iota {axis = 1 : i64} : tensor<?x?xi64, #mapsto.dims<"B", "T">>
  %5 = mapsto.iota {axis = 1 : i64} : tensor<?x?xi64, #BT>
  return
}

// -----

#B = #mapsto.dims<"B">

// CHECK-LABEL: func.func @unary
func.func @unary(%x: tensor<?xf32, #B>, %p: tensor<?xi1, #B>) {
  // CHECK: mapsto.neg %{{.*}} : tensor<?xf32, #mapsto.dims<"B">>
  %0 = mapsto.neg %x : tensor<?xf32, #B>
  // CHECK: mapsto.abs
  %1 = mapsto.abs %x : tensor<?xf32, #B>
  // CHECK: mapsto.sign
  %2 = mapsto.sign %x : tensor<?xf32, #B>
  // CHECK: mapsto.not %{{.*}} : tensor<?xi1, #mapsto.dims<"B">>
  %3 = mapsto.not %p : tensor<?xi1, #B>
  // CHECK: mapsto.exp
  %4 = mapsto.exp %x : tensor<?xf32, #B>
  // CHECK: mapsto.expm1
  %5 = mapsto.expm1 %x : tensor<?xf32, #B>
  // CHECK: mapsto.log
  %6 = mapsto.log %x : tensor<?xf32, #B>
  // CHECK: mapsto.log1p
  %7 = mapsto.log1p %x : tensor<?xf32, #B>
  // CHECK: mapsto.sqrt
  %8 = mapsto.sqrt %x : tensor<?xf32, #B>
  // CHECK: mapsto.rsqrt
  %9 = mapsto.rsqrt %x : tensor<?xf32, #B>
  // CHECK: mapsto.tanh
  %10 = mapsto.tanh %x : tensor<?xf32, #B>
  // CHECK: mapsto.sigmoid
  %11 = mapsto.sigmoid %x : tensor<?xf32, #B>
  // CHECK: mapsto.erf
  %12 = mapsto.erf %x : tensor<?xf32, #B>
  // CHECK: mapsto.sin
  %13 = mapsto.sin %x : tensor<?xf32, #B>
  // CHECK: mapsto.cos
  %14 = mapsto.cos %x : tensor<?xf32, #B>
  // CHECK: mapsto.tan
  %15 = mapsto.tan %x : tensor<?xf32, #B>
  // CHECK: mapsto.atan
  %16 = mapsto.atan %x : tensor<?xf32, #B>
  // CHECK: mapsto.floor
  %17 = mapsto.floor %x : tensor<?xf32, #B>
  // CHECK: mapsto.ceil
  %18 = mapsto.ceil %x : tensor<?xf32, #B>
  // CHECK: mapsto.round
  %19 = mapsto.round %x : tensor<?xf32, #B>
  // CHECK: mapsto.isnan %{{.*}} : tensor<?xf32, #mapsto.dims<"B">>
  %20 = mapsto.isnan %x : tensor<?xf32, #B>
  // CHECK: mapsto.cast %{{.*}} : tensor<?xf32, #mapsto.dims<"B">> to tensor<?xf16, #mapsto.dims<"B">>
  %21 = mapsto.cast %x : tensor<?xf32, #B> to tensor<?xf16, #B>
  return
}

// -----

#B = #mapsto.dims<"B">

// CHECK-LABEL: func.func @binary
func.func @binary(%x: tensor<?xf32, #B>, %y: tensor<?xf32, #B>, %p: tensor<?xi1, #B>) {
  // CHECK: mapsto.add %{{.*}}, %{{.*}} : tensor<?xf32, #mapsto.dims<"B">>
  %0 = mapsto.add %x, %y : tensor<?xf32, #B>
  // CHECK: mapsto.sub
  %1 = mapsto.sub %x, %y : tensor<?xf32, #B>
  // CHECK: mapsto.mul
  %2 = mapsto.mul %x, %y : tensor<?xf32, #B>
  // CHECK: mapsto.div
  %3 = mapsto.div %x, %y : tensor<?xf32, #B>
  // CHECK: mapsto.mod
  %4 = mapsto.mod %x, %y : tensor<?xf32, #B>
  // CHECK: mapsto.pow
  %5 = mapsto.pow %x, %y : tensor<?xf32, #B>
  // CHECK: mapsto.min
  %6 = mapsto.min %x, %y : tensor<?xf32, #B>
  // CHECK: mapsto.max
  %7 = mapsto.max %x, %y : tensor<?xf32, #B>
  // CHECK: mapsto.and
  %8 = mapsto.and %p, %p : tensor<?xi1, #B>
  // CHECK: mapsto.or
  %9 = mapsto.or %p, %p : tensor<?xi1, #B>
  // CHECK: mapsto.xor
  %10 = mapsto.xor %p, %p : tensor<?xi1, #B>
  // CHECK: mapsto.compare le %{{.*}}, %{{.*}} : tensor<?xf32, #mapsto.dims<"B">>
  %11 = mapsto.compare le %x, %y : tensor<?xf32, #B>
  // CHECK: mapsto.select %{{.*}}, %{{.*}}, %{{.*}} : tensor<?xi1, #mapsto.dims<"B">>, tensor<?xf32, #mapsto.dims<"B">>
  %12 = mapsto.select %11, %x, %y : tensor<?xi1, #B>, tensor<?xf32, #B>
  return
}

// -----

#BT = #mapsto.dims<"B", "T">
#TB = #mapsto.dims<"T", "B">

// CHECK-LABEL: func.func @shapes
func.func @shapes(%x: tensor<?x?xf32, #BT>, %s: tensor<f32>) {
  // CHECK: mapsto.broadcast %{{.*}} : tensor<f32> to tensor<?x?xf32, #mapsto.dims<"B", "T">>
  %0 = mapsto.broadcast %s : tensor<f32> to tensor<?x?xf32, #BT>
  // CHECK: mapsto.reshape %{{.*}} : tensor<?x?xf32, #mapsto.dims<"B", "T">> to tensor<?xf32, #mapsto.dims<"B*T">>
  %1 = mapsto.reshape %x : tensor<?x?xf32, #BT> to tensor<?xf32, #mapsto.dims<"B*T">>
  // CHECK: mapsto.transpose %{{.*}} {permutation = array<i64: 1, 0>}
  %2 = mapsto.transpose %x {permutation = array<i64: 1, 0>} : (tensor<?x?xf32, #BT>) -> tensor<?x?xf32, #TB>
  // CHECK: mapsto.slice %{{.*}} {sizes = #mapsto.dims<"B", "1">, starts = #mapsto.dims<"0", "T - 1">, steps = array<i64: 1, 1>}
  %3 = mapsto.slice %x {starts = #mapsto.dims<"0", "T - 1">, sizes = #mapsto.dims<"B", "1">, steps = array<i64: 1, 1>}
      : (tensor<?x?xf32, #BT>) -> tensor<?x1xf32, #mapsto.dims<"B", "1">>
  // CHECK: mapsto.flip %{{.*}} {axes = array<i64: 1>}
  %4 = mapsto.flip %x {axes = array<i64: 1>} : (tensor<?x?xf32, #BT>) -> tensor<?x?xf32, #BT>
  // CHECK: mapsto.concat %{{.*}}, %{{.*}} {axis = 1 : i64} : {{.*}} -> tensor<?x?xf32, #mapsto.dims<"B", "2*T">>
  %5 = mapsto.concat %x, %4 {axis = 1 : i64} : (tensor<?x?xf32, #BT>, tensor<?x?xf32, #BT>) -> tensor<?x?xf32, #mapsto.dims<"B", "2*T">>
  // CHECK: mapsto.pad %{{.*}}, %{{.*}} {high = #mapsto.dims<"0", "1">, low = #mapsto.dims<"0", "T">}
  %6 = mapsto.pad %x, %s {low = #mapsto.dims<"0", "T">, high = #mapsto.dims<"0", "1">}
      : (tensor<?x?xf32, #BT>, tensor<f32>) -> tensor<?x?xf32, #mapsto.dims<"B", "2*T + 1">>
  return
}

// -----

#BT = #mapsto.dims<"B", "T">
#B = #mapsto.dims<"B">

// CHECK-LABEL: func.func @reductions
func.func @reductions(%x: tensor<?x?xf32, #BT>, %p: tensor<?x?xi1, #BT>) {
  // CHECK: mapsto.reduce sum %{{.*}} {axes = array<i64: 1>}
  %0 = mapsto.reduce sum %x {axes = array<i64: 1>} : (tensor<?x?xf32, #BT>) -> tensor<?xf32, #B>
  // CHECK: mapsto.reduce any %{{.*}} {axes = array<i64: 0, 1>} : {{.*}} -> tensor<i1>
  %1 = mapsto.reduce any %p {axes = array<i64: 0, 1>} : (tensor<?x?xi1, #BT>) -> tensor<i1>
  // CHECK: mapsto.arg_reduce max %{{.*}} {axis = 1 : i64} : {{.*}} -> tensor<?xi64, #mapsto.dims<"B">>
  %2 = mapsto.arg_reduce max %x {axis = 1 : i64} : (tensor<?x?xf32, #BT>) -> tensor<?xi64, #B>
  // CHECK: mapsto.softmax %{{.*}} {axis = 1 : i64}
  %3 = mapsto.softmax %x {axis = 1 : i64} : (tensor<?x?xf32, #BT>) -> tensor<?x?xf32, #BT>
  // CHECK: mapsto.cumulative sum %{{.*}} {axis = 1 : i64, exclusive, reverse}
  %4 = mapsto.cumulative sum %x {axis = 1 : i64, exclusive, reverse} : (tensor<?x?xf32, #BT>) -> tensor<?x?xf32, #BT>
  // CHECK: mapsto.topk %{{.*}} {k = 3 : i64, smallest}
  %5:2 = mapsto.topk %x {k = 3 : i64, smallest} : (tensor<?x?xf32, #BT>)
      -> (tensor<?x3xf32, #mapsto.dims<"B", "3">>, tensor<?x3xi64, #mapsto.dims<"B", "3">>)
  return
}

// -----

#BT = #mapsto.dims<"B", "T">
#N = #mapsto.dims<"N">

// CHECK-LABEL: func.func @indexing
func.func @indexing(%x: tensor<?x?xf32, #BT>, %i: tensor<?xi64, #N>, %j: tensor<?x3xi64, #mapsto.dims<"B", "3">>,
                    %u: tensor<?x3xf32, #mapsto.dims<"B", "3">>, %at: tensor<i64>) {
  // CHECK: mapsto.take %{{.*}}, %{{.*}} {axis = 0 : i64} : {{.*}} -> tensor<?x?xf32, #mapsto.dims<"N", "T">>
  %0 = mapsto.take %x, %i {axis = 0 : i64} : (tensor<?x?xf32, #BT>, tensor<?xi64, #N>) -> tensor<?x?xf32, #mapsto.dims<"N", "T">>
  // CHECK: mapsto.take_along %{{.*}}, %{{.*}} {axis = 1 : i64}
  %1 = mapsto.take_along %x, %j {axis = 1 : i64}
      : (tensor<?x?xf32, #BT>, tensor<?x3xi64, #mapsto.dims<"B", "3">>) -> tensor<?x3xf32, #mapsto.dims<"B", "3">>
  // CHECK: mapsto.scatter add %{{.*}}, %{{.*}}, %{{.*}} {axis = 1 : i64}
  %2 = mapsto.scatter add %x, %j, %u {axis = 1 : i64}
      : (tensor<?x?xf32, #BT>, tensor<?x3xi64, #mapsto.dims<"B", "3">>, tensor<?x3xf32, #mapsto.dims<"B", "3">>) -> tensor<?x?xf32, #BT>
  // CHECK: mapsto.update %{{.*}}, %{{.*}}, %{{.*}} {axis = 1 : i64}
  %3 = mapsto.update %x, %u, %at {axis = 1 : i64}
      : (tensor<?x?xf32, #BT>, tensor<?x3xf32, #mapsto.dims<"B", "3">>, tensor<i64>) -> tensor<?x?xf32, #BT>
  return
}

// -----

#X = #mapsto.dims<"B", "T", "16">

// CHECK-LABEL: func.func @contractions
func.func @contractions(%x: tensor<?x?x16xf32, #X>, %w: tensor<8x16xf32>, %p: tensor<1x16x16xf32>,
                        %c: tensor<?x16x?xf32, #mapsto.dims<"B", "16", "T">>, %k: tensor<4x8x3xf32>, %kt: tensor<16x4x3xf32>) {
  // CHECK: mapsto.matmul %{{.*}}, %{{.*}} {transposed} : {{.*}} -> tensor<?x?x8xf32, #mapsto.dims<"B", "T", "8">>
  %0 = mapsto.matmul %x, %w {transposed} : (tensor<?x?x16xf32, #X>, tensor<8x16xf32>) -> tensor<?x?x8xf32, #mapsto.dims<"B", "T", "8">>
  // CHECK: mapsto.packed_matmul %{{.*}}, %{{.*}} {columns = 8 : i64}
  %1 = mapsto.packed_matmul %x, %p {columns = 8 : i64} : (tensor<?x?x16xf32, #X>, tensor<1x16x16xf32>) -> tensor<?x?x8xf32, #mapsto.dims<"B", "T", "8">>
  // CHECK: mapsto.conv1d %{{.*}} -> tensor<?x4x?xf32, #mapsto.dims<"B", "4", "floordiv(T + 1, 2)">>
  %2 = mapsto.conv1d %c, %k {stride = 2 : i64, pad_low = 1 : i64, pad_high = 1 : i64, dilation = 1 : i64, groups = 2 : i64}
      : (tensor<?x16x?xf32, #mapsto.dims<"B", "16", "T">>, tensor<4x8x3xf32>) -> tensor<?x4x?xf32, #mapsto.dims<"B", "4", "floordiv(T + 1, 2)">>
  // CHECK: mapsto.conv_transpose1d %{{.*}} -> tensor<?x4x?xf32, #mapsto.dims<"B", "4", "2*T">>
  %3 = mapsto.conv_transpose1d %c, %kt {stride = 2 : i64, padding = 1 : i64, output_padding = 1 : i64, dilation = 1 : i64, groups = 1 : i64}
      : (tensor<?x16x?xf32, #mapsto.dims<"B", "16", "T">>, tensor<16x4x3xf32>) -> tensor<?x4x?xf32, #mapsto.dims<"B", "4", "2*T">>
  return
}

// -----

#Q = #mapsto.dims<"B", "8", "T", "64">
#K = #mapsto.dims<"B", "2", "S", "64">

// CHECK-LABEL: func.func @attention
// CHECK: mapsto.attention queries(%{{.*}} : {{.*}}) keys(%{{.*}} : {{.*}}) value(%{{.*}} : {{.*}})
// CHECK-SAME: attributes {scale = 1.250000e-01 : f64}
// CHECK-SAME: weights tensor<?x8x?x?xf32, #mapsto.dims<"B", "8", "T", "S">>
// CHECK-SAME: log_sum_exp tensor<?x8x?xf32, #mapsto.dims<"B", "8", "T">>
// CHECK-SAME: score {
// CHECK: } modify {
// CHECK-NEXT: ^bb0(
// CHECK: } mask {
// CHECK-NEXT: ^bb0(
func.func @attention(%q: tensor<?x8x?x64xf32, #Q>, %k: tensor<?x2x?x64xf32, #K>) -> tensor<?x8x?x64xf32, #Q> {
  %o, %w, %l = mapsto.attention queries(%q : tensor<?x8x?x64xf32, #Q>) keys(%k : tensor<?x2x?x64xf32, #K>)
      value(%k : tensor<?x2x?x64xf32, #K>) attributes {normalizer = #mapsto.normalizer<softmax>, scale = 0.125 : f64}
      -> tensor<?x8x?x64xf32, #Q> weights tensor<?x8x?x?xf32, #mapsto.dims<"B", "8", "T", "S">>
      log_sum_exp tensor<?x8x?xf32, #mapsto.dims<"B", "8", "T">>
  score {
  } modify {
  ^bb0(%s: tensor<f32>, %b: tensor<i64>, %h: tensor<i64>, %i: tensor<i64>, %j: tensor<i64>):
    %t = mapsto.tanh %s : tensor<f32>
    mapsto.yield %t : tensor<f32>
  } mask {
  ^bb0(%b: tensor<i64>, %h: tensor<i64>, %i: tensor<i64>, %j: tensor<i64>):
    %c = mapsto.compare le %j, %i : tensor<i64>
    mapsto.yield %c : tensor<i1>
  }
  return %o : tensor<?x8x?x64xf32, #Q>
}

// CHECK-LABEL: func.func @additive
// CHECK: attributes {normalizer = #mapsto.normalizer<sparsemax>}
// CHECK: score {
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<4xf32>, %{{.*}}: tensor<4xf32>):
func.func @additive(%q: tensor<1x4xf32>, %k: tensor<3x4xf32>, %v: tensor<3x2xf32>) -> tensor<1x2xf32> {
  %o = mapsto.attention queries(%q : tensor<1x4xf32>) keys(%k : tensor<3x4xf32>) value(%v : tensor<3x2xf32>)
      attributes {normalizer = #mapsto.normalizer<sparsemax>} -> tensor<1x2xf32>
  score {
  ^bb0(%a: tensor<4xf32>, %b: tensor<4xf32>):
    %s = mapsto.add %a, %b : tensor<4xf32>
    %t = mapsto.tanh %s : tensor<4xf32>
    %r = mapsto.reduce sum %t {axes = array<i64: 0>} : (tensor<4xf32>) -> tensor<f32>
    mapsto.yield %r : tensor<f32>
  } modify {
  } mask {
  }
  return %o : tensor<1x2xf32>
}

// -----

#B = #mapsto.dims<"B">
#BT = #mapsto.dims<"B", "T">

// CHECK-LABEL: func.func @loops
func.func @loops(%x: tensor<?x?xf32, #BT>, %s: tensor<?xf32, #B>, %n: tensor<?xi64, #B>) {
  // CHECK: mapsto.scan init(%{{.*}} : {{.*}}) over(%{{.*}} : {{.*}}) lengths(%{{.*}} : {{.*}}) attributes {axis = 1 : i64, count = "T", reverse}
  // CHECK-SAME: -> (tensor<?xf32, #mapsto.dims<"B">>, tensor<?x?xf32, #mapsto.dims<"B", "T">>) {
  %0:2 = mapsto.scan init(%s : tensor<?xf32, #B>) over(%x : tensor<?x?xf32, #BT>) lengths(%n : tensor<?xi64, #B>)
      attributes {axis = 1 : i64, count = "T", reverse} -> (tensor<?xf32, #B>, tensor<?x?xf32, #BT>) {
  ^bb0(%h: tensor<?xf32, #B>, %t: tensor<?xf32, #B>):
    %r = mapsto.add %h, %t : tensor<?xf32, #B>
    // CHECK: mapsto.yield %{{.*}}, %{{.*}} : tensor<?xf32, #mapsto.dims<"B">>, tensor<?xf32, #mapsto.dims<"B">>
    mapsto.yield %r, %r : tensor<?xf32, #B>, tensor<?xf32, #B>
  }
  // CHECK: mapsto.repeat init(%{{.*}} : {{.*}}) attributes {axis = 0 : i64, count = "15"} -> (tensor<?xf32, #mapsto.dims<"B">>, tensor<15x?xf32, #mapsto.dims<"15", "B">>) {
  %1:2 = mapsto.repeat init(%s : tensor<?xf32, #B>) attributes {axis = 0 : i64, count = "15"}
      -> (tensor<?xf32, #B>, tensor<15x?xf32, #mapsto.dims<"15", "B">>) {
  ^bb0(%i: tensor<i64>, %h: tensor<?xf32, #B>):
    %stop = mapsto.constant dense<false> : tensor<i1>
    mapsto.yield %stop, %h, %h : tensor<i1>, tensor<?xf32, #B>, tensor<?xf32, #B>
  }
  return
}

// -----

#X = #mapsto.dims<"B", "T", "8">
#O = #mapsto.dims<"B", "T", "16">
#H = #mapsto.dims<"B", "16">

// CHECK-LABEL: func.func @recurrences
func.func @recurrences(%x: tensor<?x?x8xf32, #X>, %h0: tensor<?x16xf32, #H>, %n: tensor<?xi64, #mapsto.dims<"B">>,
                       %rih: tensor<16x8xf32>, %rhh: tensor<16x16xf32>, %lih: tensor<64x8xf32>, %lhh: tensor<64x16xf32>,
                       %lb: tensor<64xf32>, %gih: tensor<48x8xf32>, %ghh: tensor<48x16xf32>) {
  // CHECK: mapsto.rnn %{{.*}}, %{{.*}}, %{{.*}} h0(%{{.*}}) lengths(%{{.*}}) {axis = 1 : i64, nonlinearity = #mapsto.nonlinearity<relu>}
  %0:2 = mapsto.rnn %x, %rih, %rhh h0(%h0) lengths(%n) {axis = 1 : i64, nonlinearity = #mapsto.nonlinearity<relu>}
      : (tensor<?x?x8xf32, #X>, tensor<16x8xf32>, tensor<16x16xf32>, tensor<?x16xf32, #H>, tensor<?xi64, #mapsto.dims<"B">>)
      -> (tensor<?x?x16xf32, #O>, tensor<?x16xf32, #H>)
  // CHECK: mapsto.lstm %{{.*}}, %{{.*}}, %{{.*}} bias_ih(%{{.*}}) bias_hh(%{{.*}}) h0(%{{.*}}) c0(%{{.*}}) {axis = 1 : i64, reverse}
  %1:3 = mapsto.lstm %x, %lih, %lhh bias_ih(%lb) bias_hh(%lb) h0(%h0) c0(%h0) {axis = 1 : i64, reverse}
      : (tensor<?x?x8xf32, #X>, tensor<64x8xf32>, tensor<64x16xf32>, tensor<64xf32>, tensor<64xf32>, tensor<?x16xf32, #H>, tensor<?x16xf32, #H>)
      -> (tensor<?x?x16xf32, #O>, tensor<?x16xf32, #H>, tensor<?x16xf32, #H>)
  // CHECK: mapsto.gru %{{.*}}, %{{.*}}, %{{.*}} {axis = 1 : i64, reset_before}
  %2:2 = mapsto.gru %x, %gih, %ghh {axis = 1 : i64, reset_before}
      : (tensor<?x?x8xf32, #X>, tensor<48x8xf32>, tensor<48x16xf32>) -> (tensor<?x?x16xf32, #O>, tensor<?x16xf32, #H>)
  return
}

// -----

#B = #mapsto.dims<"B">

// CHECK: mapsto.kernel @twice map : (tensor<?xf32, #mapsto.dims<"B">>) -> tensor<?xf32, #mapsto.dims<"B">> {
mapsto.kernel @twice map : (tensor<?xf32, #B>) -> tensor<?xf32, #B> {
^bb0(%x: tensor<?xf32, #B>):
  %0 = mapsto.add %x, %x : tensor<?xf32, #B>
  mapsto.yield %0 : tensor<?xf32, #B>
}

func.func @main(%x: tensor<?xf32, #B>) -> tensor<?xf32, #B> {
  // CHECK: mapsto.launch @twice(%{{.*}}) : (tensor<?xf32, #mapsto.dims<"B">>) -> tensor<?xf32, #mapsto.dims<"B">>
  %0 = mapsto.launch @twice(%x) : (tensor<?xf32, #B>) -> tensor<?xf32, #B>
  return %0 : tensor<?xf32, #B>
}
