// RUN: mapsto-opt %s -mapsto-pack-weights=panel=16 | FileCheck %s

// One packing for both products, and for the one in the loop; no unpacked copy
// is left. A parameter read otherwise keeps its layout.
// CHECK-LABEL: func.func @main
// CHECK: %[[P:.*]] = mapsto.weight "w" {panel = 16 : i64, source_shape = array<i64: 40, 8>, transposed} : tensor<3x8x16xf32>
// CHECK-NOT: mapsto.weight "w"
// CHECK: %[[V:.*]] = mapsto.weight "v" : tensor<8x8xf32>
// CHECK: mapsto.packed_matmul %arg0, %[[P]] {columns = 40 : i64}
// CHECK: mapsto.packed_matmul %arg1, %[[P]] {columns = 40 : i64}
// CHECK: mapsto.scan
// CHECK: mapsto.packed_matmul %{{.*}}, %[[P]] {columns = 40 : i64}
// CHECK: mapsto.add %[[V]], %[[V]]
func.func @main(%x: tensor<2x8xf32>, %y: tensor<3x8xf32>) -> (tensor<2x40xf32>, tensor<3x40xf32>, tensor<2x8xf32>, tensor<8x8xf32>) {
  %w = mapsto.weight "w" : tensor<40x8xf32>
  %v = mapsto.weight "v" : tensor<8x8xf32>
  %0 = mapsto.matmul %x, %w {transposed} : (tensor<2x8xf32>, tensor<40x8xf32>) -> tensor<2x40xf32>
  %1 = mapsto.matmul %y, %w {transposed} : (tensor<3x8xf32>, tensor<40x8xf32>) -> tensor<3x40xf32>
  %2 = mapsto.scan init(%x : tensor<2x8xf32>) over() attributes {axis = 0 : i64, count = "4"} -> (tensor<2x8xf32>) {
  ^bb0(%s: tensor<2x8xf32>):
    %m = mapsto.matmul %s, %w {transposed} : (tensor<2x8xf32>, tensor<40x8xf32>) -> tensor<2x40xf32>
    %n = mapsto.slice %m {starts = #mapsto.dims<"0", "0">, sizes = #mapsto.dims<"2", "8">, steps = array<i64: 1, 1>} : (tensor<2x40xf32>) -> tensor<2x8xf32>
    mapsto.yield %n : tensor<2x8xf32>
  }
  %3 = mapsto.add %v, %v : tensor<8x8xf32>
  return %0, %1, %2, %3 : tensor<2x40xf32>, tensor<3x40xf32>, tensor<2x8xf32>, tensor<8x8xf32>
}
