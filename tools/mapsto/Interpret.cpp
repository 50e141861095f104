#include "tools/mapsto/Interpret.h"
#include "compiler/package/BuildManifest.h"
#include "dialect/MapstoDialect.h"

#include <cstdio>
#include <cstring>
#include <set>

using namespace mapsto;

namespace {

InterpretedModel *current = nullptr;

std::string attribute(mlir::Attribute value) {
  auto text = llvm::dyn_cast_or_null<mlir::StringAttr>(value);
  return text ? text.str() : "";
}

/// The manifest of a function that is one step.
class Signature {
public:
  Signature(mlir::ModuleOp module, mlir::func::FuncOp entry,
            const std::vector<ManifestSymbol> &symbols)
      : entry(entry), symbols(symbols) {
    model.name = attribute(module->getAttr(kModelAttr));
    model.doc = attribute(module->getAttr(kDocAttr));
    model.symbols = symbols;
  }

  ManifestModel build() {
    ManifestStep step;
    step.kernel = 0;
    for (unsigned i = 0; i != entry.getNumArguments(); ++i)
      step.buffers.push_back(addArgument(i));
    for (unsigned i = 0; i != entry.getNumResults(); ++i)
      step.buffers.push_back(addResult(i));
    ManifestKernel kernel;
    kernel.symbol = kernel.kind = "interpreter";
    kernel.argumentCount = entry.getNumArguments();
    kernel.resultCount = entry.getNumResults();
    kernel.grid = model.expr(1);
    kernel.cost = kernel.flops = kernel.bytes = model.expr(1);
    model.kernels.push_back(kernel);
    model.steps.push_back(step);
    computeLifetimes(model);
    return std::move(model);
  }

private:
  ManifestTensor describe(mlir::Type type, std::string name, std::string doc) {
    ManifestTensor tensor;
    tensor.name = std::move(name);
    tensor.doc = std::move(doc);
    tensor.dtype =
        dtypeOf(llvm::cast<mlir::RankedTensorType>(type).getElementType());
    for (const Dim &dim : dimsOf(type))
      tensor.dims.push_back(model.expr(manifestExpr(dim, symbols)));
    tensor.buffer = uint32_t(model.buffers.size());
    return tensor;
  }

  uint32_t addBuffer(mlir::Type type, runtime::BufferKind kind, uint32_t index,
                     std::string name) {
    ManifestBuffer buffer;
    buffer.name = std::move(name);
    buffer.kind = kind;
    buffer.index = index;
    auto element = llvm::cast<mlir::RankedTensorType>(type).getElementType();
    Dim bytes = numElements(dimsOf(type)) *
                Dim(int64_t(mapsto_dtype_size(dtypeOf(element))));
    buffer.size = model.expr(manifestExpr(bytes, symbols));
    model.buffers.push_back(std::move(buffer));
    return uint32_t(model.buffers.size() - 1);
  }

  uint32_t addArgument(unsigned i) {
    mlir::Type type = entry.getArgumentTypes()[i];
    std::string doc = attribute(entry.getArgAttr(i, kDocAttr));
    if (std::string state = attribute(entry.getArgAttr(i, kStateAttr));
        !state.empty()) {
      model.states.push_back(describe(type, state, doc));
      return addBuffer(type, runtime::BufferKind::State,
                       uint32_t(model.states.size() - 1), state);
    }
    std::string name = attribute(entry.getArgAttr(i, kNameAttr));
    model.inputs.push_back(describe(type, name, doc));
    return addBuffer(type, runtime::BufferKind::Input,
                     uint32_t(model.inputs.size() - 1), name);
  }

  uint32_t addResult(unsigned i) {
    mlir::Type type = entry.getResultTypes()[i];
    if (std::string state = attribute(entry.getResultAttr(i, kStateAttr));
        !state.empty()) {
      uint32_t buffer = addBuffer(type, runtime::BufferKind::Arena, 0, state);
      for (uint32_t s = 0; s != model.states.size(); ++s)
        if (model.states[s].name == state)
          model.writeBacks.emplace_back(s, buffer);
      return buffer;
    }
    std::string name = attribute(entry.getResultAttr(i, kNameAttr));
    model.outputs.push_back(
        describe(type, name, attribute(entry.getResultAttr(i, kDocAttr))));
    return addBuffer(type, runtime::BufferKind::Output,
                     uint32_t(model.outputs.size() - 1), name);
  }

  ManifestModel model;
  mlir::func::FuncOp entry;
  const std::vector<ManifestSymbol> &symbols;
};

} // namespace

