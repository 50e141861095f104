// Literals are computed, and ops that change nothing go.
// RUN: mapsto-opt %s -split-input-file -canonicalize | FileCheck %s

// CHECK-LABEL: func.func @scalars
func.func @scalars() -> (tensor<f32>, tensor<i32>, tensor<i64>, tensor<i64>, tensor<i1>, tensor<f32>, tensor<i64>) {
  // CHECK-DAG: %[[A:.*]] = mapsto.constant dense<7.000000e+00> : tensor<f32>
  // CHECK-DAG: %[[B:.*]] = mapsto.constant dense<-2147483648> : tensor<i32>
  // CHECK-DAG: %[[C:.*]] = mapsto.constant dense<-4> : tensor<i64>
  // CHECK-DAG: %[[D:.*]] = mapsto.constant dense<1> : tensor<i64>
  // CHECK-DAG: %[[E:.*]] = mapsto.constant dense<true> : tensor<i1>
  // CHECK-DAG: %[[F:.*]] = mapsto.constant dense<0.761594176> : tensor<f32>
  // CHECK-DAG: %[[G:.*]] = mapsto.constant dense<12> : tensor<i64>
  // CHECK: return %[[A]], %[[B]], %[[C]], %[[D]], %[[E]], %[[F]], %[[G]]
  %three = mapsto.constant dense<3.0> : tensor<f32>
  %four = mapsto.constant dense<4.0> : tensor<f32>
  %0 = mapsto.add %three, %four : tensor<f32>
  %big = mapsto.constant dense<2147483647> : tensor<i32>
  %one = mapsto.constant dense<1> : tensor<i32>
  %1 = mapsto.add %big, %one : tensor<i32>
  %minus7 = mapsto.constant dense<-7> : tensor<i64>
  %two = mapsto.constant dense<2> : tensor<i64>
  %2 = mapsto.div %minus7, %two : tensor<i64>
  %3 = mapsto.mod %minus7, %two : tensor<i64>
  %4 = mapsto.compare lt %three, %four : tensor<f32>
  %unit = mapsto.constant dense<1.0> : tensor<f32>
  %5 = mapsto.tanh %unit : tensor<f32>
  %6 = mapsto.size "12" : tensor<i64>
  return %0, %1, %2, %3, %4, %5, %6 : tensor<f32>, tensor<i32>, tensor<i64>, tensor<i64>, tensor<i1>, tensor<f32>, tensor<i64>
}

// -----

// A division by zero is left for the run to report.
// CHECK-LABEL: func.func @division_by_zero
func.func @division_by_zero() -> tensor<i64> {
  // CHECK: mapsto.div
  %0 = mapsto.constant dense<0> : tensor<i64>
  %1 = mapsto.constant dense<5> : tensor<i64>
  %2 = mapsto.div %1, %0 : tensor<i64>
  return %2 : tensor<i64>
}

// -----

