// RUN: mapsto-opt %s -mapsto-expand-softmax | FileCheck %s

// CHECK-LABEL: func.func @main
// CHECK: %[[M:.*]] = mapsto.reduce max %arg0 {axes = array<i64: 1>, mapsto.of_softmax}
// CHECK: %[[D:.*]] = mapsto.sub %arg0,
// CHECK: %[[E:.*]] = mapsto.exp %[[D]] {mapsto.of_softmax}
// CHECK: %[[S:.*]] = mapsto.reduce sum %[[E]] {axes = array<i64: 1>}
// CHECK: %[[I:.*]] = mapsto.div %{{.*}}, %[[S]]
// CHECK: %[[R:.*]] = mapsto.reshape %[[I]]
// CHECK: %[[Q:.*]] = mapsto.broadcast %[[R]]
// CHECK: mapsto.mul %[[Q]], %[[E]]
func.func @main(%x: tensor<2x3x4xf32>) -> tensor<2x3x4xf32> {
  %y = mapsto.softmax %x {axis = 1 : i64} : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  return %y : tensor<2x3x4xf32>
}

// Halves are widened in between.
// CHECK-LABEL: func.func @half
// CHECK: mapsto.cast %arg0 {{.*}} to tensor<3xf32>
// CHECK: mapsto.cast %{{.*}} to tensor<3xf16>
func.func @half(%x: tensor<3xf16>) -> tensor<3xf16> {
  %y = mapsto.softmax %x {axis = 0 : i64} : (tensor<3xf16>) -> tensor<3xf16>
  return %y : tensor<3xf16>
}
