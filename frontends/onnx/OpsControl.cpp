//===- OpsControl.cpp - If
//----------------------------------------------------===//

#include "frontends/onnx/Ops.h"

using namespace mlir;

namespace mapsto::onnx {
namespace {

FailureOr<Value> choose(Node &n, mlir::Value condition, size_t output,
                        Value &yes, Value &no) {
  std::string name = "`" + n.proto.output(int(output)) + "`";
  const char *hint = "if the condition is an input's value, fix it: "
                     "--set NAME=FILE";
  if (yes.list || no.list || yes.none || no.none) {
    if (!yes.list || !no.list || yes.list->size() != no.list->size()) {
      (void)n.fail("the branches make " + name + " differently", hint);
      return failure();
    }
    auto list = std::make_shared<std::vector<Value>>();
    for (size_t i = 0; i < yes.list->size(); ++i) {
      Value a = (*yes.list)[i], b = (*no.list)[i];
      FailureOr<Value> one = choose(n, condition, output, a, b);
      if (failed(one))
        return failure();
      list->push_back(std::move(*one));
    }
    Value value = yes;
    value.list = std::move(list);
    return value;
  }
  mlir::Value x = n.importer.materialise(yes), y = n.importer.materialise(no);
  if (!x || !y)
    return failure();
  if (yes.type != no.type || x.getType() != y.getType()) {
    (void)n.fail("its condition is known at run time only, and the branches "
                 "make " +
                     name + " as " + str(dimsOf(x)) + " and " + str(dimsOf(y)) +
                     (yes.type != no.type ? " of different element types" : ""),
                 hint);
    return failure();
  }
  Value value;
  value.type = yes.type;
  value.tensor = SelectOp::create(
      n.b, n.loc, broadcastTo(n.b, n.loc, condition, dimsOf(x)), x, y);
  return value;
}

LogicalResult conditional(Node &n) {
  const GraphProto *yes = n.attrGraph("then_branch"),
                   *no = n.attrGraph("else_branch");
  if (!yes || !no)
    return n.fail("it has not both branches");
  auto give = [&](std::vector<Value> values) {
    if (values.size() < n.numOutputs())
      return n.fail("a branch has fewer outputs than it");
    for (size_t i = 0; i < n.numOutputs(); ++i)
      n.give(i, std::move(values[i]));
    return success();
  };
  if (std::optional<Known> known = n.importer.numbersOf(n.value(0));
      known && known->elements.size() == 1 && known->elements[0].isConstant()) {
    n.importer.rely(*known);
    auto values =
        n.importer.inlineGraph(*known->elements[0].constant() ? *yes : *no, {});
    return failed(values) ? failure() : give(std::move(*values));
  }
  mlir::Value condition = n.in(0);
  if (!condition)
    return failure();
  if (numElements(n.dims(0)) != Dim(1))
    return n.fail("its condition is " + str(n.dims(0)) +
                  " and must be one truth value");
  condition = reshape(n.b, n.loc, condition, {});
  auto a = n.importer.inlineGraph(*yes, {}),
       b = n.importer.inlineGraph(*no, {});
  if (failed(a) || failed(b))
    return failure();
  if (a->size() != b->size())
    return n.fail("its branches differ in their number of outputs");
  std::vector<Value> values;
  for (size_t i = 0; i < std::min(a->size(), n.numOutputs()); ++i) {
    FailureOr<Value> one = choose(n, condition, i, (*a)[i], (*b)[i]);
    if (failed(one))
      return failure();
    values.push_back(std::move(*one));
  }
  return give(std::move(values));
}

} // namespace

void addControlOps(OpTable &table) { table["If"] = conditional; }

} // namespace mapsto::onnx
