//===- GivenValues.h - Inputs whose value is known --------------*- C++ -*-===//
//
// An input of an ONNX model may decide a shape: what `--set NAME=VALUE` or test
// data say of it is then part of the model.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_TOOLS_GIVENVALUES_H
#define MAPSTO_TOOLS_GIVENVALUES_H

#include "frontends/onnx/Onnx.h"
#include "tools/mapsto/Options.h"

namespace mapsto {

struct GivenValues {
  std::map<std::string, WeightTensor> values; ///< by the input's name
  std::map<std::string, int64_t> lengths;     ///< of OnnxOptions
  std::vector<std::shared_ptr<void>> storage; ///< what they point into
};

/// A value of a .pb file. False, with "`FILE`: what is wrong" in `error`.
bool readValueFile(const std::string &path, OnnxForm form, OnnxFileValue &value,
                   GivenValues &given, std::string &error);

/// Adds what --set says of the inputs of the model in `path` (a .pb or .npy
/// file, or elements), and --length of those that are sequences. False, with
/// the reason in `error`.
bool readSetOptions(const Arguments &arguments, const std::string &path,
                    GivenValues &given, std::string &error);

} // namespace mapsto

#endif // MAPSTO_TOOLS_GIVENVALUES_H
