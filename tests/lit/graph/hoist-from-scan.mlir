// RUN: mapsto-opt %s -split-input-file -mapsto-hoist-from-scan | FileCheck %s

#BTI = #mapsto.dims<"B", "T", "3">
#BTH = #mapsto.dims<"B", "T", "4">
#BI = #mapsto.dims<"B", "3">
#BH = #mapsto.dims<"B", "4">

// MinGRU: both projections of the input leave the loop, with their biases and
// what is done to them alone.
// CHECK-LABEL: func.func @main
// CHECK-DAG: %[[Z:.*]] = mapsto.matmul %arg0, %{{.*}} {transposed} {{.*}} -> tensor<?x?x4xf32, #mapsto.dims<"B", "T", "4">>
// CHECK-DAG: %[[G:.*]] = mapsto.sigmoid
// CHECK-DAG: mapsto.matmul %arg0, %{{.*}} {transposed} {{.*}} -> tensor<?x?x4xf32, #mapsto.dims<"B", "T", "4">>
// CHECK-DAG: %[[GH:.*]] = mapsto.mul %[[G]],
// CHECK: mapsto.scan init(%arg1 : {{.*}}) over(%[[G]], %[[GH]] : {{.*}})
// CHECK-NOT: mapsto.matmul
// CHECK-NOT: mapsto.sigmoid
// CHECK: mapsto.yield
// CHECK-NOT: mapsto.matmul
func.func @main(%x: tensor<?x?x3xf32, #BTI>, %s0: tensor<?x4xf32, #BH>) -> tensor<?x?x4xf32, #BTH> {
  %w_z = mapsto.weight "z.weight" : tensor<4x3xf32>
  %b_z = mapsto.weight "z.bias" : tensor<4xf32>
  %w_h = mapsto.weight "h.weight" : tensor<4x3xf32>
  %one = mapsto.constant dense<1.0> : tensor<f32>
  %last, %all = mapsto.scan init(%s0 : tensor<?x4xf32, #BH>) over(%x : tensor<?x?x3xf32, #BTI>) attributes {axis = 1 : i64, count = "T"} -> (tensor<?x4xf32, #BH>, tensor<?x?x4xf32, #BTH>) {
  ^bb0(%s: tensor<?x4xf32, #BH>, %x_t: tensor<?x3xf32, #BI>):
    %0 = mapsto.matmul %x_t, %w_z {transposed} : (tensor<?x3xf32, #BI>, tensor<4x3xf32>) -> tensor<?x4xf32, #BH>
    %b = mapsto.broadcast %b_z : tensor<4xf32> to tensor<?x4xf32, #BH>
    %1 = mapsto.add %0, %b : tensor<?x4xf32, #BH>
    %g = mapsto.sigmoid %1 : tensor<?x4xf32, #BH>
    %ones = mapsto.broadcast %one : tensor<f32> to tensor<?x4xf32, #BH>
    %2 = mapsto.sub %ones, %g : tensor<?x4xf32, #BH>
    %3 = mapsto.mul %2, %s : tensor<?x4xf32, #BH>
    %4 = mapsto.matmul %x_t, %w_h {transposed} : (tensor<?x3xf32, #BI>, tensor<4x3xf32>) -> tensor<?x4xf32, #BH>
    %5 = mapsto.mul %g, %4 : tensor<?x4xf32, #BH>
    %6 = mapsto.add %3, %5 : tensor<?x4xf32, #BH>
    mapsto.yield %6, %6 : tensor<?x4xf32, #BH>, tensor<?x4xf32, #BH>
  }
  return %all : tensor<?x?x4xf32, #BTH>
}

// -----

// Of a product with a concatenation, the input's part leaves the loop.
// CHECK-LABEL: func.func @main
// CHECK: %[[W:.*]] = mapsto.weight "w" {row_start = 0 : i64} : tensor<3x4xf32>
// CHECK: %[[X:.*]] = mapsto.matmul %arg0, %[[W]] {{.*}} -> tensor<5x2x4xf32>
// CHECK: mapsto.scan init(%arg1 : {{.*}}) over(%[[X]] : tensor<5x2x4xf32>)
// CHECK-NEXT: ^bb0(%[[S:.*]]: tensor<2x4xf32>, %[[X_T:.*]]: tensor<2x4xf32>):
// CHECK-NEXT: %[[R:.*]] = mapsto.matmul %[[S]],
// CHECK-NEXT: %[[A:.*]] = mapsto.add %[[X_T]], %[[R]]
func.func @main(%x: tensor<5x2x3xf32>, %s0: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %w = mapsto.weight "w" : tensor<7x4xf32>
  %last = mapsto.scan init(%s0 : tensor<2x4xf32>) over(%x : tensor<5x2x3xf32>) attributes {axis = 0 : i64, count = "5"} -> (tensor<2x4xf32>) {
  ^bb0(%s: tensor<2x4xf32>, %x_t: tensor<2x3xf32>):
    %0 = mapsto.concat %x_t, %s {axis = 1 : i64} : (tensor<2x3xf32>, tensor<2x4xf32>) -> tensor<2x7xf32>
    %1 = mapsto.matmul %0, %w : (tensor<2x7xf32>, tensor<7x4xf32>) -> tensor<2x4xf32>
    %2 = mapsto.tanh %1 : tensor<2x4xf32>
    mapsto.yield %2 : tensor<2x4xf32>
  }
  return %last : tensor<2x4xf32>
}

// -----

// What no step changes is computed once; a broadcast of a constant is repeated
// where it is used, since that costs nothing.
// CHECK-LABEL: func.func @main
// CHECK: %[[M:.*]] = mapsto.matmul %arg1, %arg1
// CHECK: mapsto.scan
// CHECK-NOT: mapsto.matmul
// CHECK: mapsto.constant
// CHECK: mapsto.broadcast
// CHECK: mapsto.add %{{.*}}, %[[M]]
func.func @main(%s0: tensor<2x2xf32>, %k: tensor<2x2xf32>) -> tensor<2x2xf32> {
  %c = mapsto.constant dense<2.0> : tensor<f32>
  %twos = mapsto.broadcast %c : tensor<f32> to tensor<2x2xf32>
  %last = mapsto.scan init(%s0 : tensor<2x2xf32>) over() attributes {axis = 0 : i64, count = "4"} -> (tensor<2x2xf32>) {
  ^bb0(%s: tensor<2x2xf32>):
    %m = mapsto.matmul %k, %k : (tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x2xf32>
    %0 = mapsto.mul %s, %twos : tensor<2x2xf32>
    %1 = mapsto.add %0, %m : tensor<2x2xf32>
    mapsto.yield %1 : tensor<2x2xf32>
  }
  return %last : tensor<2x2xf32>
}

// -----

// Out of a repeat leaves all that its steps share.
// CHECK-LABEL: func.func @main
// CHECK: %[[E:.*]] = mapsto.exp %arg1
// CHECK: mapsto.repeat
// CHECK-NOT: mapsto.exp
// CHECK: mapsto.add %{{.*}}, %[[E]]
func.func @main(%s0: tensor<2xf32>, %k: tensor<2xf32>) -> tensor<2xf32> {
  %last = mapsto.repeat init(%s0 : tensor<2xf32>) attributes {axis = 0 : i64, count = "3"} -> (tensor<2xf32>) {
  ^bb0(%i: tensor<i64>, %s: tensor<2xf32>):
    %never = mapsto.constant dense<false> : tensor<i1>
    %e = mapsto.exp %k : tensor<2xf32>
    %1 = mapsto.add %s, %e : tensor<2xf32>
    mapsto.yield %never, %1 : tensor<i1>, tensor<2xf32>
  }
  return %last : tensor<2xf32>
}
