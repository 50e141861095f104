// What attention, loops and kernels ask of their regions.
// RUN: mapsto-opt %s -split-input-file -verify-diagnostics

func.func @attention(%q: tensor<3x4xf32>, %k: tensor<5x8xf32>, %v: tensor<5x2xf32>) {
  // expected-error @+1 {{the dot product of queries of 4 and keys of 8 features; they must be equal}}
  %0 = mapsto.attention queries(%q : tensor<3x4xf32>) keys(%k : tensor<5x8xf32>) value(%v : tensor<5x2xf32>)
      -> tensor<3x2xf32> score {} modify {} mask {}
  return
}

// -----

func.func @attention(%q: tensor<3x4xf32>, %k: tensor<5x4xf32>, %v: tensor<6x2xf32>) {
  // expected-error @+1 {{value [6, 2] and keys [5, 4] must agree on all but the last axis}}
  %0 = mapsto.attention queries(%q : tensor<3x4xf32>) keys(%k : tensor<5x4xf32>) value(%v : tensor<6x2xf32>)
      -> tensor<3x2xf32> score {} modify {} mask {}
  return
}

// -----

func.func @attention(%q: tensor<6x3x4xf32>, %k: tensor<4x5x4xf32>) {
  // expected-error @+1 {{batch axes of queries [6, 3, 4] and keys [4, 5, 4] must agree, or the last be a multiple}}
  %0 = mapsto.attention queries(%q : tensor<6x3x4xf32>) keys(%k : tensor<4x5x4xf32>) value(%k : tensor<4x5x4xf32>)
      -> tensor<6x3x4xf32> score {} modify {} mask {}
  return
}

// -----

func.func @attention(%q: tensor<3x4xf32>, %k: tensor<5x4xf32>) {
  // expected-error @+1 {{weights is [5, 3], expected [3, 5]}}
  %0:2 = mapsto.attention queries(%q : tensor<3x4xf32>) keys(%k : tensor<5x4xf32>) value(%k : tensor<5x4xf32>)
      -> tensor<3x4xf32> weights tensor<5x3xf32> score {} modify {} mask {}
  return
}

// -----

