// The one form of what can be written in many.
// RUN: mapsto-opt %s -split-input-file -canonicalize | FileCheck %s

#BT = #mapsto.dims<"B", "T">

// CHECK-LABEL: func.func @broadcast
func.func @broadcast(%x: tensor<1x3xf32>, %r: tensor<3xf32>) -> (tensor<?x2x3xf32, #mapsto.dims<"B", "2", "3">>, tensor<2x3xf32>) {
  // CHECK-NEXT: %[[A:.*]] = mapsto.broadcast %arg0 : tensor<1x3xf32> to tensor<?x2x3xf32, #mapsto.dims<"B", "2", "3">>
  // CHECK-NEXT: %[[B:.*]] = mapsto.broadcast %arg1 : tensor<3xf32> to tensor<2x3xf32>
  // CHECK-NEXT: return %[[A]], %[[B]]
  %0 = mapsto.broadcast %x : tensor<1x3xf32> to tensor<2x3xf32>
  %1 = mapsto.broadcast %0 : tensor<2x3xf32> to tensor<?x2x3xf32, #mapsto.dims<"B", "2", "3">>
  %2 = mapsto.reshape %r : tensor<3xf32> to tensor<1x3xf32>
  %3 = mapsto.broadcast %2 : tensor<1x3xf32> to tensor<2x3xf32>
  return %1, %3 : tensor<?x2x3xf32, #mapsto.dims<"B", "2", "3">>, tensor<2x3xf32>
}

// -----

#BT = #mapsto.dims<"B", "T">

// CHECK-LABEL: func.func @reshape
func.func @reshape(%x: tensor<?x?xf32, #BT>) -> (tensor<?x?xf32, #BT>, tensor<?x1x?xf32, #mapsto.dims<"B", "1", "T">>) {
  // CHECK-NEXT: %[[A:.*]] = mapsto.reshape %arg0 : tensor<?x?xf32, #mapsto.dims<"B", "T">> to tensor<?x1x?xf32, #mapsto.dims<"B", "1", "T">>
  // CHECK-NEXT: return %arg0, %[[A]]
  %0 = mapsto.reshape %x : tensor<?x?xf32, #BT> to tensor<?xf32, #mapsto.dims<"B*T">>
  %1 = mapsto.reshape %0 : tensor<?xf32, #mapsto.dims<"B*T">> to tensor<?x?xf32, #BT>
  %2 = mapsto.reshape %0 : tensor<?xf32, #mapsto.dims<"B*T">> to tensor<?x1x?xf32, #mapsto.dims<"B", "1", "T">>
  return %1, %2 : tensor<?x?xf32, #BT>, tensor<?x1x?xf32, #mapsto.dims<"B", "1", "T">>
}

// -----

// CHECK-LABEL: func.func @transpose
func.func @transpose(%x: tensor<2x3x4xf32>, %y: tensor<2x1x4xf32>) -> (tensor<3x4x2xf32>, tensor<2x3x4xf32>, tensor<1x2x4xf32>) {
  // CHECK-NEXT: %[[A:.*]] = mapsto.transpose %arg0 {permutation = array<i64: 1, 2, 0>}
  // CHECK-NEXT: %[[B:.*]] = mapsto.reshape %arg1 : tensor<2x1x4xf32> to tensor<1x2x4xf32>
  // CHECK-NEXT: return %[[A]], %arg0, %[[B]]
  %0 = mapsto.transpose %x {permutation = array<i64: 1, 0, 2>} : (tensor<2x3x4xf32>) -> tensor<3x2x4xf32>
  %1 = mapsto.transpose %0 {permutation = array<i64: 0, 2, 1>} : (tensor<3x2x4xf32>) -> tensor<3x4x2xf32>
  %2 = mapsto.transpose %0 {permutation = array<i64: 1, 0, 2>} : (tensor<3x2x4xf32>) -> tensor<2x3x4xf32>
  %3 = mapsto.transpose %y {permutation = array<i64: 1, 0, 2>} : (tensor<2x1x4xf32>) -> tensor<1x2x4xf32>
  return %1, %2, %3 : tensor<3x4x2xf32>, tensor<2x3x4xf32>, tensor<1x2x4xf32>
}

// -----

