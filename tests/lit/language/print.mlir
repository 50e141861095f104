// From a graph alone: what was nested or one form in a source is so again, and names come from the nodes, without the
// path that all of them share. Parameters are in the order in which they are used.
// RUN: mapsto import %s | FileCheck %s --match-full-lines --strict-whitespace
// RUN: mapsto import %s -o %t.mto
// RUN: mapsto fmt --check %t.mto
// RUN: mapsto inspect %t.mto --phase graph | FileCheck %s --check-prefix=AGAIN

//      CHECK:model Printed {
// CHECK-NEXT:  param fc_weight: f32[4, 6] = "model.fc.weight"
// CHECK-NEXT:  param fc_Add_weight: f32[4] = "onnx::Add_7"
//      CHECK:    /// `input.1`
// CHECK-NEXT:    input_1: f32[B, T, 6],
// CHECK-NEXT:    size: i64[T],
// A form of several ops, and functions that are called.
//      CHECK:    y = relu(linear(input_1, fc_weight, fc_Add_weight)[:, :-1]) * 0.5
// CHECK-NEXT:    last = input_1[:, -1]
// CHECK-NEXT:    sum = mean(input_1, axis = 1, keepdims = true)
// Literals and sizes take their type from what they meet, or say it.
// CHECK-NEXT:    at = where(size < T, -3, i64(T) * -3)
// Carried names change all at once.
// CHECK-NEXT:    (numbers, again) = repeat(3, s = zeros[B], s_1 = full[B](1.0)) {
// CHECK-NEXT:      (s, s_1) = (s_1, s + s_1)
// CHECK-NEXT:    }
// CHECK-NEXT:    table = f16({{\[\[}}1.0, 0.099975586], [inf, -3.0]])

// AGAIN: func.func @main(%{{.*}}: tensor<?x?x6xf32, #mapsto.dims<"B", "T", "6">>

