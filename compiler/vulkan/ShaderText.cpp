//===- ShaderText.cpp - A kernel's function as a whole shader -------------===//

#include "compiler/vulkan/ShaderText.h"

#include "compiler/KernelAttributes.h"
#include "compiler/vulkan/GlslPrinter.h"
#include "compiler/vulkan/Matrices.h"
#include "compiler/vulkan/Tiling.h"
#include "dialect/MapstoDialect.h"
#include "dialect/SourcePlace.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using mapsto::runtime::ShaderFeature;

namespace mapsto {

/// "// softmax: sub, exp, div", then where that stands.
static void printHeader(llvm::raw_ostream &os, func::FuncOp kernel) {
  os << "// " << kernel.getSymName();
  if (auto fused = kernel->getAttrOfType<ArrayAttr>(kFusedAttr)) {
    os << ": ";
    llvm::interleaveComma(fused.getAsValueRange<StringAttr>(), os);
  }
  os << "\n";
  if (std::string place = placeOf(kernel.getLoc()); !place.empty())
    os << "// " << place << "\n";
}

/// What a device must have for the shader to use an extension of GLSL.
static uint32_t featuresOf(StringRef extension) {
  auto bits = [](ShaderFeature x, ShaderFeature y) {
    return uint32_t(x) | uint32_t(y);
  };
  return llvm::StringSwitch<uint32_t>(extension)
      .Case("GL_EXT_shader_explicit_arithmetic_types_int64",
            uint32_t(ShaderFeature::Int64))
      .Case("GL_EXT_shader_explicit_arithmetic_types_float64",
            uint32_t(ShaderFeature::Float64))
      .Case("GL_EXT_shader_explicit_arithmetic_types_int16",
            bits(ShaderFeature::Int16, ShaderFeature::Storage16))
      .Case("GL_EXT_shader_explicit_arithmetic_types_int8",
            bits(ShaderFeature::Int8, ShaderFeature::Storage8))
      .Case("GL_EXT_shader_explicit_arithmetic_types_float16",
            bits(ShaderFeature::Float16, ShaderFeature::Storage16))
      .Case("GL_KHR_shader_subgroup_arithmetic",
            uint32_t(ShaderFeature::Subgroups))
      .Case("GL_NV_cooperative_matrix", uint32_t(ShaderFeature::Matrices))
      .Default(0);
}

/// Where errors are reported; the first one stays.
static constexpr StringLiteral kReport = R"(
// Tells the host of a bad index or divisor: which place, what it met, the bound.
void report(int64_t place, int64_t value, int64_t bound) {
  if (atomicCompSwap(reported, 0, 1) != 0)
    return;
  error_place = int(place);
  error_kernel = kernel;
  error_value = value;
  error_bound = bound;
}
)";

/// Specialisation constants, with the values of the first tiling.
static void printConstants(func::FuncOp kernel, ArrayRef<Tiling> tilings,
                           GlslPrinter &printer, llvm::raw_ostream &os) {
  auto constants = constantsOf(kernel);
  for (auto [i, constant] : llvm::enumerate(constants)) {
    if (constant.value.use_empty())
      continue;
    std::string name = printer.freshName(constant.name);
    printer.name(constant.value, name);
    os << "layout(constant_id = " << kFirstConstant + i << ") const int "
       << name << " = " << tilings.front().constants[i] << ";\n";
  }
}

namespace {

/// What a variant of a shader has of a device.
struct Uses {
  bool subgroups = false, matrices = false;
};

} // namespace

/// The variants that a kernel's shader has, the one that asks for least last.
static SmallVector<Uses> variantsOf(func::FuncOp kernel) {
  SmallVector<Uses> variants;
  if (ifMatrices(kernel))
    variants.push_back({.matrices = true});
  bool combines = false;
  kernel->walk([&](gpu::AllReduceOp op) {
    combines |= combinesBySubgroups(op.getType());
  });
  // A shader in tiles has other things to do, and is too large to have twice.
  if (combines && !kernel->hasAttr(kTilingsAttr))
    variants.push_back({.subgroups = true});
  variants.push_back({});
  return variants;
}

