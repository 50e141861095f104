//===- TestData.h - ONNX's own test folders ---------------------*- C++ -*-===//
//
// A folder has input_0.pb, ... and output_0.pb, ...: one value a file, in the
// order of the model's inputs (those with a default left out) and outputs.
//
//===----------------------------------------------------------------------===//

#ifndef MAPSTO_TOOLS_TESTDATA_H
#define MAPSTO_TOOLS_TESTDATA_H

#include "tools/mapsto/Load.h"

#include <functional>

struct mapsto_image;

namespace mapsto {

struct TestSet {
  std::string folder;
  GivenValues inputs;
  std::vector<WeightTensor> outputs;
  /// A file that cannot be read. What is wrong with the model comes first.
  std::string error;
};

/// Folders with test data among or in those given, in order. False, with the
/// reason in `error`, where one has none.
bool findTestSets(const std::vector<std::string> &given,
                  std::vector<std::string> &folders, std::string &error);

/// Reads the test data for a model with this signature. Sequences are the
/// tensors in them.
TestSet readTestSet(const std::string &folder, const OnnxSignature &signature);

/// Runs a compiled model on a set and compares, as the model's own command line
/// would with `options`; prints a line an output. Returns the exit code.
int runTestSet(const mapsto_image &image, const TestSet &set,
               const Model &model, std::vector<std::string> options);

} // namespace mapsto

#endif // MAPSTO_TOOLS_TESTDATA_H