func.func @attention(%q: tensor<3x4xf32>, %k: tensor<5x4xf32>) {
  // expected-error @+1 {{log_sum_exp belongs to softmax, not to hard}}
  %0:2 = mapsto.attention queries(%q : tensor<3x4xf32>) keys(%k : tensor<5x4xf32>) value(%k : tensor<5x4xf32>)
      attributes {normalizer = #mapsto.normalizer<hard>} -> tensor<3x4xf32> log_sum_exp tensor<3xf32> score {} modify {} mask {}
  return
}

// -----

func.func @attention(%q: tensor<3x4xf32>, %k: tensor<5x4xf32>) {
  // expected-error @+1 {{region 'score' must take one row of each query and key feature}}
  %0 = mapsto.attention queries(%q : tensor<3x4xf32>) keys(%k : tensor<5x4xf32>) value(%k : tensor<5x4xf32>) -> tensor<3x4xf32>
  score {
  ^bb0(%a: tensor<4xf32>):
    %s = mapsto.reduce sum %a {axes = array<i64: 0>} : (tensor<4xf32>) -> tensor<f32>
    mapsto.yield %s : tensor<f32>
  } modify {} mask {}
  return
}

// -----

func.func @attention(%q: tensor<3x4xf32>, %k: tensor<5x4xf32>) {
  // expected-error @+1 {{region 'modify' must take a float score and 2 i64 indices, all scalars}}
  %0 = mapsto.attention queries(%q : tensor<3x4xf32>) keys(%k : tensor<5x4xf32>) value(%k : tensor<5x4xf32>) -> tensor<3x4xf32>
  score {} modify {
  ^bb0(%s: tensor<f32>):
    mapsto.yield %s : tensor<f32>
  } mask {}
  return
}

// -----

func.func @attention(%q: tensor<3x4xf32>, %k: tensor<5x4xf32>) {
  // expected-error @+1 {{region 'mask' must yield one boolean scalar}}
  %0 = mapsto.attention queries(%q : tensor<3x4xf32>) keys(%k : tensor<5x4xf32>) value(%k : tensor<5x4xf32>) -> tensor<3x4xf32>
  score {} modify {} mask {
  ^bb0(%i: tensor<i64>, %j: tensor<i64>):
    mapsto.yield %i : tensor<i64>
  }
  return
}

// -----

func.func @scan(%x: tensor<2x5xf32>, %s: tensor<2xf32>) {
  // expected-error @+1 {{a sequence is [2, 5], expected T steps on axis 1}}
  %0 = mapsto.scan init(%s : tensor<2xf32>) over(%x : tensor<2x5xf32>) attributes {axis = 1 : i64, count = "T"} -> (tensor<2xf32>) {
  ^bb0(%h: tensor<2xf32>, %t: tensor<2xf32>):
    mapsto.yield %h : tensor<2xf32>
  }
  return
}

// -----

func.func @scan(%x: tensor<2x5xf32>, %s: tensor<2xf32>) {
  // expected-error @+1 {{the body must take every state, then one step of every sequence}}
  %0 = mapsto.scan init(%s : tensor<2xf32>) over(%x : tensor<2x5xf32>) attributes {axis = 1 : i64, count = "5"} -> (tensor<2xf32>) {
  ^bb0(%h: tensor<2xf32>):
    mapsto.yield %h : tensor<2xf32>
  }
  return
}

// -----

func.func @scan(%x: tensor<2x5xf32>, %s: tensor<2xf32>) {
  // expected-error @+1 {{output 0 is 'tensor<2x4xf32>', expected 'tensor<2xf32>' stacked 5 times along axis 1}}
  %0:2 = mapsto.scan init(%s : tensor<2xf32>) over(%x : tensor<2x5xf32>) attributes {axis = 1 : i64, count = "5"}
      -> (tensor<2xf32>, tensor<2x4xf32>) {
  ^bb0(%h: tensor<2xf32>, %t: tensor<2xf32>):
    mapsto.yield %h, %t : tensor<2xf32>, tensor<2xf32>
  }
  return
}

// -----

func.func @scan(%s: tensor<2xf32>, %n: tensor<3xi64>) {
  // expected-error @+1 {{with lengths [3], states and outputs start with that axis; found [2]}}
  %0 = mapsto.scan init(%s : tensor<2xf32>) over() lengths(%n : tensor<3xi64>) attributes {axis = 0 : i64, count = "5"} -> (tensor<2xf32>) {
  ^bb0(%h: tensor<2xf32>):
    mapsto.yield %h : tensor<2xf32>
  }
  return
}

// -----

func.func @repeat(%s: tensor<2xf32>) {
  // expected-error @+1 {{the body must yield first a boolean scalar: whether to stop after this step}}
  %0 = mapsto.repeat init(%s : tensor<2xf32>) attributes {axis = 0 : i64, count = "5"} -> (tensor<2xf32>) {
  ^bb0(%i: tensor<i64>, %h: tensor<2xf32>):
    mapsto.yield %h : tensor<2xf32>
  }
  return
}

// -----

func.func @repeat(%s: tensor<2xf32>) {
  // expected-error @+1 {{the body must take the step's number (i64 scalar), then every state}}
  %0 = mapsto.repeat init(%s : tensor<2xf32>) attributes {axis = 0 : i64, count = "5"} -> (tensor<2xf32>) {
  ^bb0(%h: tensor<2xf32>):
    %stop = mapsto.constant dense<false> : tensor<i1>
    mapsto.yield %stop, %h : tensor<i1>, tensor<2xf32>
  }
  return
}

// -----

// expected-error @+1 {{the body yields other types than the kernel's}}
mapsto.kernel @k map : (tensor<2xf32>) -> tensor<3xf32> {
^bb0(%x: tensor<2xf32>):
  mapsto.yield %x : tensor<2xf32>
}

// -----

mapsto.kernel @k map : (tensor<2xf32>) -> tensor<2xf32> {
^bb0(%x: tensor<2xf32>):
  mapsto.yield %x : tensor<2xf32>
}
func.func @launch(%x: tensor<3xf32>) {
  // expected-error @+1 {{does not fit the type of kernel 'k'}}
  %0 = mapsto.launch @k(%x) : (tensor<3xf32>) -> tensor<2xf32>
  return
}

// -----

mapsto.kernel @k map : (tensor<2xf32>) -> tensor<2xf32> {
^bb0(%x: tensor<2xf32>):
  mapsto.yield %x : tensor<2xf32>
}
func.func @launch(%x: tensor<2xf32>) {
  // expected-error @+1 {{has no launch beside it}}
  %0 = mapsto.launch @k(%x) {beside} : (tensor<2xf32>) -> tensor<2xf32>
  return
}

// -----

mapsto.kernel @k map : (tensor<2xf32>) -> tensor<2xf32> {
^bb0(%x: tensor<2xf32>):
  mapsto.yield %x : tensor<2xf32>
}
func.func @launch(%x: tensor<2xf32>) {
  %0 = mapsto.launch @k(%x) : (tensor<2xf32>) -> tensor<2xf32>
  %1 = mapsto.launch @k(%x) {beside} : (tensor<2xf32>) -> tensor<2xf32>
  %2 = mapsto.reshape %0 : tensor<2xf32> to tensor<1x2xf32>
  %3 = mapsto.reshape %2 : tensor<1x2xf32> to tensor<2xf32>
  // expected-error @+1 {{reads a result of a launch beside it}}
  %4 = mapsto.launch @k(%3) {beside} : (tensor<2xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @launch(%x: tensor<3xf32>) {
  // expected-error @+1 {{no kernel named 'missing'}}
  %0 = mapsto.launch @missing(%x) : (tensor<3xf32>) -> tensor<2xf32>
  return
}
