// RUN: mapsto-opt %s -mapsto-quantize-weights=format=int8 | FileCheck %s --check-prefixes=CHECK,INT8
// RUN: mapsto-opt %s -mapsto-quantize-weights=format=bf16 | FileCheck %s --check-prefixes=CHECK,BF16

// What products, recurrences and lookups read is narrow, with scales along the
// results; parts and transposes are looked through. A bias, a matrix that is
// added and one of another element type stay.
// CHECK-LABEL: func.func @main
// INT8: mapsto.weight "linear" {stored = #mapsto.storage<i8, channels = 0>} : tensor<40x8xf32>
// BF16: mapsto.weight "linear" {stored = #mapsto.storage<bf16>} : tensor<40x8xf32>
// INT8: mapsto.weight "plain" {stored = #mapsto.storage<i8, channels = 1>} : tensor<8x3xf32>
// INT8: mapsto.weight "turned" {stored = #mapsto.storage<i8, channels = 0>} : tensor<5x8xf32>
// INT8: mapsto.weight "part" {stored = #mapsto.storage<i8, channels = 0>} : tensor<9x8xf32>
// INT8: mapsto.weight "table" {stored = #mapsto.storage<i8, channels = 0>} : tensor<7x8xf32>
// CHECK: mapsto.weight "bias" : tensor<2x40xf32>
// CHECK: mapsto.weight "double" : tensor<8x3xf64>
func.func @main(%x: tensor<2x8xf32>, %z: tensor<2x8xf64>, %i: tensor<4xi64>) -> (tensor<2x40xf32>, tensor<2x3xf32>, tensor<2x5xf32>, tensor<2x4xf32>, tensor<4x8xf32>, tensor<2x3xf64>) {
  %linear = mapsto.weight "linear" : tensor<40x8xf32>
  %plain = mapsto.weight "plain" : tensor<8x3xf32>
  %turned = mapsto.weight "turned" : tensor<5x8xf32>
  %part = mapsto.weight "part" : tensor<9x8xf32>
  %table = mapsto.weight "table" : tensor<7x8xf32>
  %bias = mapsto.weight "bias" : tensor<2x40xf32>
  %double = mapsto.weight "double" : tensor<8x3xf64>
  %0 = mapsto.matmul %x, %linear {transposed} : (tensor<2x8xf32>, tensor<40x8xf32>) -> tensor<2x40xf32>
  %1 = mapsto.add %0, %bias : tensor<2x40xf32>
  %2 = mapsto.matmul %x, %plain : (tensor<2x8xf32>, tensor<8x3xf32>) -> tensor<2x3xf32>
  %3 = mapsto.transpose %turned {permutation = array<i64: 1, 0>} : (tensor<5x8xf32>) -> tensor<8x5xf32>
  %4 = mapsto.matmul %x, %3 : (tensor<2x8xf32>, tensor<8x5xf32>) -> tensor<2x5xf32>
  %5 = mapsto.slice %part {starts = #mapsto.dims<"2", "0">, sizes = #mapsto.dims<"4", "8">, steps = array<i64: 1, 1>} : (tensor<9x8xf32>) -> tensor<4x8xf32>
  %6 = mapsto.matmul %x, %5 {transposed} : (tensor<2x8xf32>, tensor<4x8xf32>) -> tensor<2x4xf32>
  %7 = mapsto.take %table, %i {axis = 0 : i64} : (tensor<7x8xf32>, tensor<4xi64>) -> tensor<4x8xf32>
  %8 = mapsto.matmul %z, %double : (tensor<2x8xf64>, tensor<8x3xf64>) -> tensor<2x3xf64>
  return %1, %2, %4, %6, %7, %8 : tensor<2x40xf32>, tensor<2x3xf32>, tensor<2x5xf32>, tensor<2x4xf32>, tensor<4x8xf32>, tensor<2x3xf64>
}
