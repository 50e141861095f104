// RUN: mapsto-opt %s -split-input-file -mapsto-hoist-from-attention | FileCheck %s

// Additive attention: both projections leave the score, V becomes a sum of
// products, and the raw query and keys are no longer read.
// CHECK-LABEL: func.func @main
// CHECK-DAG: %[[Q:.*]] = mapsto.matmul %arg0, %{{.*}} {transposed} {{.*}} -> tensor<?x1x8xf32, #mapsto.dims<"B", "1", "8">>
// CHECK-DAG: %[[K:.*]] = mapsto.matmul %arg1, %{{.*}} {transposed} {{.*}} -> tensor<?x?x8xf32, #mapsto.dims<"B", "S", "8">>
// CHECK: mapsto.attention queries(%[[Q]] : {{.*}}) keys(%{{.*}} : {{.*}}) value(%arg1
// CHECK: ^bb0(%[[A:.*]]: tensor<8xf32>, %[[B:.*]]: tensor<8xf32>):
// CHECK: %[[SUM:.*]] = mapsto.add %{{.*}}, %{{.*}} : tensor<8xf32>
// CHECK: %[[T:.*]] = mapsto.tanh %[[SUM]]
// CHECK: %[[P:.*]] = mapsto.mul %[[T]],
// CHECK: %[[R:.*]] = mapsto.reduce sum %[[P]] {axes = array<i64: 0>} : (tensor<8xf32>) -> tensor<f32>
// CHECK: mapsto.yield %[[R]] : tensor<f32>
#BQ = #mapsto.dims<"B", "1", "64">
#BSK = #mapsto.dims<"B", "S", "6">
#BK = #mapsto.dims<"B", "1", "6">
func.func @main(%q: tensor<?x1x64xf32, #BQ>, %k: tensor<?x?x6xf32, #BSK>) -> tensor<?x1x6xf32, #BK> {
  %w1 = mapsto.weight "W1.weight" : tensor<8x6xf32>
  %b1 = mapsto.weight "W1.bias" : tensor<8xf32>
  %w2 = mapsto.weight "W2.weight" : tensor<8x64xf32>
  %v = mapsto.weight "V.weight" : tensor<1x8xf32>
  %0 = mapsto.attention queries(%q : tensor<?x1x64xf32, #BQ>) keys(%k : tensor<?x?x6xf32, #BSK>) value(%k : tensor<?x?x6xf32, #BSK>) -> tensor<?x1x6xf32, #BK> score {
  ^bb0(%qi: tensor<64xf32>, %kj: tensor<6xf32>):
    %1 = mapsto.reshape %kj : tensor<6xf32> to tensor<1x6xf32>
    %2 = mapsto.matmul %1, %w1 {transposed} : (tensor<1x6xf32>, tensor<8x6xf32>) -> tensor<1x8xf32>
    %3 = mapsto.reshape %2 : tensor<1x8xf32> to tensor<8xf32>
    %4 = mapsto.add %3, %b1 : tensor<8xf32>
    %5 = mapsto.reshape %qi : tensor<64xf32> to tensor<1x64xf32>
    %6 = mapsto.matmul %5, %w2 {transposed} : (tensor<1x64xf32>, tensor<8x64xf32>) -> tensor<1x8xf32>
    %7 = mapsto.reshape %6 : tensor<1x8xf32> to tensor<8xf32>
    %8 = mapsto.add %4, %7 : tensor<8xf32>
    %9 = mapsto.tanh %8 : tensor<8xf32>
    %10 = mapsto.reshape %9 : tensor<8xf32> to tensor<1x8xf32>
    %11 = mapsto.matmul %10, %v {transposed} : (tensor<1x8xf32>, tensor<1x8xf32>) -> tensor<1x1xf32>
    %12 = mapsto.reshape %11 : tensor<1x1xf32> to tensor<f32>
    mapsto.yield %12 : tensor<f32>
  } modify {
  } mask {
  }
  return %0 : tensor<?x1x6xf32, #BK>
}

