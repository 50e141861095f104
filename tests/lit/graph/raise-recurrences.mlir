// RUN: mapsto-opt %s -split-input-file -canonicalize -cse -mapsto-raise-recurrences -canonicalize | FileCheck %s

// Slices of one value are a sequence, the results an output and the last state.
// CHECK: module attributes {mapsto.remarks = ["{{.*}}: 3 steps that were written out are one recurrence"]}
// CHECK-LABEL: func.func @main
// CHECK-NEXT: %[[W:.*]] = mapsto.weight "w"
// CHECK-NEXT: %[[SCAN:.*]]:2 = mapsto.scan init(%arg1 : tensor<2x4xf32>) over(%arg0 : tensor<2x3x4xf32>) attributes {axis = 1 : i64, count = "3"} -> (tensor<2x4xf32>, tensor<2x3x4xf32>) {
// CHECK-NEXT: ^bb0(%[[H:.*]]: tensor<2x4xf32>, %[[X:.*]]: tensor<2x4xf32>):
// CHECK-NEXT: %[[M:.*]] = mapsto.matmul %[[H]], %[[W]]
// CHECK-NEXT: %[[A:.*]] = mapsto.add %[[X]], %[[M]]
// CHECK-NEXT: %[[N:.*]] = mapsto.tanh %[[A]]
// CHECK-NEXT: mapsto.yield %[[N]], %[[N]]
// CHECK-NEXT: }
// CHECK-NEXT: return %[[SCAN]]#1, %[[SCAN]]#0
func.func @main(%x: tensor<2x3x4xf32>, %h: tensor<2x4xf32>) -> (tensor<2x3x4xf32>, tensor<2x4xf32>) {
  %w = mapsto.weight "w" : tensor<4x4xf32>
  %x0s = mapsto.slice %x {starts = #mapsto.dims<"0", "0", "0">, sizes = #mapsto.dims<"2", "1", "4">, steps = array<i64: 1, 1, 1>} : (tensor<2x3x4xf32>) -> tensor<2x1x4xf32>
  %x0 = mapsto.reshape %x0s : tensor<2x1x4xf32> to tensor<2x4xf32>
  %m0 = mapsto.matmul %h, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %a0 = mapsto.add %x0, %m0 : tensor<2x4xf32>
  %h0 = mapsto.tanh %a0 : tensor<2x4xf32>
  %x1s = mapsto.slice %x {starts = #mapsto.dims<"0", "1", "0">, sizes = #mapsto.dims<"2", "1", "4">, steps = array<i64: 1, 1, 1>} : (tensor<2x3x4xf32>) -> tensor<2x1x4xf32>
  %x1 = mapsto.reshape %x1s : tensor<2x1x4xf32> to tensor<2x4xf32>
  %m1 = mapsto.matmul %h0, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %a1 = mapsto.add %x1, %m1 : tensor<2x4xf32>
  %h1 = mapsto.tanh %a1 : tensor<2x4xf32>
  %x2s = mapsto.slice %x {starts = #mapsto.dims<"0", "2", "0">, sizes = #mapsto.dims<"2", "1", "4">, steps = array<i64: 1, 1, 1>} : (tensor<2x3x4xf32>) -> tensor<2x1x4xf32>
  %x2 = mapsto.reshape %x2s : tensor<2x1x4xf32> to tensor<2x4xf32>
  %m2 = mapsto.matmul %h1, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %a2 = mapsto.add %x2, %m2 : tensor<2x4xf32>
  %h2 = mapsto.tanh %a2 : tensor<2x4xf32>
  %u0 = mapsto.reshape %h0 : tensor<2x4xf32> to tensor<2x1x4xf32>
  %u1 = mapsto.reshape %h1 : tensor<2x4xf32> to tensor<2x1x4xf32>
  %u2 = mapsto.reshape %h2 : tensor<2x4xf32> to tensor<2x1x4xf32>
  %all = mapsto.concat %u0, %u1, %u2 {axis = 1 : i64} : (tensor<2x1x4xf32>, tensor<2x1x4xf32>, tensor<2x1x4xf32>) -> tensor<2x3x4xf32>
  return %all, %h2 : tensor<2x3x4xf32>, tensor<2x4xf32>
}

// -----

// From the last step to the first; what is made of each step's result is made
// of all of them at once.
// CHECK-LABEL: func.func @main
// CHECK: %[[SCAN:.*]]:2 = mapsto.scan {{.*}} attributes {axis = 1 : i64, count = "3", reverse}
// CHECK: %[[Y:.*]] = mapsto.matmul %[[SCAN]]#1, %{{.*}} : (tensor<2x3x4xf32>, tensor<4x7xf32>) -> tensor<2x3x7xf32>
// CHECK-NEXT: return %[[Y]]
func.func @main(%x: tensor<2x3x4xf32>, %h: tensor<2x4xf32>) -> tensor<2x3x7xf32> {
  %w = mapsto.weight "w" : tensor<4x4xf32>
  %v = mapsto.weight "v" : tensor<4x7xf32>
  %x2s = mapsto.slice %x {starts = #mapsto.dims<"0", "2", "0">, sizes = #mapsto.dims<"2", "1", "4">, steps = array<i64: 1, 1, 1>} : (tensor<2x3x4xf32>) -> tensor<2x1x4xf32>
  %x2 = mapsto.reshape %x2s : tensor<2x1x4xf32> to tensor<2x4xf32>
  %m2 = mapsto.matmul %h, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %a2 = mapsto.add %x2, %m2 : tensor<2x4xf32>
  %h2 = mapsto.tanh %a2 : tensor<2x4xf32>
  %x1s = mapsto.slice %x {starts = #mapsto.dims<"0", "1", "0">, sizes = #mapsto.dims<"2", "1", "4">, steps = array<i64: 1, 1, 1>} : (tensor<2x3x4xf32>) -> tensor<2x1x4xf32>
  %x1 = mapsto.reshape %x1s : tensor<2x1x4xf32> to tensor<2x4xf32>
  %m1 = mapsto.matmul %h2, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %a1 = mapsto.add %x1, %m1 : tensor<2x4xf32>
  %h1 = mapsto.tanh %a1 : tensor<2x4xf32>
  %x0s = mapsto.slice %x {starts = #mapsto.dims<"0", "0", "0">, sizes = #mapsto.dims<"2", "1", "4">, steps = array<i64: 1, 1, 1>} : (tensor<2x3x4xf32>) -> tensor<2x1x4xf32>
  %x0 = mapsto.reshape %x0s : tensor<2x1x4xf32> to tensor<2x4xf32>
  %m0 = mapsto.matmul %h1, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %a0 = mapsto.add %x0, %m0 : tensor<2x4xf32>
  %h0 = mapsto.tanh %a0 : tensor<2x4xf32>
  %r0 = mapsto.matmul %h0, %v : (tensor<2x4xf32>, tensor<4x7xf32>) -> tensor<2x7xf32>
  %r1 = mapsto.matmul %h1, %v : (tensor<2x4xf32>, tensor<4x7xf32>) -> tensor<2x7xf32>
  %r2 = mapsto.matmul %h2, %v : (tensor<2x4xf32>, tensor<4x7xf32>) -> tensor<2x7xf32>
  %u0 = mapsto.reshape %r0 : tensor<2x7xf32> to tensor<2x1x7xf32>
  %u1 = mapsto.reshape %r1 : tensor<2x7xf32> to tensor<2x1x7xf32>
  %u2 = mapsto.reshape %r2 : tensor<2x7xf32> to tensor<2x1x7xf32>
  %all = mapsto.concat %u0, %u1, %u2 {axis = 1 : i64} : (tensor<2x1x7xf32>, tensor<2x1x7xf32>, tensor<2x1x7xf32>) -> tensor<2x3x7xf32>
  return %all : tensor<2x3x7xf32>
}

// -----

// A first step that has no state yet stays before the others.
// CHECK-LABEL: func.func @main
// CHECK: %[[FIRST:.*]] = mapsto.tanh
// CHECK: %[[SCAN:.*]]:2 = mapsto.scan init(%[[FIRST]] : tensor<2x4xf32>) over(%{{.*}} : tensor<3x2x4xf32>) attributes {axis = 0 : i64, count = "3"}
// CHECK: %[[REST:.*]] = mapsto.reshape %[[SCAN]]#1 : tensor<3x2x4xf32> to tensor<6x4xf32>
// CHECK: mapsto.concat %[[FIRST]], %[[REST]]
func.func @main(%x: tensor<4x2x4xf32>) -> tensor<8x4xf32> {
  %w = mapsto.weight "w" : tensor<4x4xf32>
  %x0s = mapsto.slice %x {starts = #mapsto.dims<"0", "0", "0">, sizes = #mapsto.dims<"1", "2", "4">, steps = array<i64: 1, 1, 1>} : (tensor<4x2x4xf32>) -> tensor<1x2x4xf32>
  %x0 = mapsto.reshape %x0s : tensor<1x2x4xf32> to tensor<2x4xf32>
  %h0 = mapsto.tanh %x0 : tensor<2x4xf32>
  %x1s = mapsto.slice %x {starts = #mapsto.dims<"1", "0", "0">, sizes = #mapsto.dims<"1", "2", "4">, steps = array<i64: 1, 1, 1>} : (tensor<4x2x4xf32>) -> tensor<1x2x4xf32>
  %x1 = mapsto.reshape %x1s : tensor<1x2x4xf32> to tensor<2x4xf32>
  %m1 = mapsto.matmul %h0, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %a1 = mapsto.add %x1, %m1 : tensor<2x4xf32>
  %h1 = mapsto.tanh %a1 : tensor<2x4xf32>
  %x2s = mapsto.slice %x {starts = #mapsto.dims<"2", "0", "0">, sizes = #mapsto.dims<"1", "2", "4">, steps = array<i64: 1, 1, 1>} : (tensor<4x2x4xf32>) -> tensor<1x2x4xf32>
  %x2 = mapsto.reshape %x2s : tensor<1x2x4xf32> to tensor<2x4xf32>
  %m2 = mapsto.matmul %h1, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %a2 = mapsto.add %x2, %m2 : tensor<2x4xf32>
  %h2 = mapsto.tanh %a2 : tensor<2x4xf32>
  %x3s = mapsto.slice %x {starts = #mapsto.dims<"3", "0", "0">, sizes = #mapsto.dims<"1", "2", "4">, steps = array<i64: 1, 1, 1>} : (tensor<4x2x4xf32>) -> tensor<1x2x4xf32>
  %x3 = mapsto.reshape %x3s : tensor<1x2x4xf32> to tensor<2x4xf32>
  %m3 = mapsto.matmul %h2, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %a3 = mapsto.add %x3, %m3 : tensor<2x4xf32>
  %h3 = mapsto.tanh %a3 : tensor<2x4xf32>
  %all = mapsto.concat %h0, %h1, %h2, %h3 {axis = 0 : i64} : (tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<8x4xf32>
  return %all : tensor<8x4xf32>
}

// -----

// One step is another one.
// CHECK: module attributes {mapsto.remarks = ["{{.*}} looks like a recurrence of 3 steps and stays written out: its steps are not all the same"]}
// CHECK-LABEL: func.func @main
// CHECK-NOT: mapsto.scan
func.func @main(%x: tensor<2x3x4xf32>, %h: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %w = mapsto.weight "w" : tensor<4x4xf32>
  %x0s = mapsto.slice %x {starts = #mapsto.dims<"0", "0", "0">, sizes = #mapsto.dims<"2", "1", "4">, steps = array<i64: 1, 1, 1>} : (tensor<2x3x4xf32>) -> tensor<2x1x4xf32>
  %x0 = mapsto.reshape %x0s : tensor<2x1x4xf32> to tensor<2x4xf32>
  %m0 = mapsto.matmul %h, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %a0 = mapsto.add %x0, %m0 : tensor<2x4xf32>
  %h0 = mapsto.tanh %a0 : tensor<2x4xf32>
  %x1s = mapsto.slice %x {starts = #mapsto.dims<"0", "1", "0">, sizes = #mapsto.dims<"2", "1", "4">, steps = array<i64: 1, 1, 1>} : (tensor<2x3x4xf32>) -> tensor<2x1x4xf32>
  %x1 = mapsto.reshape %x1s : tensor<2x1x4xf32> to tensor<2x4xf32>
  %m1 = mapsto.matmul %h0, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %a1 = mapsto.add %x1, %m1 : tensor<2x4xf32>
  %h1 = mapsto.sigmoid %a1 : tensor<2x4xf32>
  %x2s = mapsto.slice %x {starts = #mapsto.dims<"0", "2", "0">, sizes = #mapsto.dims<"2", "1", "4">, steps = array<i64: 1, 1, 1>} : (tensor<2x3x4xf32>) -> tensor<2x1x4xf32>
  %x2 = mapsto.reshape %x2s : tensor<2x1x4xf32> to tensor<2x4xf32>
  %m2 = mapsto.matmul %h1, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %a2 = mapsto.add %x2, %m2 : tensor<2x4xf32>
  %h2 = mapsto.tanh %a2 : tensor<2x4xf32>
  return %h2 : tensor<2x4xf32>
}

// -----

// The third step reads the first one's result.
// CHECK: module attributes {mapsto.remarks = ["{{.*}} looks like a recurrence of 3 steps and stays written out: its steps are not all the same"]}
// CHECK-LABEL: func.func @main
// CHECK-NOT: mapsto.scan
func.func @main(%x: tensor<2x3x4xf32>, %h: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %w = mapsto.weight "w" : tensor<4x4xf32>
  %x0s = mapsto.slice %x {starts = #mapsto.dims<"0", "0", "0">, sizes = #mapsto.dims<"2", "1", "4">, steps = array<i64: 1, 1, 1>} : (tensor<2x3x4xf32>) -> tensor<2x1x4xf32>
  %x0 = mapsto.reshape %x0s : tensor<2x1x4xf32> to tensor<2x4xf32>
  %m0 = mapsto.matmul %h, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %a0 = mapsto.add %x0, %m0 : tensor<2x4xf32>
  %h0 = mapsto.tanh %a0 : tensor<2x4xf32>
  %x1s = mapsto.slice %x {starts = #mapsto.dims<"0", "1", "0">, sizes = #mapsto.dims<"2", "1", "4">, steps = array<i64: 1, 1, 1>} : (tensor<2x3x4xf32>) -> tensor<2x1x4xf32>
  %x1 = mapsto.reshape %x1s : tensor<2x1x4xf32> to tensor<2x4xf32>
  %m1 = mapsto.matmul %h0, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %a1 = mapsto.add %x1, %m1 : tensor<2x4xf32>
  %h1 = mapsto.tanh %a1 : tensor<2x4xf32>
  %x2s = mapsto.slice %x {starts = #mapsto.dims<"0", "2", "0">, sizes = #mapsto.dims<"2", "1", "4">, steps = array<i64: 1, 1, 1>} : (tensor<2x3x4xf32>) -> tensor<2x1x4xf32>
  %x2 = mapsto.reshape %x2s : tensor<2x1x4xf32> to tensor<2x4xf32>
  %m2 = mapsto.matmul %h1, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %a2 = mapsto.add %h0, %m2 : tensor<2x4xf32>
  %h2 = mapsto.tanh %a2 : tensor<2x4xf32>
  return %h2 : tensor<2x4xf32>
}

// -----

// Layers that share their parameters are over no sequence.
// CHECK-LABEL: func.func @main
// CHECK-NOT: mapsto.scan
func.func @main(%x: tensor<2x3x4xf32>, %h: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %w = mapsto.weight "w" : tensor<4x4xf32>
  %m0 = mapsto.matmul %h, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %h0 = mapsto.tanh %m0 : tensor<2x4xf32>
  %m1 = mapsto.matmul %h0, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %h1 = mapsto.tanh %m1 : tensor<2x4xf32>
  %m2 = mapsto.matmul %h1, %w : (tensor<2x4xf32>, tensor<4x4xf32>) -> tensor<2x4xf32>
  %h2 = mapsto.tanh %m2 : tensor<2x4xf32>
  return %h2 : tensor<2x4xf32>
}
