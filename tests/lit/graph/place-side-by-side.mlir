// RUN: mapsto-opt %s -split-input-file -mapsto-place-side-by-side | FileCheck %s

// Two layers of two directions: what the second direction needs is done before
// the first; what needs a direction stays behind both.
// CHECK-LABEL: func.func @main
// CHECK: %[[P:.*]] = mapsto.launch @map(%arg0)
// CHECK: %[[Q:.*]] = mapsto.launch @map(%arg0)
// CHECK: %[[A:.*]] = mapsto.launch @scan(%[[P]]) :
// CHECK: %[[B:.*]] = mapsto.launch @scan(%[[Q]]) {beside}
// CHECK: %[[AB:.*]] = mapsto.launch @both(%[[A]], %[[B]])
// CHECK: %[[R:.*]] = mapsto.launch @map(%[[AB]])
// CHECK: %[[S:.*]] = mapsto.launch @map(%[[AB]])
// CHECK: mapsto.launch @scan(%[[R]]) :
// CHECK: mapsto.launch @scan(%[[S]]) {beside}
// CHECK: mapsto.launch @both
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %p = mapsto.launch @map(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %a = mapsto.launch @scan(%p) : (tensor<4xf32>) -> tensor<4xf32>
  %q = mapsto.launch @map(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %b = mapsto.launch @scan(%q) : (tensor<4xf32>) -> tensor<4xf32>
  %ab = mapsto.launch @both(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %r = mapsto.launch @map(%ab) : (tensor<4xf32>) -> tensor<4xf32>
  %c = mapsto.launch @scan(%r) : (tensor<4xf32>) -> tensor<4xf32>
  %s = mapsto.launch @map(%ab) : (tensor<4xf32>) -> tensor<4xf32>
  %d = mapsto.launch @scan(%s) : (tensor<4xf32>) -> tensor<4xf32>
  %cd = mapsto.launch @both(%c, %d) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %cd : tensor<4xf32>
}
mapsto.kernel @map map : (tensor<4xf32>) -> tensor<4xf32> {
^bb0(%x: tensor<4xf32>):
  mapsto.yield %x : tensor<4xf32>
}
mapsto.kernel @scan scan : (tensor<4xf32>) -> tensor<4xf32> {
^bb0(%x: tensor<4xf32>):
  mapsto.yield %x : tensor<4xf32>
}
mapsto.kernel @both map : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32> {
^bb0(%x: tensor<4xf32>, %y: tensor<4xf32>):
  mapsto.yield %x : tensor<4xf32>
}

// -----

// A chain has nothing to run beside itself; two towers have, step by step, also
// where a view lies between; and no more than four run at once.
// CHECK-LABEL: func.func @main
// CHECK: %[[A0:.*]] = mapsto.launch @scan(%arg0) :
// CHECK: %[[B0:.*]] = mapsto.launch @scan(%arg1) {beside}
// CHECK: mapsto.launch @scan(%{{.*}}) {beside}
// CHECK: mapsto.launch @scan(%{{.*}}) {beside}
// CHECK: %[[V:.*]] = mapsto.reshape %[[B0]]
// CHECK: %[[W:.*]] = mapsto.reshape %[[V]]
// CHECK: mapsto.launch @scan(%[[A0]]) :
// CHECK: mapsto.launch @scan(%[[W]]) {beside}
// CHECK: mapsto.launch @scan(%arg0) {beside}
func.func @main(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %a0 = mapsto.launch @scan(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %a1 = mapsto.launch @scan(%a0) : (tensor<4xf32>) -> tensor<4xf32>
  %b0 = mapsto.launch @scan(%y) : (tensor<4xf32>) -> tensor<4xf32>
  %v = mapsto.reshape %b0 : tensor<4xf32> to tensor<2x2xf32>
  %w = mapsto.reshape %v : tensor<2x2xf32> to tensor<4xf32>
  %b1 = mapsto.launch @scan(%w) : (tensor<4xf32>) -> tensor<4xf32>
  %c = mapsto.launch @scan(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %d = mapsto.launch @scan(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %e = mapsto.launch @scan(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %a1, %b1, %c, %d, %e : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}
mapsto.kernel @scan scan : (tensor<4xf32>) -> tensor<4xf32> {
^bb0(%x: tensor<4xf32>):
  mapsto.yield %x : tensor<4xf32>
}

// -----

// An update keeps its place, as its operand's last reader, and so does what
// needs it; in a loop as outside of it.
// CHECK-LABEL: func.func @main
// CHECK: mapsto.repeat
// CHECK: mapsto.launch @scan
// CHECK-NOT: beside
// CHECK: mapsto.launch @update
// CHECK-NOT: beside
// CHECK: mapsto.launch @scan
// CHECK: mapsto.launch @scan(%{{.*}}) {beside}
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %never = mapsto.constant dense<false> : tensor<i1>
  %0:2 = mapsto.repeat init(%x, %x : tensor<4xf32>, tensor<4xf32>) attributes {axis = 0 : i64, count = "4"} -> (tensor<4xf32>, tensor<4xf32>) {
  ^bb0(%i: tensor<i64>, %s: tensor<4xf32>, %t: tensor<4xf32>):
    %a = mapsto.launch @scan(%s) : (tensor<4xf32>) -> tensor<4xf32>
    %u = mapsto.launch @update(%s) : (tensor<4xf32>) -> tensor<4xf32>
    %b = mapsto.launch @scan(%u) : (tensor<4xf32>) -> tensor<4xf32>
    %c = mapsto.launch @scan(%u) : (tensor<4xf32>) -> tensor<4xf32>
    %d = mapsto.launch @both(%a, %b, %c) : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    mapsto.yield %never, %u, %d : tensor<i1>, tensor<4xf32>, tensor<4xf32>
  }
  return %0#0, %0#1 : tensor<4xf32>, tensor<4xf32>
}
mapsto.kernel @scan scan : (tensor<4xf32>) -> tensor<4xf32> {
^bb0(%x: tensor<4xf32>):
  mapsto.yield %x : tensor<4xf32>
}
mapsto.kernel @update update attributes {mapsto.in_place} : (tensor<4xf32>) -> tensor<4xf32> {
^bb0(%x: tensor<4xf32>):
  mapsto.yield %x : tensor<4xf32>
}
mapsto.kernel @both map : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32> {
^bb0(%x: tensor<4xf32>, %y: tensor<4xf32>, %z: tensor<4xf32>):
  mapsto.yield %x : tensor<4xf32>
}
