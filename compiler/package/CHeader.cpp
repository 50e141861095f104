#include "compiler/package/CHeader.h"
#include "compiler/cpu/ObjectCode.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace mapsto;

namespace {

struct Dtype {
  const char *name;
  const char *c;
};

Dtype describe(mapsto_dtype dtype) {
  switch (dtype) {
  case MAPSTO_F32:
    return {"f32", "float"};
  case MAPSTO_F16:
    return {"f16", "uint16_t"};
  case MAPSTO_BF16:
    return {"bf16", "uint16_t"};
  case MAPSTO_F64:
    return {"f64", "double"};
  case MAPSTO_I32:
    return {"i32", "int32_t"};
  case MAPSTO_I64:
    return {"i64", "int64_t"};
  case MAPSTO_I8:
    return {"i8", "int8_t"};
  case MAPSTO_U8:
    return {"u8", "uint8_t"};
  case MAPSTO_BOOL:
    return {"bool", "uint8_t"};
  case MAPSTO_I16:
    return {"i16", "int16_t"};
  case MAPSTO_U16:
    return {"u16", "uint16_t"};
  case MAPSTO_U32:
    return {"u32", "uint32_t"};
  case MAPSTO_U64:
    return {"u64", "uint64_t"};
  }
  return {"?", "void"};
}

std::string shape(const ManifestModel &manifest, const ManifestTensor &tensor) {
  std::string text = describe(tensor.dtype).name;
  text += "[";
  for (size_t i = 0; i != tensor.dims.size(); ++i)
    text += (i ? ", " : "") + manifest.exprs[tensor.dims[i]].text;
  return text + "]";
}

/// A tensor's or size's name as a C identifier that is not a keyword.
std::string identifier(llvm::StringRef name) {
  static const char *const keywords[] = {
      "auto",     "break",    "case",     "char",   "const",   "continue",
      "default",  "do",       "double",   "else",   "enum",    "extern",
      "float",    "for",      "goto",     "if",     "inline",  "int",
      "long",     "register", "restrict", "return", "short",   "signed",
      "sizeof",   "static",   "struct",   "switch", "typedef", "union",
      "unsigned", "void",     "volatile", "while",  "session"};
  std::string text;
  for (char c : name)
    text += llvm::isAlnum(c) ? c : '_';
  if (text.empty() || llvm::isDigit(text[0]) ||
      llvm::is_contained(keywords, text))
    text += '_';
  return text;
}

void writeDoc(llvm::raw_ostream &out, llvm::StringRef doc) {
  llvm::SmallVector<llvm::StringRef> lines;
  doc.split(lines, '\n');
  for (llvm::StringRef line : lines) {
    std::string text = line.trim().str();
    for (size_t at; (at = text.find("*/")) != std::string::npos;)
      text.replace(at, 2, "* /");
    out << " *" << (text.empty() ? "" : " ") << text << "\n";
  }
}

} // namespace

std::string mapsto::makeCHeader(const ManifestModel &manifest) {
  std::string name = identifierOf(manifest.name);
  std::string guard = llvm::StringRef(name).upper() + "_H";
  std::string text;
  llvm::raw_string_ostream out(text);

  out << "/* " << manifest.name
      << ", compiled by Mapsto. Generated: changes will be lost.\n";
  if (!manifest.doc.empty()) {
    out << " *\n";
    writeDoc(out, manifest.doc);
  }
  out << " */\n#ifndef " << guard << "\n#define " << guard
      << "\n\n#include <stdint.h>\n\n#ifdef __cplusplus\nextern \"C\" {\n"
      << "#endif\n\n";

  out << "/* One caller's memory and state. Several sessions may run at once, "
         "each in one\n * thread at a time. It is also the `mapsto_session` of "
         "mapsto.h. */\n"
      << "typedef struct mapsto_session " << name << "_session;\n\n"
      << "/* A new session, or null: mapsto_last_error() then says why. */\n"
      << name << "_session *" << name << "_open(void);\n";
  if (!manifest.weightsFile.empty())
    out << "/* The same, with the weights file `" << manifest.weightsFile
        << "` looked for in `directory`. */\n"
        << name << "_session *" << name << "_open_at(const char *directory);\n";
  out << "const char *mapsto_last_error(void);\n\n";

  out << "/* Runs the model once. Tensors are dense and row-major.\n *\n";
  auto describeAll = [&](const std::vector<ManifestTensor> &tensors,
                         const char *role) {
    for (const ManifestTensor &tensor : tensors) {
      out << " *   " << identifier(tensor.name) << ": " << role << ", "
          << shape(manifest, tensor);
      if (!tensor.doc.empty())
        out << ". " << llvm::StringRef(tensor.doc).trim().split('\n').first;
      out << "\n";
    }
  };
  describeAll(manifest.inputs, "input");
  for (const ManifestSymbol &symbol : manifest.symbols)
    out << " *   " << identifier(symbol.name) << ": a size\n";
  describeAll(manifest.outputs, "output");
  for (const ManifestTensor &state : manifest.states)
    out << " *\n * The session keeps `" << state.name
        << "`: " << shape(manifest, state) << ", zero at first.\n";
  out << " *\n * Returns 0, or a mapsto_status: " << name
      << "_error() then says what is wrong. */\n"
      << "int " << name << "_run(" << name << "_session *session";
  for (const ManifestTensor &input : manifest.inputs)
    out << ", const " << describe(input.dtype).c << " *"
        << identifier(input.name);
  for (const ManifestSymbol &symbol : manifest.symbols)
    out << ", int64_t " << identifier(symbol.name);
  for (const ManifestTensor &output : manifest.outputs)
    out << ", " << describe(output.dtype).c << " *" << identifier(output.name);
  out << ");\n\n";

  out << "/* State back to zero. */\nint " << name << "_reset(" << name
      << "_session *session);\n"
      << "/* Text of the last failure; \"\" before one. */\nconst char *"
      << name << "_error(const " << name << "_session *session);\n"
      << "void " << name << "_close(" << name << "_session *session);\n\n"
      << "#ifdef __cplusplus\n}\n#endif\n\n#endif\n";
  return text;
}
