// RUN: mapsto-opt --split-input-file --mapsto-expand-convolutions %s | FileCheck %s

// Places that follow each other are the columns of a product, a copy of x for each tap.
// CHECK-LABEL: func @main
func.func @main(%x: tensor<2x16x?xf32, #mapsto.dims<"2", "16", "T">>, %w: tensor<8x16x3xf32>) -> tensor<2x8x?xf32, #mapsto.dims<"2", "8", "T">> {
  // CHECK: mapsto.pad
  // CHECK-COUNT-3: mapsto.slice
  // CHECK: mapsto.concat
  // CHECK: mapsto.matmul {{.*}} : (tensor<2x8x48xf32>, tensor<2x48x?xf32, {{.*}}>)
  // CHECK-NOT: conv1d
  %y = mapsto.conv1d %x, %w {stride = 1, pad_low = 1, pad_high = 1, dilation = 1, groups = 1} : (tensor<2x16x?xf32, #mapsto.dims<"2", "16", "T">>, tensor<8x16x3xf32>) -> tensor<2x8x?xf32, #mapsto.dims<"2", "8", "T">>
  return %y : tensor<2x8x?xf32, #mapsto.dims<"2", "8", "T">>
}

// -----

// Where the window moves by more, or there are few places, they are the rows.
// CHECK-LABEL: func @main
func.func @main(%x: tensor<1x1x640xf32>, %w: tensor<258x1x256xf32>) -> tensor<1x258x4xf32> {
  // CHECK-NOT: mapsto.pad
  // CHECK: mapsto.take {{.*}} {axis = 2 : i64}
  // CHECK: mapsto.matmul {{.*}} {transposed} : (tensor<4x256xf32>, tensor<258x256xf32>)
  // CHECK: mapsto.transpose
  %y = mapsto.conv1d %x, %w {stride = 128, pad_low = 0, pad_high = 0, dilation = 1, groups = 1} : (tensor<1x1x640xf32>, tensor<258x1x256xf32>) -> tensor<1x258x4xf32>
  return %y : tensor<1x258x4xf32>
}

// -----

// Groups are a batch of products.
// CHECK-LABEL: func @main
func.func @main(%x: tensor<1x32x10xf32>, %w: tensor<16x16x3xf32>) -> tensor<1x16x4xf32> {
  // CHECK: mapsto.matmul {{.*}} : (tensor<2x4x48xf32>, tensor<2x8x48xf32>)
  %y = mapsto.conv1d %x, %w {stride = 2, pad_low = 0, pad_high = 0, dilation = 1, groups = 2} : (tensor<1x32x10xf32>, tensor<16x16x3xf32>) -> tensor<1x16x4xf32>
  return %y : tensor<1x16x4xf32>
}

// -----

// A depthwise one stays as it is.
// CHECK-LABEL: func @main
func.func @main(%x: tensor<1x32x10xf32>, %w: tensor<32x1x3xf32>) -> tensor<1x32x8xf32> {
  // CHECK: mapsto.conv1d
  %y = mapsto.conv1d %x, %w {stride = 1, pad_low = 0, pad_high = 0, dilation = 1, groups = 32} : (tensor<1x32x10xf32>, tensor<32x1x3xf32>) -> tensor<1x32x8xf32>
  return %y : tensor<1x32x8xf32>
}

// -----

// The adjoint: a product with all taps, then a sum of as many blocks as a window has strides.
// CHECK-LABEL: func @main
func.func @main(%x: tensor<1x16x10xf32>, %w: tensor<16x8x4xf32>) -> tensor<1x8x20xf32> {
  // CHECK: mapsto.matmul {{.*}} : (tensor<10x16xf32>, tensor<16x32xf32>)
  // CHECK-COUNT-2: mapsto.pad
  // CHECK: mapsto.add
  // CHECK-NOT: mapsto.add
  // CHECK: mapsto.slice {{.*}} -> tensor<1x8x20xf32>
  %y = mapsto.conv_transpose1d %x, %w {stride = 2, padding = 1, output_padding = 0, dilation = 1, groups = 1} : (tensor<1x16x10xf32>, tensor<16x8x4xf32>) -> tensor<1x8x20xf32>
  return %y : tensor<1x8x20xf32>
}