// -----

// A projection of the key to one number stays inside.
// CHECK-LABEL: func.func @main
// CHECK-NOT: mapsto.matmul
// CHECK: mapsto.attention queries(%arg0 : {{.*}}) keys(%arg1 : {{.*}})
// CHECK: mapsto.reduce sum
// CHECK-NOT: mapsto.matmul
func.func @main(%q: tensor<3x1x1xf32>, %k: tensor<3x9x6xf32>) -> tensor<3x1x6xf32> {
  %w = mapsto.weight "fc.weight" : tensor<1x6xf32>
  %b = mapsto.weight "fc.bias" : tensor<1xf32>
  %0 = mapsto.attention queries(%q : tensor<3x1x1xf32>) keys(%k : tensor<3x9x6xf32>) value(%k : tensor<3x9x6xf32>) -> tensor<3x1x6xf32> score {
  ^bb0(%qi: tensor<1xf32>, %kj: tensor<6xf32>):
    %1 = mapsto.reshape %kj : tensor<6xf32> to tensor<1x6xf32>
    %2 = mapsto.matmul %1, %w {transposed} : (tensor<1x6xf32>, tensor<1x6xf32>) -> tensor<1x1xf32>
    %3 = mapsto.reshape %2 : tensor<1x1xf32> to tensor<1xf32>
    %4 = mapsto.add %3, %b : tensor<1xf32>
    %5 = mapsto.reshape %4 : tensor<1xf32> to tensor<f32>
    mapsto.yield %5 : tensor<f32>
  } modify {
  } mask {
  }
  return %0 : tensor<3x1x6xf32>
}

// -----

// A dot product written out is the op's own: the factor becomes its scale, the
// rest goes before what `modify` does.
// CHECK-LABEL: func.func @main
// CHECK: mapsto.attention queries(%arg0 : {{.*}}) keys(%arg1 : {{.*}}) value(%arg2 : {{.*}}) attributes {scale = 5.000000e-01 : f64}
// CHECK-SAME: score {
// CHECK-NEXT: } modify {
// CHECK-NEXT: ^bb0(%[[S:.*]]: tensor<f32>,
// CHECK: %[[T:.*]] = mapsto.tanh %[[S]]
// CHECK: mapsto.neg %[[T]]
func.func @main(%q: tensor<3x5x4xf32>, %k: tensor<3x7x4xf32>, %v: tensor<3x7x6xf32>) -> tensor<3x5x6xf32> {
  %half = mapsto.constant dense<0.5> : tensor<f32>
  %0 = mapsto.attention queries(%q : tensor<3x5x4xf32>) keys(%k : tensor<3x7x4xf32>) value(%v : tensor<3x7x6xf32>) -> tensor<3x5x6xf32> score {
  ^bb0(%qi: tensor<4xf32>, %kj: tensor<4xf32>):
    %1 = mapsto.mul %qi, %kj : tensor<4xf32>
    %2 = mapsto.reduce sum %1 {axes = array<i64: 0>} : (tensor<4xf32>) -> tensor<f32>
    %3 = mapsto.mul %2, %half : tensor<f32>
    %4 = mapsto.tanh %3 : tensor<f32>
    mapsto.yield %4 : tensor<f32>
  } modify {
  ^bb0(%s: tensor<f32>, %b: tensor<i64>, %i: tensor<i64>, %j: tensor<i64>):
    %1 = mapsto.neg %s : tensor<f32>
    mapsto.yield %1 : tensor<f32>
  } mask {
  }
  return %0 : tensor<3x5x6xf32>
}

// -----