#bt6 = #mapsto.dims<"B", "T", "6">
module attributes {mapsto.model = "printed"} {
  func.func @main(%x: tensor<?x?x6xf32, #bt6> {mapsto.name = "input.1"}, %n: tensor<?xi64, #mapsto.dims<"T">> {mapsto.name = "size"})
      -> (tensor<?x?x4xf32, #mapsto.dims<"B", "T - 1", "4">> {mapsto.name = "y"},
          tensor<?x6xf32, #mapsto.dims<"B", "6">> {mapsto.name = "last"},
          tensor<?x1x6xf32, #mapsto.dims<"B", "1", "6">> {mapsto.name = "sum"},
          tensor<?xi64, #mapsto.dims<"T">> {mapsto.name = "at"},
          tensor<2x2xf16> {mapsto.name = "table"},
          tensor<?xf32, #mapsto.dims<"B">> {mapsto.name = "numbers"},
          tensor<?xf32, #mapsto.dims<"B">> {mapsto.name = "again"}) {
    %b = mapsto.weight "onnx::Add_7" : tensor<4xf32>
    %w = mapsto.weight "model.fc.weight" : tensor<4x6xf32>
    %product = mapsto.matmul %x, %w {transposed} : (tensor<?x?x6xf32, #bt6>, tensor<4x6xf32>) -> tensor<?x?x4xf32, #mapsto.dims<"B", "T", "4">> loc("/model/fc/MatMul")
    %bias = mapsto.broadcast %b : tensor<4xf32> to tensor<?x?x4xf32, #mapsto.dims<"B", "T", "4">>
    %sum = mapsto.add %product, %bias : tensor<?x?x4xf32, #mapsto.dims<"B", "T", "4">> loc("/model/fc/Add")
    %part = mapsto.slice %sum {starts = #mapsto.dims<"0", "0", "0">, sizes = #mapsto.dims<"B", "T - 1", "4">, steps = array<i64: 1, 1, 1>} : (tensor<?x?x4xf32, #mapsto.dims<"B", "T", "4">>) -> tensor<?x?x4xf32, #mapsto.dims<"B", "T - 1", "4">>
    %c0 = mapsto.constant dense<0.0> : tensor<f32>
    %zeros = mapsto.broadcast %c0 : tensor<f32> to tensor<?x?x4xf32, #mapsto.dims<"B", "T - 1", "4">>
    %relu = mapsto.max %part, %zeros : tensor<?x?x4xf32, #mapsto.dims<"B", "T - 1", "4">>
    %half = mapsto.constant dense<0.5> : tensor<f32>
    %halves = mapsto.broadcast %half : tensor<f32> to tensor<?x?x4xf32, #mapsto.dims<"B", "T - 1", "4">>
    %y = mapsto.mul %relu, %halves : tensor<?x?x4xf32, #mapsto.dims<"B", "T - 1", "4">>

    %end = mapsto.slice %x {starts = #mapsto.dims<"0", "T - 1", "0">, sizes = #mapsto.dims<"B", "1", "6">, steps = array<i64: 1, 1, 1>} : (tensor<?x?x6xf32, #bt6>) -> tensor<?x1x6xf32, #mapsto.dims<"B", "1", "6">>
    %last = mapsto.reshape %end : tensor<?x1x6xf32, #mapsto.dims<"B", "1", "6">> to tensor<?x6xf32, #mapsto.dims<"B", "6">>

    %all = mapsto.reduce sum %x {axes = array<i64: 1>} : (tensor<?x?x6xf32, #bt6>) -> tensor<?x6xf32, #mapsto.dims<"B", "6">> loc("/model/pool/ReduceMean")
    %kept = mapsto.reshape %all : tensor<?x6xf32, #mapsto.dims<"B", "6">> to tensor<?x1x6xf32, #mapsto.dims<"B", "1", "6">>
    %steps = mapsto.size "T" : tensor<i64>
    %count = mapsto.cast %steps : tensor<i64> to tensor<f32>
    %counts = mapsto.broadcast %count : tensor<f32> to tensor<?x1x6xf32, #mapsto.dims<"B", "1", "6">>
    %mean = mapsto.div %kept, %counts : tensor<?x1x6xf32, #mapsto.dims<"B", "1", "6">>

    %sizes = mapsto.broadcast %steps : tensor<i64> to tensor<?xi64, #mapsto.dims<"T">>
    %small = mapsto.compare lt %n, %sizes : tensor<?xi64, #mapsto.dims<"T">>
    %c3 = mapsto.constant dense<-3> : tensor<i64>
    %threes = mapsto.broadcast %c3 : tensor<i64> to tensor<?xi64, #mapsto.dims<"T">>
    %twice = mapsto.mul %sizes, %threes : tensor<?xi64, #mapsto.dims<"T">>
    %at = mapsto.select %small, %threes, %twice : tensor<?xi1, #mapsto.dims<"T">>, tensor<?xi64, #mapsto.dims<"T">>

    %table = mapsto.constant dense<[[1.0, 0.1], [0x7C00, -3.0]]> : tensor<2x2xf16>

    %none = mapsto.broadcast %c0 : tensor<f32> to tensor<?xf32, #mapsto.dims<"B">>
    %c1 = mapsto.constant dense<1.0> : tensor<f32>
    %one = mapsto.broadcast %c1 : tensor<f32> to tensor<?xf32, #mapsto.dims<"B">>
    %numbers:2 = mapsto.repeat init(%none, %one : tensor<?xf32, #mapsto.dims<"B">>, tensor<?xf32, #mapsto.dims<"B">>) attributes {axis = 1 : i64, count = "3"} -> (tensor<?xf32, #mapsto.dims<"B">>, tensor<?xf32, #mapsto.dims<"B">>) {
      ^bb0(%i: tensor<i64>, %f: tensor<?xf32, #mapsto.dims<"B">>, %g: tensor<?xf32, #mapsto.dims<"B">>):
        %h = mapsto.add %f, %g : tensor<?xf32, #mapsto.dims<"B">>
        %stop = mapsto.constant dense<false> : tensor<i1>
        mapsto.yield %stop, %g, %h : tensor<i1>, tensor<?xf32, #mapsto.dims<"B">>, tensor<?xf32, #mapsto.dims<"B">>
    }
    return %y, %last, %mean, %at, %table, %numbers#0, %numbers#1 : tensor<?x?x4xf32, #mapsto.dims<"B", "T - 1", "4">>, tensor<?x6xf32, #mapsto.dims<"B", "6">>, tensor<?x1x6xf32, #mapsto.dims<"B", "1", "6">>, tensor<?xi64, #mapsto.dims<"T">>, tensor<2x2xf16>, tensor<?xf32, #mapsto.dims<"B">>, tensor<?xf32, #mapsto.dims<"B">>
  }
}
