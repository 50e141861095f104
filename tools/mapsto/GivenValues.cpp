#include "tools/mapsto/GivenValues.h"
#include "frontends/language/Diagnostics.h"
#include "runtime/values.h"

#include "llvm/ADT/StringRef.h"

using namespace mapsto;

bool mapsto::readValueFile(const std::string &path, OnnxForm form,
                           OnnxFileValue &value, GivenValues &given,
                           std::string &error) {
  std::shared_ptr<void> storage;
  if (!readOnnxValue(path, form, value, storage, error)) {
    error = "`" + path + "`: " + error;
    return false;
  }
  given.storage.push_back(std::move(storage));
  return true;
}

/// Elements, or an .npy file, as `--input` takes them.
static bool readText(const std::string &text, const OnnxValueInfo &input,
                     WeightTensor &tensor, GivenValues &given,
                     std::string &error) {
  if (!input.dtype) {
    error = "it is no tensor, or of elements that are not supported";
    return false;
  }
  if (input.shape.size() > MAPSTO_MAX_RANK) {
    error = "it has more than " + std::to_string(MAPSTO_MAX_RANK) + " axes";
    return false;
  }
  runtime::WantedShape wanted;
  wanted.rank = int(input.shape.size());
  bool open = false;
  for (size_t i = 0; i < input.shape.size(); ++i) {
    wanted.dims[i] = input.shape[i];
    open |= input.shape[i] < 0;
  }
  if (open && runtime::needsShape(text.c_str())) {
    error = "its sizes are not all numbers, so its elements must be given";
    return false;
  }
  auto value = std::make_shared<runtime::Value>();
  runtime::String why;
  if (!runtime::readValue(text.c_str(), input.name.c_str(), *input.dtype,
                          wanted, *value, why)) {
    error = why.c_str();
    return false;
  }
  const runtime::Shape &shape = value->shape;
  tensor = {
      input.name,
      value->dtype,
      {shape.dims, shape.dims + shape.rank},
      {reinterpret_cast<const uint8_t *>(value->data), size_t(value->bytes())}};
  given.storage.push_back(std::move(value));
  return true;
}

static bool readLengths(const Arguments &arguments, GivenValues &given,
                        std::string &error) {
  for (const std::string &option : arguments.all("--length")) {
    std::string name, text;
    int64_t length = OnnxOptions::kNothing;
    if (!splitNamed(option, name, text) ||
        (text != "none" &&
         (llvm::StringRef(text).getAsInteger(10, length) || length < 0))) {
      error = "--length needs NAME=N, a number or none, not `" + option + "`";
      return false;
    }
    given.lengths[name] = length;
  }
  return true;
}

bool mapsto::readSetOptions(const Arguments &arguments, const std::string &path,
                            GivenValues &given, std::string &error) {
  if (!readLengths(arguments, given, error))
    return false;
  if (!arguments.has("--set"))
    return true;
  OnnxSignature signature;
  if (!readOnnxSignature(path, signature, error)) {
    error = "`" + path + "`: " + error;
    return false;
  }
  for (const std::string &option : arguments.all("--set")) {
    std::string name, text;
    if (!splitNamed(option, name, text)) {
      error = "--set needs NAME=VALUE, not `" + option + "`";
      return false;
    }
    const OnnxValueInfo *input = nullptr;
    std::vector<std::string> names;
    for (const OnnxValueInfo &candidate : signature.inputs) {
      names.push_back(candidate.name);
      if (candidate.name == name)
        input = &candidate;
    }
    if (!input) {
      std::string near = didYouMean(name, names);
      error = "`" + path + "` has no input `" + name + "`" +
              (near.empty() ? "" : "; " + near);
      return false;
    }
    llvm::StringRef file = text;
    file.consume_front("@");
    WeightTensor &tensor = given.values[name];
    if (file.ends_with(".pb")) {
      OnnxFileValue value;
      if (!readValueFile(file.str(), OnnxForm::tensor, value, given, error))
        return false;
      tensor = value.tensors.front();
    } else {
      if (file.ends_with(".npy"))
        text = "@" + file.str();
      if (!readText(text, *input, tensor, given, error)) {
        error = "input `" + name + "`: " + error;
        return false;
      }
    }
  }
  return true;
}