// CHECK-LABEL: func.func @tables
func.func @tables() -> (tensor<3x2xf32>, tensor<2xf32>, tensor<2x2xf32>, tensor<6xf32>) {
  // CHECK-DAG: mapsto.constant dense<{{\[\[}}1.000000e+00, 4.000000e+00], [2.000000e+00, 5.000000e+00], [3.000000e+00, 6.000000e+00]]> : tensor<3x2xf32>
  // CHECK-DAG: mapsto.constant dense<[6.000000e+00, 1.500000e+01]> : tensor<2xf32>
  // CHECK-DAG: mapsto.constant dense<{{\[\[}}1.000000e+00, 3.000000e+00], [4.000000e+00, 6.000000e+00]]> : tensor<2x2xf32>
  // CHECK-DAG: mapsto.constant dense<[1.000000e+00, 2.000000e+00, 3.000000e+00, 4.000000e+00, 5.000000e+00, 6.000000e+00]> : tensor<6xf32>
  %x = mapsto.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %0 = mapsto.transpose %x {permutation = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
  %1 = mapsto.reduce sum %x {axes = array<i64: 1>} : (tensor<2x3xf32>) -> tensor<2xf32>
  %2 = mapsto.slice %x {starts = #mapsto.dims<"0", "0">, sizes = #mapsto.dims<"2", "2">, steps = array<i64: 1, 2>} : (tensor<2x3xf32>) -> tensor<2x2xf32>
  %3 = mapsto.reshape %x : tensor<2x3xf32> to tensor<6xf32>
  return %0, %1, %2, %3 : tensor<3x2xf32>, tensor<2xf32>, tensor<2x2xf32>, tensor<6xf32>
}

// -----

#B = #mapsto.dims<"B">

// CHECK-LABEL: func.func @neutral
// CHECK-SAME: (%[[X:.*]]: tensor<?xf32
func.func @neutral(%x: tensor<?xf32, #B>) -> tensor<?xf32, #B> {
  // CHECK-NEXT: return %[[X]]
  %zero = mapsto.constant dense<0.0> : tensor<f32>
  %one = mapsto.constant dense<1.0> : tensor<f32>
  %z = mapsto.broadcast %zero : tensor<f32> to tensor<?xf32, #B>
  %o = mapsto.broadcast %one : tensor<f32> to tensor<?xf32, #B>
  %0 = mapsto.add %z, %x : tensor<?xf32, #B>
  %1 = mapsto.sub %0, %z : tensor<?xf32, #B>
  %2 = mapsto.mul %1, %o : tensor<?xf32, #B>
  %3 = mapsto.div %2, %o : tensor<?xf32, #B>
  %4 = mapsto.pow %3, %o : tensor<?xf32, #B>
  %5 = mapsto.max %4, %4 : tensor<?xf32, #B>
  %6 = mapsto.neg %5 : tensor<?xf32, #B>
  %7 = mapsto.neg %6 : tensor<?xf32, #B>
  %8 = mapsto.cast %7 : tensor<?xf32, #B> to tensor<?xf32, #B>
  %9 = mapsto.broadcast %8 : tensor<?xf32, #B> to tensor<?xf32, #B>
  %10 = mapsto.reshape %9 : tensor<?xf32, #B> to tensor<?xf32, #B>
  %11 = mapsto.transpose %10 {permutation = array<i64: 0>} : (tensor<?xf32, #B>) -> tensor<?xf32, #B>
  %12 = mapsto.slice %11 {starts = #mapsto.dims<"0">, sizes = #B, steps = array<i64: 1>} : (tensor<?xf32, #B>) -> tensor<?xf32, #B>
  %13 = mapsto.concat %12 {axis = 0 : i64} : (tensor<?xf32, #B>) -> tensor<?xf32, #B>
  %14 = mapsto.reduce sum %13 {axes = array<i64>} : (tensor<?xf32, #B>) -> tensor<?xf32, #B>
  return %14 : tensor<?xf32, #B>
}

// -----

// NaN and infinity times 0 are not 0; 1 - x is not x.
// CHECK-LABEL: func.func @not_neutral
func.func @not_neutral(%x: tensor<f32>, %i: tensor<i64>) -> (tensor<f32>, tensor<f32>, tensor<i64>) {
  // CHECK-DAG: %[[ZERO:.*]] = mapsto.constant dense<0> : tensor<i64>
  // CHECK-DAG: %[[M:.*]] = mapsto.mul
  // CHECK-DAG: %[[S:.*]] = mapsto.sub
  // CHECK: return %[[M]], %[[S]], %[[ZERO]]
  %zero = mapsto.constant dense<0.0> : tensor<f32>
  %none = mapsto.constant dense<0> : tensor<i64>
  %0 = mapsto.mul %x, %zero : tensor<f32>
  %1 = mapsto.sub %zero, %x : tensor<f32>
  %2 = mapsto.mul %i, %none : tensor<i64>
  return %0, %1, %2 : tensor<f32>, tensor<f32>, tensor<i64>
}

// -----

// Of whole numbers every bit is one of its own.
// CHECK-LABEL: func.func @bits
// CHECK-SAME: (%[[X:.*]]: tensor<i32>)
func.func @bits(%x: tensor<i32>) -> (tensor<i32>, tensor<i32>, tensor<i32>, tensor<i32>) {
  // CHECK-DAG: %[[ONE:.*]] = mapsto.constant dense<1> : tensor<i32>
  // CHECK-DAG: %[[BOTH:.*]] = mapsto.constant dense<8> : tensor<i32>
  // CHECK-DAG: %[[AND:.*]] = mapsto.and %[[X]], %[[ONE]]
  // CHECK: return %[[AND]], %[[X]], %[[X]], %[[BOTH]]
  %one = mapsto.constant dense<1> : tensor<i32>
  %all = mapsto.constant dense<-1> : tensor<i32>
  %none = mapsto.constant dense<0> : tensor<i32>
  %a = mapsto.constant dense<12> : tensor<i32>
  %b = mapsto.constant dense<10> : tensor<i32>
  %0 = mapsto.and %x, %one : tensor<i32>
  %1 = mapsto.and %x, %all : tensor<i32>
  %2 = mapsto.or %x, %none : tensor<i32>
  %3 = mapsto.and %a, %b : tensor<i32>
  return %0, %1, %2, %3 : tensor<i32>, tensor<i32>, tensor<i32>, tensor<i32>
}

// -----

// CHECK-LABEL: func.func @logic
// CHECK-SAME: (%[[P:.*]]: tensor<i1>, %[[X:.*]]: tensor<f32>, %[[Y:.*]]: tensor<f32>)
func.func @logic(%p: tensor<i1>, %x: tensor<f32>, %y: tensor<f32>) -> (tensor<i1>, tensor<i1>, tensor<f32>, tensor<f32>) {
  // CHECK: %[[F:.*]] = mapsto.constant dense<false> : tensor<i1>
  // CHECK-NEXT: return %[[P]], %[[F]], %[[Y]], %[[X]]
  %yes = mapsto.constant dense<true> : tensor<i1>
  %no = mapsto.constant dense<false> : tensor<i1>
  %0 = mapsto.and %p, %yes : tensor<i1>
  %1 = mapsto.or %0, %no : tensor<i1>
  %2 = mapsto.xor %1, %no : tensor<i1>
  %3 = mapsto.not %2 : tensor<i1>
  %4 = mapsto.not %3 : tensor<i1>
  %5 = mapsto.and %p, %no : tensor<i1>
  %6 = mapsto.select %no, %x, %y : tensor<i1>, tensor<f32>
  %7 = mapsto.select %p, %x, %x : tensor<i1>, tensor<f32>
  return %4, %5, %6, %7 : tensor<i1>, tensor<i1>, tensor<f32>, tensor<f32>
}