/// Prints `kernel`, what is left of `whole` in a variant; the signature is that
/// of the whole.
static ShaderVariant print(func::FuncOp whole, func::FuncOp kernel, Uses uses,
                           Shader &shader) {
  ShaderVariant variant;
  variant.tilings =
      tilingsOf(whole, uses.matrices ? kMatrixTilingsAttr : kTilingsAttr);
  if (uses.matrices && emulatesMatrices()) {
    variant.tilings = emulated(variant.tilings);
    if (variant.tilings.empty()) {
      whole.emitError("MAPSTO_EMULATE_MATRICES is no size of matrices that "
                      "shaders are written for");
      variant.complete = false;
      return variant;
    }
  }
  auto isUsed = [&](unsigned argument) {
    return !whole.getArgument(argument).use_empty();
  };
  std::string code;
  llvm::raw_string_ostream body(code);
  GlslPrinter printer(body);
  printer.subgroups = uses.subgroups;
  printer.emulatesMatrices = emulatesMatrices();

  unsigned buffers = kernel->getAttrOfType<IntegerAttr>(kBuffersAttr).getInt();
  auto bufferNames = kernel->getAttrOfType<ArrayAttr>(kBufferNamesAttr);
  llvm::DenseSet<Value> written;
  kernel.walk(
      [&](memref::StoreOp store) { written.insert(store.getMemRef()); });
  std::string declarations;
  llvm::raw_string_ostream head(declarations);
  for (unsigned i = 0; i != buffers; ++i) {
    Value buffer = kernel.getArgument(i);
    std::string name = printer.freshName(
        cast<StringAttr>(bufferNames.getValue()[i]).getValue());
    printer.name(buffer, name);
    Type element = cast<MemRefType>(buffer.getType()).getElementType();
    head << "layout(std430, set = 0, binding = " << i << ") "
         << (written.contains(buffer) ? "" : "readonly ") << "buffer Buffer"
         << i << " { " << printer.typeName(element) << " " << name
         << "[]; };\n";
  }
  shader.bindingCount = buffers;

  auto symbols = kernel->getParentOfType<ModuleOp>()->getAttrOfType<ArrayAttr>(
      kSymbolsAttr);
  std::string sizes;
  shader.pushes.clear();
  if (symbols)
    for (auto [i, symbol] :
         llvm::enumerate(symbols.getAsValueRange<StringAttr>())) {
      if (!isUsed(buffers + i))
        continue;
      Value size = kernel.getArgument(buffers + i);
      std::string name = printer.freshName(symbol);
      printer.name(size, name);
      sizes += "  int " + name + ";\n";
      shader.pushes.push_back(symbol.str());
    }
  unsigned next = buffers + (symbols ? symbols.size() : 0);
  bool hasScratchSize = isUsed(next);
  Value scratchSize = kernel.getArgument(next++);
  bool reports = isUsed(next);
  Value errors = kernel.getArgument(next++);
  // One buffer, seen as several types.
  for (Value scratch : kernel.getArguments().drop_front(next)) {
    auto memory = dyn_cast<MemRefType>(scratch.getType());
    if (!memory) // a specialisation constant
      continue;
    Type element = memory.getElementType();
    std::string type = printer.typeName(element);
    std::string name = printer.freshName("scratch_" + type);
    printer.name(scratch, name);
    printer.sharesBuffers = true;
    head << "layout(std430, set = 0, binding = " << shader.bindingCount
         << ") coherent buffer Scratch_" << type << " { " << type << " " << name
         << "[]; };\n";
  }
  if (printer.sharesBuffers) {
    ++shader.bindingCount;
    shader.scratch = kernel->getAttrOfType<StringAttr>(kScratchAttr).str();
    if (auto cleared = kernel->getAttrOfType<IntegerAttr>(kClearedAttr))
      shader.clearedBytes = cleared.getInt();
    if (hasScratchSize) {
      printer.name(scratchSize, printer.freshName("scratchSize"));
      sizes += "  int " + printer.nameOf(scratchSize) + "; // of a workgroup\n";
      shader.pushes.push_back(shader.scratch);
    }
  }
  if (reports) {
    printer.reportTo(errors);
    printer.typeName(IntegerType::get(kernel.getContext(), 64));
    head << "layout(std430, set = 0, binding = " << shader.bindingCount++
         << ") buffer Errors {\n"
            "  int error_place;\n"
            "  uint error_kernel;\n"
            "  int64_t error_value, error_bound;\n"
            "  uint reported;\n"
            "};\n"
            "layout(constant_id = 1) const uint kernel = 0;\n";
  }
  printConstants(kernel, variant.tilings, printer, head);
  printer.printBody(kernel.getBody().front(), 1);

  llvm::raw_string_ostream os(variant.text);
  os << "#version 450\n";
  printHeader(os, kernel);
  if (uses.matrices)
    os << "// For devices with cooperative matrices.\n";
  if (uses.subgroups)
    os << "// For devices with arithmetic over subgroups.\n";
  os << "\n";
  SmallVector<StringRef> extensions(printer.extensions.keys());
  llvm::sort(extensions);
  for (StringRef extension : extensions) {
    os << "#extension " << extension << " : require\n";
    variant.features |= featuresOf(extension);
  }
  if (!extensions.empty())
    os << "\n";
  os << "layout(local_size_x_id = 0) in;\n" << declarations;
  if (!sizes.empty())
    os << "layout(push_constant) uniform Sizes {\n" << sizes << "};\n";
  if (reports)
    os << kReport;
  for (const std::string &helper : printer.helpers)
    os << helper;
  os << "\nvoid main() {\n" << code << "}\n";

  variant.complete = printer.complete;
  variant.sharedBytes = printer.sharedBytes;
  for (Type type : printer.sharedByInvocations)
    variant.sharedBytes +=
        std::max(type.getIntOrFloatBitWidth() / 8, 4u) *
        shader.workgroupSize.value_or(ManifestShader().workgroupSize);
  return variant;
}

