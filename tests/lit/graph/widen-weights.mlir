// RUN: mapsto-opt %s -split-input-file -mapsto-widen-weights | FileCheck %s
// RUN: mapsto-opt %s -split-input-file -mapsto-widen-weights -mapsto-pack-weights=panel=16 | FileCheck %s --check-prefix=PACKED

// The scales of a product's columns are taken out of its sums; packed, the
// matrix is as it is stored.
// CHECK-LABEL: func.func @product
// CHECK: %[[Q:.*]] = mapsto.weight "w" {row_start = 8 : i64, stored = #mapsto.storage<i8, channels = 0>} : tensor<40x8xi8>
// CHECK: %[[W:.*]] = mapsto.cast %[[Q]]
// CHECK: %[[M:.*]] = mapsto.matmul %arg0, %[[W]] {transposed}
// CHECK: %[[S:.*]] = mapsto.weight "w" {row_start = 8 : i64, scales, stored = #mapsto.storage<i8, channels = 0>} : tensor<40xf32>
// CHECK: %[[B:.*]] = mapsto.broadcast %[[S]]
// CHECK: mapsto.mul %[[M]], %[[B]]
// PACKED-LABEL: func.func @product
// PACKED: %[[P:.*]] = mapsto.weight "w" {panel = 16 : i64, row_start = 8 : i64, source_shape = array<i64: 40, 8>, stored = #mapsto.storage<i8, channels = 0>, transposed} : tensor<3x8x16xi8>
// PACKED-NOT: tensor<40x8xi8>
// PACKED: mapsto.packed_matmul %arg0, %[[P]] {columns = 40 : i64} : (tensor<2x8xf32>, tensor<3x8x16xi8>) -> tensor<2x40xf32>
func.func @product(%x: tensor<2x8xf32>) -> tensor<2x40xf32> {
  %w = mapsto.weight "w" {row_start = 8 : i64, stored = #mapsto.storage<i8, channels = 0>} : tensor<40x8xf32>
  %0 = mapsto.matmul %x, %w {transposed} : (tensor<2x8xf32>, tensor<40x8xf32>) -> tensor<2x40xf32>
  return %0 : tensor<2x40xf32>
}

// -----

// Scales along the sums stay in them, and so does one of a matrix times itself.
// CHECK-LABEL: func.func @along
// CHECK: %[[Q:.*]] = mapsto.weight "w" {stored = #mapsto.storage<i8, channels = 1>} : tensor<8x8xi8>
// CHECK: %[[C:.*]] = mapsto.cast %[[Q]]
// CHECK: %[[W:.*]] = mapsto.mul %[[C]]
// CHECK: mapsto.matmul %{{.*}}, %[[W]] {transposed}
func.func @along() -> tensor<8x8xf32> {
  %w = mapsto.weight "w" {stored = #mapsto.storage<i8, channels = 1>} : tensor<8x8xf32>
  %0 = mapsto.matmul %w, %w {transposed} : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x8xf32>
  return %0 : tensor<8x8xf32>
}

// -----

// A lookup takes stored rows and their scales; f16 has no scales.
// CHECK-LABEL: func.func @lookup
// CHECK: %[[R:.*]] = mapsto.take %{{.*}}, %arg0 {axis = 0 : i64} : (tensor<7x8xi8>, tensor<4xi64>) -> tensor<4x8xi8>
// CHECK: %[[V:.*]] = mapsto.cast %[[R]]
// CHECK: %[[F:.*]] = mapsto.take %{{.*}}, %arg0 {axis = 0 : i64} : (tensor<7xf32>, tensor<4xi64>) -> tensor<4xf32>
// CHECK: mapsto.mul %[[V]]
// CHECK: %[[H:.*]] = mapsto.take %{{.*}}, %arg0 {axis = 0 : i64} : (tensor<7x8xf16>, tensor<4xi64>) -> tensor<4x8xf16>
// CHECK: mapsto.cast %[[H]]
// CHECK-NOT: mapsto.mul
// CHECK: return
func.func @lookup(%i: tensor<4xi64>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %t = mapsto.weight "t" {stored = #mapsto.storage<i8, channels = 0>} : tensor<7x8xf32>
  %h = mapsto.weight "h" {stored = #mapsto.storage<f16>} : tensor<7x8xf32>
  %0 = mapsto.take %t, %i {axis = 0 : i64} : (tensor<7x8xf32>, tensor<4xi64>) -> tensor<4x8xf32>
  %1 = mapsto.take %h, %i {axis = 0 : i64} : (tensor<7x8xf32>, tensor<4xi64>) -> tensor<4x8xf32>
  return %0, %1 : tensor<4x8xf32>, tensor<4x8xf32>
}