Interpreter::WeightLookup mapsto::interpreterWeights(Model &model) {
  return [&model](llvm::StringRef name) -> mlir::FailureOr<Tensor> {
    std::optional<WeightView> view = model.weights.find(name);
    if (!view)
      return mlir::failure();
    mlir::MLIRContext *context = &model.context;
    mlir::Type type;
    switch (view->dtype) {
    case MAPSTO_F32:
      type = mlir::Float32Type::get(context);
      break;
    case MAPSTO_F16:
      type = mlir::Float16Type::get(context);
      break;
    case MAPSTO_BF16:
      type = mlir::BFloat16Type::get(context);
      break;
    case MAPSTO_F64:
      type = mlir::Float64Type::get(context);
      break;
    default: {
      bool isUnsigned = *mapsto_dtype_name(view->dtype) == 'u';
      type = mlir::IntegerType::get(
          context,
          view->dtype == MAPSTO_BOOL
              ? 1
              : 8 * unsigned(mapsto_dtype_size(view->dtype)),
          isUnsigned ? mlir::IntegerType::Unsigned
                     : mlir::IntegerType::Signless);
      break;
    }
    }
    return tensorFromBytes(type, view->shape, view->bytes);
  };
}

InterpretedModel::InterpretedModel(Model &model) : model(model) {
  entry = model.module->lookupSymbol<mlir::func::FuncOp>(kEntryName);
  std::set<std::string> names;
  auto collect = [&](mlir::TypeRange types) {
    for (mlir::Type type : types)
      for (const Dim &dim : dimsOf(type))
        for (std::string &name : dim.symbols())
          names.insert(std::move(name));
  };
  collect(entry.getArgumentTypes());
  collect(entry.getResultTypes());
  for (const std::string &name : names)
    symbols.push_back({name});

  blob = serialize(Signature(*model.module, entry, symbols).build());
  table[0] = kernel;
  wrapped.magic = MAPSTO_IMAGE_MAGIC;
  wrapped.version = MAPSTO_IMAGE_VERSION;
  wrapped.manifest = blob.data();
  wrapped.manifest_size = blob.size();
  wrapped.kernels = table;
  wrapped.kernel_count = 1;
  current = this;
}

InterpretedModel::~InterpretedModel() { current = nullptr; }

void InterpretedModel::kernel(void *const *buffers, const int64_t *dims, void *,
                              int64_t, int64_t,
                              mapsto_kernel_context *context) {
  std::string error;
  if (current->run(buffers, dims, error))
    return;
  fprintf(stderr, "error: %s\n", error.c_str());
  context->error_code = 1;
}

bool InterpretedModel::run(void *const *buffers, const int64_t *dims,
                           std::string &error) {
  auto sizesOf = [&](mlir::Type type) {
    Shape shape;
    for (const Dim &dim : dimsOf(type))
      shape.push_back(
          dim.evaluate([&](llvm::StringRef name) -> std::optional<int64_t> {
               for (size_t i = 0; i != symbols.size(); ++i)
                 if (symbols[i].name == name)
                   return dims[i];
               return std::nullopt;
             })
              .value_or(0));
    return shape;
  };
  std::vector<Tensor> arguments;
  for (mlir::Type type : entry.getArgumentTypes()) {
    auto element = llvm::cast<mlir::RankedTensorType>(type).getElementType();
    Shape shape = sizesOf(type);
    llvm::ArrayRef<char> bytes(
        static_cast<const char *>(buffers[arguments.size()]),
        countOf(shape) * bytesPerElement(element));
    auto tensor = tensorFromBytes(element, shape, bytes);
    if (failed(tensor)) {
      error = "the interpreter cannot read an input";
      return false;
    }
    arguments.push_back(std::move(*tensor));
  }
  Interpreter interpreter(interpreterWeights(model));
  auto results = interpreter.run(entry, arguments, error);
  if (failed(results))
    return false;
  for (size_t i = 0; i != results->size(); ++i) {
    const Tensor &result = (*results)[i];
    if (result.shape != sizesOf(entry.getResultTypes()[i])) {
      error = "result " + std::to_string(i) + " has the shape " +
              str(llvm::ArrayRef<int64_t>(result.shape)) + ", but " +
              str(llvm::ArrayRef<int64_t>(sizesOf(entry.getResultTypes()[i]))) +
              " was declared";
      return false;
    }
    std::vector<char> bytes = bytesOf(result);
    if (!bytes.empty())
      memcpy(buffers[arguments.size() + i], bytes.data(), bytes.size());
  }
  return true;
}