/// What is left of a kernel with or without matrices, beside it in the module.
static func::FuncOp specialized(func::FuncOp kernel, bool matrices) {
  OpBuilder b(kernel);
  auto copy = cast<func::FuncOp>(b.clone(*kernel));
  Value condition = ifMatrices(copy);
  if (!condition)
    return copy;
  b.setInsertionPointToStart(&copy.front());
  condition.replaceAllUsesWith(arith::ConstantIntOp::create(
      b, kernel.getLoc(), /*value=*/matrices, /*width=*/1));
  RewritePatternSet patterns(b.getContext());
  scf::IfOp::getCanonicalizationPatterns(patterns, b.getContext());
  (void)applyPatternsGreedily(copy, std::move(patterns));
  return copy;
}

Shader printShader(func::FuncOp kernel) {
  Shader shader;
  shader.kernel = kernel.getSymName().str();
  auto text = [&](StringRef attribute) {
    return kernel->getAttrOfType<StringAttr>(attribute).getValue();
  };
  shader.items = text(kGridAttr).str();
  shader.dispatch = text(kDispatchAttr) == "invocations"
                        ? runtime::DispatchKind::Invocations
                        : runtime::DispatchKind::Workgroups;
  if (auto size = kernel->getAttrOfType<IntegerAttr>(kWorkgroupSizeAttr))
    shader.workgroupSize = size.getInt();
  for (Uses uses : variantsOf(kernel)) {
    func::FuncOp rest = specialized(kernel, uses.matrices);
    shader.variants.push_back(print(kernel, rest, uses, shader));
    rest.erase();
    if (!shader.variants.back().complete)
      break; // it has been reported
  }
  if (auto when = kernel->getAttrOfType<StringAttr>(kMatricesWhenAttr))
    shader.variants.front().when = when.str();
  if (auto operand = kernel->getAttrOfType<IntegerAttr>(kStartsFromAttr))
    shader.startsFrom = operand.getInt();
  if (auto sites = kernel->getAttrOfType<ArrayAttr>(kSitesAttr))
    for (StringRef site : sites.getAsValueRange<StringAttr>())
      shader.sites.push_back(site.str());
  return shader;
}

} // namespace mapsto