// A bilinear score: the key's projection leaves, what remains is a dot product.
// CHECK-LABEL: func.func @main
// CHECK: %[[K:.*]] = mapsto.matmul %arg1, %{{.*}} {transposed} {{.*}} -> tensor<3x7x4xf32>
// CHECK: mapsto.attention queries(%arg0 : {{.*}}) keys(%[[K]] : tensor<3x7x4xf32>)
// CHECK-SAME: score {
// CHECK-NEXT: } modify {
// CHECK-NEXT: } mask {
func.func @main(%q: tensor<3x5x4xf32>, %k: tensor<3x7x6xf32>) -> tensor<3x5x6xf32> {
  %w = mapsto.weight "w" : tensor<4x6xf32>
  %0 = mapsto.attention queries(%q : tensor<3x5x4xf32>) keys(%k : tensor<3x7x6xf32>) value(%k : tensor<3x7x6xf32>) -> tensor<3x5x6xf32> score {
  ^bb0(%qi: tensor<4xf32>, %kj: tensor<6xf32>):
    %1 = mapsto.reshape %kj : tensor<6xf32> to tensor<1x6xf32>
    %2 = mapsto.matmul %1, %w {transposed} : (tensor<1x6xf32>, tensor<4x6xf32>) -> tensor<1x4xf32>
    %3 = mapsto.reshape %qi : tensor<4xf32> to tensor<1x4xf32>
    %4 = mapsto.matmul %2, %3 {transposed} : (tensor<1x4xf32>, tensor<1x4xf32>) -> tensor<1x1xf32>
    %5 = mapsto.reshape %4 : tensor<1x1xf32> to tensor<f32>
    mapsto.yield %5 : tensor<f32>
  } modify {
  } mask {
  }
  return %0 : tensor<3x5x6xf32>
}

// -----

// A score of query and key laid one after the other: each part of the weight
// goes with its side, and both leave.
// CHECK-LABEL: func.func @main
// CHECK-DAG: %[[Q:.*]] = mapsto.matmul %arg0, {{.*}} -> tensor<2x4x5x8xf32>
// CHECK-DAG: %[[K:.*]] = mapsto.matmul %arg1, {{.*}} -> tensor<2x2x7x8xf32>
// CHECK: mapsto.attention queries(%[[Q]] : {{.*}}) keys(%[[K]] : {{.*}})
// CHECK-NOT: mapsto.matmul
func.func @main(%q: tensor<2x4x5x3xf32>, %k: tensor<2x2x7x6xf32>) -> (tensor<2x4x5x6xf32>, tensor<2x4x5x7xf32>) {
  %w = mapsto.weight "w" : tensor<8x9xf32>
  %v = mapsto.weight "v" : tensor<1x8xf32>
  %0, %weights = mapsto.attention queries(%q : tensor<2x4x5x3xf32>) keys(%k : tensor<2x2x7x6xf32>) value(%k : tensor<2x2x7x6xf32>) -> tensor<2x4x5x6xf32> weights tensor<2x4x5x7xf32> score {
  ^bb0(%qi: tensor<3xf32>, %kj: tensor<6xf32>):
    %1 = mapsto.concat %qi, %kj {axis = 0 : i64} : (tensor<3xf32>, tensor<6xf32>) -> tensor<9xf32>
    %2 = mapsto.reshape %1 : tensor<9xf32> to tensor<1x9xf32>
    %3 = mapsto.matmul %2, %w {transposed} : (tensor<1x9xf32>, tensor<8x9xf32>) -> tensor<1x8xf32>
    %4 = mapsto.tanh %3 : tensor<1x8xf32>
    %5 = mapsto.matmul %4, %v {transposed} : (tensor<1x8xf32>, tensor<1x8xf32>) -> tensor<1x1xf32>
    %6 = mapsto.reshape %5 : tensor<1x1xf32> to tensor<f32>
    mapsto.yield %6 : tensor<f32>
  } modify {
  } mask {
  ^bb0(%b: tensor<i64>, %h: tensor<i64>, %i: tensor<i64>, %j: tensor<i64>):
    %1 = mapsto.compare le %j, %i : tensor<i64>
    mapsto.yield %1 : tensor<i1>
  }
  return %0, %weights : tensor<2x4x5x6xf32>, tensor<2x4x5x7xf32>
}

