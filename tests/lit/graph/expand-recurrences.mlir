// RUN: mapsto-opt %s -split-input-file -mapsto-expand-recurrences | FileCheck %s

// The input's projection is one matmul over the whole sequence; both biases are
// added there. The loop has the recurrent matmul and the activation.
// CHECK-LABEL: func.func @main
// CHECK: %[[M:.*]] = mapsto.matmul %arg0, %{{.*}} {transposed} {{.*}} -> tensor<?x?x4xf32, #mapsto.dims<"B", "T", "4">>
// CHECK: %[[A:.*]] = mapsto.add %[[M]],
// CHECK: %[[P:.*]] = mapsto.add %[[A]],
// CHECK: mapsto.scan init(%{{.*}} : {{.*}}) over(%[[P]] : {{.*}}) attributes {axis = 1 : i64, count = "T"}
// CHECK-NEXT: ^bb0(%[[H:.*]]: {{.*}}, %[[X:.*]]: {{.*}}):
// CHECK-NEXT: %[[R:.*]] = mapsto.matmul %[[H]],
// CHECK-NEXT: %[[S:.*]] = mapsto.add %[[X]], %[[R]]
// CHECK-NEXT: %[[N:.*]] = mapsto.tanh %[[S]]
// CHECK-NEXT: mapsto.yield %[[N]], %[[N]]
func.func @main(%x: tensor<?x?x3xf32, #mapsto.dims<"B", "T", "3">>) -> tensor<?x?x4xf32, #mapsto.dims<"B", "T", "4">> {
  %w_ih = mapsto.weight "w_ih" : tensor<4x3xf32>
  %w_hh = mapsto.weight "w_hh" : tensor<4x4xf32>
  %b_ih = mapsto.weight "b_ih" : tensor<4xf32>
  %b_hh = mapsto.weight "b_hh" : tensor<4xf32>
  %out, %hn = mapsto.rnn %x, %w_ih, %w_hh bias_ih(%b_ih) bias_hh(%b_hh) {axis = 1 : i64} : (tensor<?x?x3xf32, #mapsto.dims<"B", "T", "3">>, tensor<4x3xf32>, tensor<4x4xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<?x?x4xf32, #mapsto.dims<"B", "T", "4">>, tensor<?x4xf32, #mapsto.dims<"B", "4">>)
  return %out : tensor<?x?x4xf32, #mapsto.dims<"B", "T", "4">>
}

// -----

// Direction, lengths and the initial states pass through.
// CHECK-LABEL: func.func @main
// CHECK: mapsto.scan init(%arg1, %arg2 : {{.*}}) over(%{{.*}} : {{.*}}) lengths(%arg3 : tensor<2xi64>) attributes {axis = 0 : i64, count = "5", reverse}
// CHECK-COUNT-3: mapsto.sigmoid
// CHECK-NOT: mapsto.lstm
func.func @main(%x: tensor<5x2x3xf32>, %h0: tensor<2x4xf32>, %c0: tensor<2x4xf32>, %n: tensor<2xi64>) -> tensor<5x2x4xf32> {
  %w_ih = mapsto.weight "w_ih" : tensor<16x3xf32>
  %w_hh = mapsto.weight "w_hh" : tensor<16x4xf32>
  %out, %hn, %cn = mapsto.lstm %x, %w_ih, %w_hh h0(%h0) c0(%c0) lengths(%n) {axis = 0 : i64, reverse} : (tensor<5x2x3xf32>, tensor<16x3xf32>, tensor<16x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>, tensor<2xi64>) -> (tensor<5x2x4xf32>, tensor<2x4xf32>, tensor<2x4xf32>)
  return %out : tensor<5x2x4xf32>
}

// -----

// The recurrent weight is read gate by gate; with the reset gate before the
// matmul, the candidate's waits for it.
// CHECK-LABEL: func.func @main
// CHECK-DAG: %[[R:.*]] = mapsto.weight "w_hh" {row_start = 0 : i64} : tensor<4x4xf32>
// CHECK-DAG: %[[Z:.*]] = mapsto.weight "w_hh" {row_start = 4 : i64} : tensor<4x4xf32>
// CHECK-DAG: %[[N:.*]] = mapsto.weight "w_hh" {row_start = 8 : i64} : tensor<4x4xf32>
// CHECK: mapsto.scan
// CHECK-NEXT: ^bb0(%[[H:.*]]: {{.*}}, %[[X:.*]]: {{.*}}):
// CHECK-DAG: mapsto.matmul %[[H]], %[[R]]
// CHECK-DAG: mapsto.matmul %[[H]], %[[Z]]
// CHECK: %[[RH:.*]] = mapsto.mul %{{.*}}, %[[H]]
// CHECK: mapsto.matmul %[[RH]], %[[N]]
func.func @main(%x: tensor<5x2x3xf32>) -> tensor<5x2x4xf32> {
  %w_ih = mapsto.weight "w_ih" : tensor<12x3xf32>
  %w_hh = mapsto.weight "w_hh" : tensor<12x4xf32>
  %out, %hn = mapsto.gru %x, %w_ih, %w_hh {axis = 0 : i64, reset_before} : (tensor<5x2x3xf32>, tensor<12x3xf32>, tensor<12x4xf32>) -> (tensor<5x2x4xf32>, tensor<2x4xf32>)
  return %out : tensor<5x2x4xf32>
}