// CHECK-LABEL: func.func @slice
func.func @slice(%x: tensor<?xf32, #mapsto.dims<"T">>) -> tensor<2xf32> {
  // CHECK-NEXT: mapsto.slice %arg0 {sizes = #mapsto.dims<"2">, starts = #mapsto.dims<"4">, steps = array<i64: 6>}
  %0 = mapsto.slice %x {starts = #mapsto.dims<"1">, sizes = #mapsto.dims<"5">, steps = array<i64: 3>} : (tensor<?xf32, #mapsto.dims<"T">>) -> tensor<5xf32>
  %1 = mapsto.slice %0 {starts = #mapsto.dims<"1">, sizes = #mapsto.dims<"2">, steps = array<i64: 2>} : (tensor<5xf32>) -> tensor<2xf32>
  return %1 : tensor<2xf32>
}

// -----

// CHECK-LABEL: func.func @slice_of_weight
func.func @slice_of_weight() -> (tensor<16x8xf32>, tensor<4x8xf32>, tensor<48x4xf32>) {
  // CHECK-DAG: mapsto.weight "w" {row_start = 16 : i64} : tensor<16x8xf32>
  // CHECK-DAG: mapsto.weight "w" {row_start = 20 : i64} : tensor<4x8xf32>
  // CHECK-DAG: mapsto.slice
  %w = mapsto.weight "w" : tensor<48x8xf32>
  %0 = mapsto.slice %w {starts = #mapsto.dims<"16", "0">, sizes = #mapsto.dims<"16", "8">, steps = array<i64: 1, 1>} : (tensor<48x8xf32>) -> tensor<16x8xf32>
  %1 = mapsto.slice %0 {starts = #mapsto.dims<"4", "0">, sizes = #mapsto.dims<"4", "8">, steps = array<i64: 1, 1>} : (tensor<16x8xf32>) -> tensor<4x8xf32>
  %2 = mapsto.slice %w {starts = #mapsto.dims<"0", "4">, sizes = #mapsto.dims<"48", "4">, steps = array<i64: 1, 1>} : (tensor<48x8xf32>) -> tensor<48x4xf32>
  return %0, %1, %2 : tensor<16x8xf32>, tensor<4x8xf32>, tensor<48x4xf32>
}

// -----

// CHECK-LABEL: func.func @matmul
func.func @matmul(%x: tensor<2x3x4xf32>, %y: tensor<2x5x4xf32>, %w: tensor<5x4xf32>) -> (tensor<2x3x5xf32>, tensor<2x3x5xf32>) {
  // CHECK-NEXT: mapsto.matmul %arg0, %arg1 {transposed}
  // CHECK-NEXT: mapsto.matmul %arg0, %arg2 {transposed}
  %t = mapsto.transpose %y {permutation = array<i64: 0, 2, 1>} : (tensor<2x5x4xf32>) -> tensor<2x4x5xf32>
  %0 = mapsto.matmul %x, %t : (tensor<2x3x4xf32>, tensor<2x4x5xf32>) -> tensor<2x3x5xf32>
  %u = mapsto.transpose %w {permutation = array<i64: 1, 0>} : (tensor<5x4xf32>) -> tensor<4x5xf32>
  %1 = mapsto.matmul %x, %u : (tensor<2x3x4xf32>, tensor<4x5xf32>) -> tensor<2x3x5xf32>
  return %0, %1 : tensor<2x3x5xf32>, tensor<2x3x5xf32>
}

// -----

// CHECK-LABEL: func.func @cast
func.func @cast(%x: tensor<4xf16>, %y: tensor<4xf32>) -> (tensor<4xi64>, tensor<4xf16>, tensor<4xf32>) {
  // CHECK-NEXT: %[[A:.*]] = mapsto.cast %arg0 : tensor<4xf16> to tensor<4xi64>
  // CHECK-NEXT: %[[H:.*]] = mapsto.cast %arg1 : tensor<4xf32> to tensor<4xf16>
  // CHECK-NEXT: %[[C:.*]] = mapsto.cast %[[H]] : tensor<4xf16> to tensor<4xf32>
  // CHECK-NEXT: return %[[A]], %arg0, %[[C]]
  %0 = mapsto.cast %x : tensor<4xf16> to tensor<4xf32>
  %1 = mapsto.cast %0 : tensor<4xf32> to tensor<4xi64>
  %2 = mapsto.cast %0 : tensor<4xf32> to tensor<4xf16>
  %3 = mapsto.cast %y : tensor<4xf32> to tensor<4xf16>
  %4 = mapsto.cast %3 : tensor<4xf16> to tensor<4xf32>
  return %1, %2, %4 : tensor<4xi64>, tensor<4xf16>, tensor<4xf32>
}

// -----

// An unsigned integer has all values of its own width only.
// CHECK-LABEL: func.func @cast_unsigned
func.func @cast_unsigned(%x: tensor<4xui8>, %y: tensor<4xui64>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xui8>) {
  // CHECK-NEXT: %[[A:.*]] = mapsto.cast %arg0 : tensor<4xui8> to tensor<4xf32>
  // CHECK-NEXT: %[[S:.*]] = mapsto.cast %arg1 : tensor<4xui64> to tensor<4xi64>
  // CHECK-NEXT: %[[B:.*]] = mapsto.cast %[[S]] : tensor<4xi64> to tensor<4xf32>
  // CHECK-NEXT: return %[[A]], %[[B]], %arg0
  %0 = mapsto.cast %x : tensor<4xui8> to tensor<4xi32>
  %1 = mapsto.cast %0 : tensor<4xi32> to tensor<4xf32>
  %2 = mapsto.cast %y : tensor<4xui64> to tensor<4xi64>
  %3 = mapsto.cast %2 : tensor<4xi64> to tensor<4xf32>
  %4 = mapsto.cast %0 : tensor<4xi32> to tensor<4xui8>
  return %1, %3, %4 : tensor<4xf32>, tensor<4xf32>, tensor<4xui8>
}

// -----

#BT = #mapsto.dims<"B", "T">

// What is the same in every place is computed once, whatever the sizes.
// CHECK-LABEL: func.func @broadcast_scalars
func.func @broadcast_scalars(%s: tensor<f32>) -> (tensor<?x?xf32, #BT>, tensor<?x?xf32, #BT>) {
  // CHECK-NEXT: %[[SIX:.*]] = mapsto.constant dense<6.000000e+00> : tensor<f32>
  // CHECK-NEXT: %[[A:.*]] = mapsto.broadcast %[[SIX]] : tensor<f32> to tensor<?x?xf32, #mapsto.dims<"B", "T">>
  // CHECK-NEXT: %[[E:.*]] = mapsto.exp %arg0 : tensor<f32>
  // CHECK-NEXT: %[[B:.*]] = mapsto.broadcast %[[E]] : tensor<f32> to tensor<?x?xf32, #mapsto.dims<"B", "T">>
  // CHECK-NEXT: return %[[A]], %[[B]]
  %two = mapsto.constant dense<2.0> : tensor<f32>
  %three = mapsto.constant dense<3.0> : tensor<f32>
  %0 = mapsto.broadcast %two : tensor<f32> to tensor<?x?xf32, #BT>
  %1 = mapsto.broadcast %three : tensor<f32> to tensor<?x?xf32, #BT>
  %2 = mapsto.mul %0, %1 : tensor<?x?xf32, #BT>
  %3 = mapsto.broadcast %s : tensor<f32> to tensor<?x?xf32, #BT>
  %4 = mapsto.exp %3 : tensor<?x?xf32, #BT>
  %5 = mapsto.transpose %4 {permutation = array<i64: 1, 0>} : (tensor<?x?xf32, #BT>) -> tensor<?x?xf32, #mapsto.dims<"T", "B">>
  %6 = mapsto.transpose %5 {permutation = array<i64: 1, 0>} : (tensor<?x?xf32, #mapsto.dims<"T", "B">>) -> tensor<?x?xf32, #BT>
  return %2, %6 : tensor<?x?xf32, #BT>, tensor<?x?xf32, #BT>
}

// -----

// CHECK-LABEL: func.func @splat
func.func @splat() -> tensor<4x4xf32> {
  // CHECK-NEXT: %[[C:.*]] = mapsto.constant dense<5.000000e+00> : tensor<f32>
  // CHECK-NEXT: %[[B:.*]] = mapsto.broadcast %[[C]] : tensor<f32> to tensor<4x4xf32>
  // CHECK-NEXT: return %[[B]]
  %0 = mapsto.constant dense<2.0> : tensor<4x4xf32>
  %1 = mapsto.constant dense<3.0> : tensor<f32>
  %2 = mapsto.broadcast %1 : tensor<f32> to tensor<4x4xf32>
  %3 = mapsto.add %0, %2 : tensor<4x4xf32>
  return %3 : tensor<4x4xf32>
}