// -----

// A cosine: what it takes of the key alone is a number, which stays inside.
// CHECK-LABEL: func.func @main
// CHECK: mapsto.attention queries(%arg0 : {{.*}}) keys(%arg1 : {{.*}})
// CHECK-COUNT-3: mapsto.reduce sum
// CHECK: mapsto.div
func.func @main(%q: tensor<?x3xf32, #mapsto.dims<"L", "3">>, %k: tensor<?x3xf32, #mapsto.dims<"S", "3">>) -> tensor<?x3xf32, #mapsto.dims<"L", "3">> {
  %0 = mapsto.attention queries(%q : tensor<?x3xf32, #mapsto.dims<"L", "3">>) keys(%k : tensor<?x3xf32, #mapsto.dims<"S", "3">>) value(%k : tensor<?x3xf32, #mapsto.dims<"S", "3">>) -> tensor<?x3xf32, #mapsto.dims<"L", "3">> score {
  ^bb0(%qi: tensor<3xf32>, %kj: tensor<3xf32>):
    %1 = mapsto.mul %qi, %kj : tensor<3xf32>
    %2 = mapsto.reduce sum %1 {axes = array<i64: 0>} : (tensor<3xf32>) -> tensor<f32>
    %3 = mapsto.mul %qi, %qi : tensor<3xf32>
    %4 = mapsto.reduce sum %3 {axes = array<i64: 0>} : (tensor<3xf32>) -> tensor<f32>
    %5 = mapsto.mul %kj, %kj : tensor<3xf32>
    %6 = mapsto.reduce sum %5 {axes = array<i64: 0>} : (tensor<3xf32>) -> tensor<f32>
    %7 = mapsto.mul %4, %6 : tensor<f32>
    %8 = mapsto.sqrt %7 : tensor<f32>
    %9 = mapsto.div %2, %8 : tensor<f32>
    mapsto.yield %9 : tensor<f32>
  } modify {
  } mask {
  }
  return %0 : tensor<?x3xf32, #mapsto.dims<"L", "3">>
}

// -----

// A score by a network of two layers: what is left inside of the second one,
// which mixes query and key, is written as products and sums.
// CHECK-LABEL: func.func @main
// CHECK: mapsto.attention
// CHECK-NOT: mapsto.matmul
func.func @main(%q: tensor<2x5x3xf32>, %k: tensor<2x7x3xf32>) -> tensor<2x5x3xf32> {
  %w = mapsto.weight "w" : tensor<4x3xf32>
  %u = mapsto.weight "u" : tensor<4x6xf32>
  %v = mapsto.weight "v" : tensor<6x1xf32>
  %0 = mapsto.attention queries(%q : tensor<2x5x3xf32>) keys(%k : tensor<2x7x3xf32>) value(%k : tensor<2x7x3xf32>) -> tensor<2x5x3xf32> score {
  ^bb0(%qi: tensor<3xf32>, %kj: tensor<3xf32>):
    %1 = mapsto.mul %qi, %kj : tensor<3xf32>
    %2 = mapsto.reshape %1 : tensor<3xf32> to tensor<1x3xf32>
    %3 = mapsto.matmul %2, %w {transposed} : (tensor<1x3xf32>, tensor<4x3xf32>) -> tensor<1x4xf32>
    %4 = mapsto.tanh %3 : tensor<1x4xf32>
    %5 = mapsto.matmul %4, %u : (tensor<1x4xf32>, tensor<4x6xf32>) -> tensor<1x6xf32>
    %6 = mapsto.tanh %5 : tensor<1x6xf32>
    %7 = mapsto.matmul %6, %v : (tensor<1x6xf32>, tensor<6x1xf32>) -> tensor<1x1xf32>
    %8 = mapsto.reshape %7 : tensor<1x1xf32> to tensor<f32>
    mapsto.yield %8 : tensor<f32>
  } modify {
  } mask {
  }
  return %0 : tensor<2x5x3xf32>
}
