// Integers that are kept and not computed with: read, written, moved, wrapped.
// Sizes: N=1,M=1;N=3,M=130;N=0,M=4
#NM = #mapsto.dims<"N", "M">
#MN = #mapsto.dims<"M", "N">
module attributes {mapsto.model = "Storage"} {
  func.func @main(%x: tensor<?x?xi64, #NM> {mapsto.name = "x"}, %b: tensor<?x?xui8, #NM> {mapsto.name = "b"}, %h: tensor<?x?xui16, #NM> {mapsto.name = "h"},
                  %w: tensor<?x?xui32, #NM> {mapsto.name = "w"}, %d: tensor<?x?xui64, #NM> {mapsto.name = "d"}, %s: tensor<?x?xi16, #NM> {mapsto.name = "s"})
      -> (tensor<?x?xui8, #NM> {mapsto.name = "o0"}, tensor<?x?xui16, #NM> {mapsto.name = "o1"}, tensor<?x?xui32, #NM> {mapsto.name = "o2"},
          tensor<?x?xui64, #NM> {mapsto.name = "o3"}, tensor<?x?xi16, #NM> {mapsto.name = "o4"}, tensor<?x?xi32, #NM> {mapsto.name = "o5"},
          tensor<?x?xi64, #NM> {mapsto.name = "o6"}, tensor<?x?xf32, #NM> {mapsto.name = "o7"}, tensor<?x?xf32, #NM> {mapsto.name = "o8"},
          tensor<?x?xi64, #NM> {mapsto.name = "o9"}, tensor<?x?xui8, #MN> {mapsto.name = "o10"}, tensor<?x?xi64, #NM> {mapsto.name = "o11"},
          tensor<?x?xui8, #NM> {mapsto.name = "o12"}) {
    // -99 to 51, and far outside of 16 bits.
    %fifty = mapsto.constant dense<50> : tensor<i64>
    %offset = mapsto.constant dense<-149> : tensor<i64>
    %large = mapsto.constant dense<12345678> : tensor<i64>
    %fifties = mapsto.broadcast %fifty : tensor<i64> to tensor<?x?xi64, #NM>
    %offsets = mapsto.broadcast %offset : tensor<i64> to tensor<?x?xi64, #NM>
    %larges = mapsto.broadcast %large : tensor<i64> to tensor<?x?xi64, #NM>
    %x50 = mapsto.mul %x, %fifties : tensor<?x?xi64, #NM>
    %y = mapsto.add %x50, %offsets : tensor<?x?xi64, #NM>
    %z = mapsto.mul %y, %larges : tensor<?x?xi64, #NM>
    %0 = mapsto.cast %y : tensor<?x?xi64, #NM> to tensor<?x?xui8, #NM>
    %1 = mapsto.cast %z : tensor<?x?xi64, #NM> to tensor<?x?xui16, #NM>
    %2 = mapsto.cast %z : tensor<?x?xi64, #NM> to tensor<?x?xui32, #NM>
    %3 = mapsto.cast %z : tensor<?x?xi64, #NM> to tensor<?x?xui64, #NM>
    %4 = mapsto.cast %z : tensor<?x?xi64, #NM> to tensor<?x?xi16, #NM>
    // Back from what wrapped.
    %5 = mapsto.cast %0 : tensor<?x?xui8, #NM> to tensor<?x?xi32, #NM>
    %h1 = mapsto.cast %1 : tensor<?x?xui16, #NM> to tensor<?x?xi64, #NM>
    %w1 = mapsto.cast %2 : tensor<?x?xui32, #NM> to tensor<?x?xi64, #NM>
    %s1 = mapsto.cast %4 : tensor<?x?xi16, #NM> to tensor<?x?xi64, #NM>
    %hw = mapsto.add %h1, %w1 : tensor<?x?xi64, #NM>
    %6 = mapsto.add %hw, %s1 : tensor<?x?xi64, #NM>
    %7 = mapsto.cast %1 : tensor<?x?xui16, #NM> to tensor<?x?xf32, #NM>
    %8 = mapsto.cast %3 : tensor<?x?xui64, #NM> to tensor<?x?xf32, #NM>
    // Inputs of all of them.
    %b1 = mapsto.cast %b : tensor<?x?xui8, #NM> to tensor<?x?xi64, #NM>
    %h2 = mapsto.cast %h : tensor<?x?xui16, #NM> to tensor<?x?xi64, #NM>
    %w2 = mapsto.cast %w : tensor<?x?xui32, #NM> to tensor<?x?xi64, #NM>
    %d2 = mapsto.cast %d : tensor<?x?xui64, #NM> to tensor<?x?xi64, #NM>
    %s2 = mapsto.cast %s : tensor<?x?xi16, #NM> to tensor<?x?xi64, #NM>
    %bh = mapsto.add %b1, %h2 : tensor<?x?xi64, #NM>
    %bhw = mapsto.add %bh, %w2 : tensor<?x?xi64, #NM>
    %bhwd = mapsto.add %bhw, %d2 : tensor<?x?xi64, #NM>
    %9 = mapsto.add %bhwd, %s2 : tensor<?x?xi64, #NM>
    %10 = mapsto.transpose %0 {permutation = array<i64: 1, 0>} : (tensor<?x?xui8, #NM>) -> tensor<?x?xui8, #MN>
    %table = mapsto.constant dense<[3, 200, 65535]> : tensor<3xui16>
    %wide = mapsto.cast %table : tensor<3xui16> to tensor<3xi64>
    %last = mapsto.slice %wide {starts = #mapsto.dims<"2">, sizes = #mapsto.dims<"1">, steps = array<i64: 1>} : (tensor<3xi64>) -> tensor<1xi64>
    %11 = mapsto.broadcast %last : tensor<1xi64> to tensor<?x?xi64, #NM>
    return %0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %b : tensor<?x?xui8, #NM>, tensor<?x?xui16, #NM>, tensor<?x?xui32, #NM>, tensor<?x?xui64, #NM>,
      tensor<?x?xi16, #NM>, tensor<?x?xi32, #NM>, tensor<?x?xi64, #NM>, tensor<?x?xf32, #NM>, tensor<?x?xf32, #NM>, tensor<?x?xi64, #NM>,
      tensor<?x?xui8, #MN>, tensor<?x?xi64, #NM>, tensor<?x?xui8, #NM>
  }
}
