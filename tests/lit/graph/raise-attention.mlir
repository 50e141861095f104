// RUN: mapsto-opt %s -split-input-file -canonicalize -cse -mapsto-raise-softmax -mapsto-raise-attention -canonicalize | FileCheck %s

// A causal mask of compared indices; the factor is the op's scale.
// CHECK: module attributes {mapsto.remarks = ["{{.*}} is one attention"]}
// CHECK-LABEL: func.func @main
// CHECK-NEXT: mapsto.attention queries(%arg0 : {{.*}}) keys(%arg1 : {{.*}}) value(%arg2 : {{.*}}) attributes {scale = 2.500000e-01 : f64}
// CHECK-SAME: score {
// CHECK-NEXT: } modify {
// CHECK-NEXT: } mask {
// CHECK-NEXT: ^bb0(%{{.*}}: tensor<i64>, %{{.*}}: tensor<i64>, %[[I:.*]]: tensor<i64>, %[[J:.*]]: tensor<i64>):
// CHECK-NEXT: %[[KEPT:.*]] = mapsto.compare ge %[[I]], %[[J]]
// CHECK-NEXT: mapsto.yield %[[KEPT]]
func.func @main(%q: tensor<2x3x5x16xf32>, %k: tensor<2x3x5x16xf32>, %v: tensor<2x3x5x16xf32>) -> tensor<2x3x5x16xf32> {
  %c = mapsto.constant dense<0.25> : tensor<f32>
  %scale = mapsto.broadcast %c : tensor<f32> to tensor<2x3x5x5xf32>
  %inf = mapsto.constant dense<0xFF800000> : tensor<f32>
  %gone = mapsto.broadcast %inf : tensor<f32> to tensor<2x3x5x5xf32>
  %rows = mapsto.iota {axis = 0 : i64} : tensor<5x5xi64>
  %columns = mapsto.iota {axis = 1 : i64} : tensor<5x5xi64>
  %seen = mapsto.compare ge %rows, %columns : tensor<5x5xi64>
  %mask = mapsto.broadcast %seen : tensor<5x5xi1> to tensor<2x3x5x5xi1>
  %kt = mapsto.transpose %k {permutation = array<i64: 0, 1, 3, 2>} : (tensor<2x3x5x16xf32>) -> tensor<2x3x16x5xf32>
  %0 = mapsto.matmul %q, %kt : (tensor<2x3x5x16xf32>, tensor<2x3x16x5xf32>) -> tensor<2x3x5x5xf32>
  %1 = mapsto.mul %0, %scale : tensor<2x3x5x5xf32>
  %2 = mapsto.select %mask, %1, %gone : tensor<2x3x5x5xi1>, tensor<2x3x5x5xf32>
  %3 = mapsto.softmax %2 {axis = 3 : i64} : (tensor<2x3x5x5xf32>) -> tensor<2x3x5x5xf32>
  %4 = mapsto.matmul %3, %v : (tensor<2x3x5x5xf32>, tensor<2x3x5x16xf32>) -> tensor<2x3x5x16xf32>
  return %4 : tensor<2x3x5x16xf32>
}

// -----

