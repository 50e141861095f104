//===- ShaderText.cpp - A kernel's function as a whole shader -------------===//

#include "compiler/vulkan/ShaderText.h"

#include "compiler/KernelAttributes.h"
#include "compiler/vulkan/GlslPrinter.h"
#include "dialect/MapstoDialect.h"
#include "dialect/SourcePlace.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace mapsto {

/// "matmul: packed_matmul, add, tanh", in lines that start with //.
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

std::string shaderText(func::FuncOp kernel) {
  std::string code;
  llvm::raw_string_ostream body(code);
  GlslPrinter printer(body);

  unsigned buffers = kernel->getAttrOfType<IntegerAttr>(kBuffersAttr).getInt();
  auto kind = kernel->getAttrOfType<KernelKindAttr>(kKernelKindAttr);
  (void)kind;
  std::string declarations;
  llvm::raw_string_ostream head(declarations);
  llvm::DenseSet<Value> written;
  kernel.walk(
      [&](memref::StoreOp store) { written.insert(store.getMemRef()); });
  for (unsigned i = 0; i != buffers; ++i) {
    Value buffer = kernel.getArgument(i);
    bool isWritten = written.contains(buffer);
    std::string name = printer.freshName("b" + std::to_string(i));
    printer.name(buffer, name);
    Type element = cast<MemRefType>(buffer.getType()).getElementType();
    head << "layout(std430, set = 0, binding = " << i << ") "
         << (isWritten ? "" : "readonly ") << "buffer Buffer" << i << " { "
         << printer.typeName(element) << " " << name << "[]; };\n";
  }
  auto symbols = kernel->getParentOfType<ModuleOp>()->getAttrOfType<ArrayAttr>(
      kSymbolsAttr);
  std::string sizes;
  if (symbols)
    for (auto [i, symbol] :
         llvm::enumerate(symbols.getAsValueRange<StringAttr>())) {
      Value size = kernel.getArgument(buffers + i);
      if (size.use_empty())
        continue;
      std::string name = printer.freshName(symbol);
      printer.name(size, name);
      sizes += "  int " + name + ";\n";
    }
  printer.printBody(kernel.getBody().front(), 1);

  std::string text;
  llvm::raw_string_ostream os(text);
  os << "#version 450\n";
  printHeader(os, kernel);
  os << "\n";
  for (llvm::StringRef extension : printer.extensions.keys())
    os << "#extension " << extension << " : require\n";
  if (!printer.extensions.empty())
    os << "\n";
  os << "layout(local_size_x_id = 0) in;\n" << declarations;
  if (!sizes.empty())
    os << "layout(push_constant) uniform Sizes {\n" << sizes << "};\n";
  for (const std::string &helper : printer.helpers)
    os << helper;
  os << "\nvoid main() {\n" << code << "}\n";
  return text;
}

} // namespace mapsto
