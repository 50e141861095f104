// RUN: mapsto-opt %s -mapsto-annotate-costs | FileCheck %s

#TK = #mapsto.dims<"T", "8">
#TN = #mapsto.dims<"T", "4">

// A matmul is two operations a multiply-add, its epilogue one an element; every
// input and result is moved once.
// CHECK: mapsto.kernel @fc matmul attributes {mapsto.bytes = "48*T + 128", mapsto.flops = "68*T"}
mapsto.kernel @fc matmul : (tensor<?x8xf32, #TK>, tensor<8x4xf32>) -> tensor<?x4xf32, #TN> {
^bb0(%x: tensor<?x8xf32, #TK>, %w: tensor<8x4xf32>):
  %0 = mapsto.matmul %x, %w : (tensor<?x8xf32, #TK>, tensor<8x4xf32>) -> tensor<?x4xf32, #TN>
  %1 = mapsto.tanh %0 : tensor<?x4xf32, #TN>
  mapsto.yield %1 : tensor<?x4xf32, #TN>
}

// A recurrence costs its body once a step.
// CHECK: mapsto.kernel @loop scan attributes {mapsto.bytes = "32", mapsto.flops = "4*T"}
mapsto.kernel @loop scan : (tensor<4xf32>) -> tensor<4xf32> {
^bb0(%s0: tensor<4xf32>):
  %0 = mapsto.scan init(%s0 : tensor<4xf32>) over() attributes {axis = 0 : i64, count = "T"} -> (tensor<4xf32>) {
  ^bb0(%s: tensor<4xf32>):
    %1 = mapsto.tanh %s : tensor<4xf32>
    mapsto.yield %1 : tensor<4xf32>
  }
  mapsto.yield %0 : tensor<4xf32>
}

// An attention, for each pair of a query and a key: the score, the softmax and
// the weighted sum.
// CHECK: mapsto.kernel @attend attention attributes {{{.*}}mapsto.flops = "17*L*S"}
mapsto.kernel @attend attention : (tensor<?x4xf32, #mapsto.dims<"L", "4">>, tensor<?x4xf32, #mapsto.dims<"S", "4">>, tensor<?x2xf32, #mapsto.dims<"S", "2">>) -> tensor<?x2xf32, #mapsto.dims<"L", "2">> {
^bb0(%q: tensor<?x4xf32, #mapsto.dims<"L", "4">>, %k: tensor<?x4xf32, #mapsto.dims<"S", "4">>, %v: tensor<?x2xf32, #mapsto.dims<"S", "2">>):
  %0 = mapsto.attention queries(%q : tensor<?x4xf32, #mapsto.dims<"L", "4">>) keys(%k : tensor<?x4xf32, #mapsto.dims<"S", "4">>) value(%v : tensor<?x2xf32, #mapsto.dims<"S", "2">>) -> tensor<?x2xf32, #mapsto.dims<"L", "2">> score {
  } modify {
  } mask {
  }
  mapsto.yield %0 : tensor<?x2xf32, #mapsto.dims<"L", "2">>
}

// Pairs that a mask of positions leaves out are not counted: of 7 queries and 3
// keys, 6 pairs are at most one step apart, no key ahead of its query.
// CHECK: mapsto.kernel @window attention attributes {{{.*}}mapsto.flops = "1200"}
mapsto.kernel @window attention : (tensor<8x7x4xf32>, tensor<8x3x4xf32>) -> tensor<8x7x4xf32> {
^bb0(%q: tensor<8x7x4xf32>, %k: tensor<8x3x4xf32>):
  %w = mapsto.constant dense<2> : tensor<i64>
  %0 = mapsto.attention queries(%q : tensor<8x7x4xf32>) keys(%k : tensor<8x3x4xf32>) value(%k : tensor<8x3x4xf32>) -> tensor<8x7x4xf32> score {
  } modify {
  } mask {
  ^bb0(%h: tensor<i64>, %i: tensor<i64>, %j: tensor<i64>):
    %1 = mapsto.compare le %j, %i : tensor<i64>
    %2 = mapsto.sub %i, %j : tensor<i64>
    %3 = mapsto.compare lt %2, %w : tensor<i64>
    %4 = mapsto.and %1, %3 : tensor<i1>
    mapsto.yield %4 : tensor<i1>
  }
  mapsto.yield %0 : tensor<8x7x4xf32>
}