// Heads of keys that are repeated are shared; factors on both sides; a mask
// that is added, of numbers that are only very low, beside a key that stays.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: mapsto.attention queries(%arg0 : tensor<1x6x5x8xf32>) keys(%arg1 : tensor<1x2x5x8xf32>) value(%arg2 : tensor<1x2x5x8xf32>) attributes {scale = 2.500000e-01 : f64}
// CHECK-SAME: score {
// CHECK-NEXT: } modify {
// CHECK-NEXT: } mask {
// CHECK: mapsto.compare le
func.func @main(%q: tensor<1x6x5x8xf32>, %k: tensor<1x2x5x8xf32>, %v: tensor<1x2x5x8xf32>) -> tensor<1x6x5x8xf32> {
  %c = mapsto.constant dense<0.5> : tensor<f32>
  %half = mapsto.broadcast %c : tensor<f32> to tensor<1x6x5x8xf32>
  %0 = mapsto.constant dense<0.0> : tensor<f32>
  %zeros = mapsto.broadcast %0 : tensor<f32> to tensor<5x5xf32>
  %1 = mapsto.constant dense<-3.0e38> : tensor<f32>
  %low = mapsto.broadcast %1 : tensor<f32> to tensor<5x5xf32>
  %rows = mapsto.iota {axis = 0 : i64} : tensor<5x5xi64>
  %columns = mapsto.iota {axis = 1 : i64} : tensor<5x5xi64>
  %hidden = mapsto.compare gt %columns, %rows : tensor<5x5xi64>
  %table = mapsto.select %hidden, %low, %zeros : tensor<5x5xi1>, tensor<5x5xf32>
  %mask = mapsto.broadcast %table : tensor<5x5xf32> to tensor<1x6x5x5xf32>
  %k1 = mapsto.reshape %k : tensor<1x2x5x8xf32> to tensor<1x2x1x5x8xf32>
  %k2 = mapsto.broadcast %k1 : tensor<1x2x1x5x8xf32> to tensor<1x2x3x5x8xf32>
  %k3 = mapsto.reshape %k2 : tensor<1x2x3x5x8xf32> to tensor<1x6x5x8xf32>
  %v1 = mapsto.reshape %v : tensor<1x2x5x8xf32> to tensor<1x2x1x5x8xf32>
  %v2 = mapsto.broadcast %v1 : tensor<1x2x1x5x8xf32> to tensor<1x2x3x5x8xf32>
  %v3 = mapsto.reshape %v2 : tensor<1x2x3x5x8xf32> to tensor<1x6x5x8xf32>
  %qs = mapsto.mul %q, %half : tensor<1x6x5x8xf32>
  %ks = mapsto.mul %k3, %half : tensor<1x6x5x8xf32>
  %2 = mapsto.matmul %qs, %ks {transposed} : (tensor<1x6x5x8xf32>, tensor<1x6x5x8xf32>) -> tensor<1x6x5x5xf32>
  %3 = mapsto.add %2, %mask : tensor<1x6x5x5xf32>
  %4 = mapsto.softmax %3 {axis = 3 : i64} : (tensor<1x6x5x5xf32>) -> tensor<1x6x5x5xf32>
  %5 = mapsto.matmul %4, %v3 : (tensor<1x6x5x5xf32>, tensor<1x6x5x8xf32>) -> tensor<1x6x5x8xf32>
  return %5 : tensor<1x6x5x8xf32>
}

// -----

// A softmax that was taken apart, on heads that are merged with the batch; a
// table that is added stays, and where -1e9 may remove every key so does that.
// CHECK-LABEL: func.func @main
// CHECK: mapsto.attention queries(%arg0 : tensor<2x3x5x8xf32>) keys(%arg1 : tensor<2x3x7x8xf32>) value(%arg2 : tensor<2x3x7x8xf32>)
// CHECK-SAME: score {
// CHECK-NEXT: } modify {
// CHECK-NEXT: ^bb0(%[[S:.*]]: tensor<f32>, %[[B:.*]]: tensor<i64>, %[[H:.*]]: tensor<i64>, %[[I:.*]]: tensor<i64>, %[[J:.*]]: tensor<i64>):
// CHECK: mapsto.take %arg3, %[[B]]
// CHECK: mapsto.select %{{.*}}, %[[S]]
// CHECK: } mask {
// CHECK-NEXT: }
func.func @main(%q: tensor<2x3x5x8xf32>, %k: tensor<2x3x7x8xf32>, %v: tensor<2x3x7x8xf32>, %pad: tensor<2x7xi1>) -> tensor<6x5x8xf32> {
  %q1 = mapsto.reshape %q : tensor<2x3x5x8xf32> to tensor<6x5x8xf32>
  %k1 = mapsto.reshape %k : tensor<2x3x7x8xf32> to tensor<6x7x8xf32>
  %v1 = mapsto.reshape %v : tensor<2x3x7x8xf32> to tensor<6x7x8xf32>
  %c = mapsto.constant dense<-1.0e9> : tensor<f32>
  %low = mapsto.broadcast %c : tensor<f32> to tensor<2x3x5x7xf32>
  %p1 = mapsto.reshape %pad : tensor<2x7xi1> to tensor<2x1x1x7xi1>
  %p2 = mapsto.broadcast %p1 : tensor<2x1x1x7xi1> to tensor<2x3x5x7xi1>
  %0 = mapsto.matmul %q1, %k1 {transposed} : (tensor<6x5x8xf32>, tensor<6x7x8xf32>) -> tensor<6x5x7xf32>
  %1 = mapsto.reshape %0 : tensor<6x5x7xf32> to tensor<2x3x5x7xf32>
  %2 = mapsto.select %p2, %1, %low : tensor<2x3x5x7xi1>, tensor<2x3x5x7xf32>
  %3 = mapsto.reduce max %2 {axes = array<i64: 3>} : (tensor<2x3x5x7xf32>) -> tensor<2x3x5xf32>
  %4 = mapsto.reshape %3 : tensor<2x3x5xf32> to tensor<2x3x5x1xf32>
  %5 = mapsto.broadcast %4 : tensor<2x3x5x1xf32> to tensor<2x3x5x7xf32>
  %6 = mapsto.sub %2, %5 : tensor<2x3x5x7xf32>
  %7 = mapsto.exp %6 : tensor<2x3x5x7xf32>
  %8 = mapsto.reduce sum %7 {axes = array<i64: 3>} : (tensor<2x3x5x7xf32>) -> tensor<2x3x5xf32>
  %9 = mapsto.reshape %8 : tensor<2x3x5xf32> to tensor<2x3x5x1xf32>
  %10 = mapsto.broadcast %9 : tensor<2x3x5x1xf32> to tensor<2x3x5x7xf32>
  %11 = mapsto.div %7, %10 : tensor<2x3x5x7xf32>
  %12 = mapsto.reshape %11 : tensor<2x3x5x7xf32> to tensor<6x5x7xf32>
  %13 = mapsto.matmul %12, %v1 : (tensor<6x5x7xf32>, tensor<6x7x8xf32>) -> tensor<6x5x8xf32>
  return %13 : tensor<6x5x8xf32>
}

