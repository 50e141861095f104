// What the language has no words for: the log-sum-exp of an attention, several
// features of a query, outputs of a repeat along its second axis, more kinds of
// running reductions.
// Sizes: B=1,L=130,S=300;B=2,L=1,S=513;B=3,L=5,S=0
#BL6 = #mapsto.dims<"B", "L", "6">
#BS6 = #mapsto.dims<"B", "S", "6">
#BS3 = #mapsto.dims<"B", "S", "3">
#BL3 = #mapsto.dims<"B", "L", "3">
#BLS = #mapsto.dims<"B", "L", "S">
#BL = #mapsto.dims<"B", "L">
#BR = #mapsto.dims<"B", "4", "L", "6">
module attributes {mapsto.model = "Forms"} {
  func.func @main(%q: tensor<?x?x6xf32, #BL6> {mapsto.name = "q"}, %k: tensor<?x?x6xf32, #BS6> {mapsto.name = "k"}, %v: tensor<?x?x3xf32, #BS3> {mapsto.name = "v"}, %q2: tensor<?x?x3xf32, #BL3> {mapsto.name = "q2"})
      -> (tensor<?x?x3xf32, #BL3> {mapsto.name = "a"}, tensor<?x?x?xf32, #BLS> {mapsto.name = "w"}, tensor<?x?xf32, #BL> {mapsto.name = "lse"},
          tensor<?x?x3xf32, #BL3> {mapsto.name = "c"}, tensor<?x?xf32, #BL> {mapsto.name = "lse2"}, tensor<?x4x?x6xf32, #BR> {mapsto.name = "r"},
          tensor<?x?x6xf32, #BL6> {mapsto.name = "m"}) {
    %a, %w, %lse = mapsto.attention queries(%q : tensor<?x?x6xf32, #BL6>) keys(%k : tensor<?x?x6xf32, #BS6>) value(%v : tensor<?x?x3xf32, #BS3>) attributes {scale = 2.0 : f64} -> tensor<?x?x3xf32, #BL3> weights tensor<?x?x?xf32, #BLS> log_sum_exp tensor<?x?xf32, #BL> score {
    } modify {
    } mask {
    ^bb0(%b: tensor<i64>, %i: tensor<i64>, %j: tensor<i64>):
      %keep = mapsto.compare lt %j, %i : tensor<i64>
      mapsto.yield %keep : tensor<i1>
    }
    %c, %lse2 = mapsto.attention queries(%q, %q2 : tensor<?x?x6xf32, #BL6>, tensor<?x?x3xf32, #BL3>) keys(%k, %v : tensor<?x?x6xf32, #BS6>, tensor<?x?x3xf32, #BS3>) value(%v : tensor<?x?x3xf32, #BS3>) -> tensor<?x?x3xf32, #BL3> log_sum_exp tensor<?x?xf32, #BL> score {
    ^bb0(%x: tensor<6xf32>, %x2: tensor<3xf32>, %y: tensor<6xf32>, %y2: tensor<3xf32>):
      %d = mapsto.sub %x, %y : tensor<6xf32>
      %e = mapsto.abs %d : tensor<6xf32>
      %s = mapsto.reduce sum %e {axes = array<i64: 0>} : (tensor<6xf32>) -> tensor<f32>
      %f = mapsto.mul %x2, %y2 : tensor<3xf32>
      %t = mapsto.reduce max %f {axes = array<i64: 0>} : (tensor<3xf32>) -> tensor<f32>
      %u = mapsto.sub %t, %s : tensor<f32>
      mapsto.yield %u : tensor<f32>
    } modify {
    } mask {
    }
    %last, %r = mapsto.repeat init(%q : tensor<?x?x6xf32, #BL6>) attributes {axis = 1 : i64, count = "4"} -> (tensor<?x?x6xf32, #BL6>, tensor<?x4x?x6xf32, #BR>) {
    ^bb0(%n: tensor<i64>, %s: tensor<?x?x6xf32, #BL6>):
      %two = mapsto.constant dense<2> : tensor<i64>
      %stop = mapsto.compare ge %n, %two : tensor<i64>
      %next = mapsto.tanh %s : tensor<?x?x6xf32, #BL6>
      mapsto.yield %stop, %next, %s : tensor<i1>, tensor<?x?x6xf32, #BL6>, tensor<?x?x6xf32, #BL6>
    }
    %m = mapsto.cumulative min %last {axis = 1 : i64, exclusive, reverse} : (tensor<?x?x6xf32, #BL6>) -> tensor<?x?x6xf32, #BL6>
    return %a, %w, %lse, %c, %lse2, %r, %m : tensor<?x?x3xf32, #BL3>, tensor<?x?x?xf32, #BLS>, tensor<?x?xf32, #BL>, tensor<?x?x3xf32, #BL3>, tensor<?x?xf32, #BL>, tensor<?x4x?x6xf32, #BR>, tensor<?x?x6xf32, #BL6>
  }
}