// -----

// Weights that are asked for too are the op's second result.
// CHECK-LABEL: func.func @main
// CHECK-NEXT: %[[Y:.*]], %[[W:.*]] = mapsto.attention {{.*}} weights tensor<3x5x7xf32>
// CHECK: return %[[Y]], %[[W]]
func.func @main(%q: tensor<3x5x8xf32>, %k: tensor<3x7x8xf32>, %v: tensor<3x7x4xf32>) -> (tensor<3x5x4xf32>, tensor<3x5x7xf32>) {
  %0 = mapsto.matmul %q, %k {transposed} : (tensor<3x5x8xf32>, tensor<3x7x8xf32>) -> tensor<3x5x7xf32>
  %1 = mapsto.softmax %0 {axis = 2 : i64} : (tensor<3x5x7xf32>) -> tensor<3x5x7xf32>
  %2 = mapsto.matmul %1, %v : (tensor<3x5x7xf32>, tensor<3x7x4xf32>) -> tensor<3x5x4xf32>
  return %2, %1 : tensor<3x5x4xf32>, tensor<3x5x7xf32>
}

// -----

// Scores that are an output as well have to be stored anyway.
// CHECK: module attributes {mapsto.remarks = ["{{.*}} looks like attention and stays apart: its scores are used elsewhere too"]}
// CHECK-NOT: mapsto.attention
func.func @main(%q: tensor<3x5x8xf32>, %k: tensor<3x7x8xf32>, %v: tensor<3x7x4xf32>) -> (tensor<3x5x4xf32>, tensor<3x5x7xf32>) {
  %0 = mapsto.matmul %q, %k {transposed} : (tensor<3x5x8xf32>, tensor<3x7x8xf32>) -> tensor<3x5x7xf32>
  %1 = mapsto.softmax %0 {axis = 2 : i64} : (tensor<3x5x7xf32>) -> tensor<3x5x7xf32>
  %2 = mapsto.matmul %1, %v : (tensor<3x5x7xf32>, tensor<3x7x4xf32>) -> tensor<3x5x4xf32>
  return %2, %0 : tensor<3x5x4xf32>, tensor<3x5x7xf32>
}

// -----

// Two layers with a softmax between them are no attention.
// CHECK-LABEL: func.func @main
// CHECK-NOT: mapsto.attention
func.func @main(%x: tensor<5x8xf32>) -> tensor<5x4xf32> {
  %w1 = mapsto.weight "w1" : tensor<8x7xf32>
  %w2 = mapsto.weight "w2" : tensor<7x4xf32>
  %0 = mapsto.matmul %x, %w1 : (tensor<5x8xf32>, tensor<8x7xf32>) -> tensor<5x7xf32>
  %1 = mapsto.softmax %0 {axis = 1 : i64} : (tensor<5x7xf32>) -> tensor<5x7xf32>
  %2 = mapsto.matmul %1, %w2 : (tensor<5x7xf32>, tensor<7x4xf32>) -> tensor<5x4xf32>
  return %2 : tensor<5x4xf32>
}
