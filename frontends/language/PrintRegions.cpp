//===- PrintRegions.cpp - attend, scan, repeat ----------------------------===//

#include "frontends/language/Printer.h"
#include "frontends/language/TensorBuilder.h"

#include "llvm/ADT/StringExtras.h"

#include <charconv>
#include <cmath>

using namespace mapsto;
using namespace mlir;

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

/// One clause: the first `always` parameters are written, of the others those
/// from the first that is used.
std::string Printer::clause(const char *name, Region &region, size_t always,
                            ArrayRef<std::string> wishes) {
  Block &block = region.front();
  llvm::StringSet<> captured = capturedNames(region);
  size_t first = always;
  while (first < block.getNumArguments() &&
         block.getArgument(unsigned(first)).use_empty())
    ++first;
  std::vector<std::string> names;
  for (BlockArgument argument : block.getArguments()) {
    size_t i = argument.getArgNumber();
    if (i >= always && i < first)
      continue;
    names.push_back(nameOfArgument(argument, wishes[i], captured));
    captured.insert(names.back());
  }
  std::string around = std::move(out);
  out.clear();
  // Names of the body's own do not collide with its parameters.
  llvm::StringSet<> before = taken;
  for (const std::string &own : names)
    taken.insert(own);
  printBlock(block);
  std::string body = std::move(out);
  out = std::move(around);
  taken = std::move(before);
  std::string value = get(block.getTerminator()->getOperand(0)).text;
  std::string head = std::string(name) + "(" + llvm::join(names, ", ") + ")";
  return body.empty() ? head + " = " + value + "\n"
                      : head + " {\n" + body + value + "\n}\n";
}

void Printer::printAttention(AttentionOp op) {
  if (op.getQueries().size() != 1 || op.getKeys().size() != 1)
    return fail(op, "it has several features for a query or a key");
  Value query = op.getQueries()[0];
  std::string text =
      call("attend", {query, op.getKeys()[0], op.getValue()}).text;
  text.pop_back();
  double scale = op.getScale().convertToDouble();
  auto depth = dimsOf(query).back().constant();
  double usual = depth && *depth > 0 ? 1 / std::sqrt(double(*depth)) : 1;
  bool hasScore = !op.getScore().empty();
  if (!hasScore && (scale != usual || !depth)) {
    char buffer[64];
    auto end = std::to_chars(buffer, buffer + sizeof buffer, scale).ptr;
    text += ", scale = " + std::string(buffer, end);
  }
  if (op.getNormalizer() != Normalizer::softmax)
    text += ", normalizer = " + stringifyNormalizer(op.getNormalizer()).str();
  text += ")";

  size_t batch = dimsOf(query).size() - 2;
  std::vector<std::string> indices;
  for (size_t i = 0; i < batch; ++i)
    indices.push_back(i + 1 == batch && batch > 1 ? "h"
                      : i == 0                    ? "b"
                                                  : "b" + std::to_string(i));
  indices.insert(indices.end(), {"i", "j"});
  std::string clauses;
  if (hasScore)
    clauses += clause("score", op.getScore(), 2, {"q", "k"});
  if (!op.getModify().empty()) {
    std::vector<std::string> names = indices;
    names.insert(names.begin(), "s");
    clauses += clause("modify", op.getModify(), 1, names);
  }
  if (!op.getMask().empty())
    clauses += clause("mask", op.getMask(), 0, indices);
  if (!clauses.empty())
    text += " {\n" + clauses + "}";
  beginSection(op);
  // Results come in order: the log-sum-exp only behind the weights.
  std::string weights = "_";
  auto take = [&](Value value) {
    std::string name = nameFor(cast<OpResult>(value));
    texts[value] = {name};
    return name;
  };
  std::string target = take(op.getOutput());
  if (op.getWeights())
    weights = take(op.getWeights());
  if (op.getLogSumExp())
    target =
        "(" + target + ", " + weights + ", " + take(op.getLogSumExp()) + ")";
  else if (op.getWeights())
    target = "(" + target + ", " + weights + ")";
  out += target + " = " + text + "\n";
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

/// The statements of a loop's body, then what it carries on and stacks. All
/// that is assigned at once, so nothing reads a carried name in between.
void Printer::printLoopBody(Block &block, ArrayRef<BlockArgument> carried,
                            ValueRange next, ValueRange stacked, Value stop) {
  auto stays = [&](size_t i) { return next[i] == Value(carried[i]); };
  // What is written behind the assignment needs a name before it, but for the
  // new value of the one name carried.
  size_t changed = 0;
  for (size_t i = 0; i < next.size(); ++i)
    changed += !stays(i);
  for (Value value : stacked)
    if (changed)
      nameValue(value);
  if (stop && changed)
    nameValue(stop);
  printBlock(block);
  std::vector<std::string> targets, values;
  for (size_t i = 0; i < next.size(); ++i) {
    if (stays(i))
      continue;
    targets.push_back(texts[carried[i]].text);
    values.push_back(arg(next[i]));
  }
  // The step's old values under names that stay.
  std::vector<std::string> yields;
  for (Value value : stacked) {
    std::string text = arg(value);
    if (llvm::is_contained(targets, text)) {
      std::string kept = unique(text + "_before");
      out += kept + " = " + text + "\n";
      text = kept;
    }
    yields.push_back(text);
  }
  if (targets.size() == 1)
    out += targets[0] + " = " + values[0] + "\n";
  else if (!targets.empty())
    out += "(" + llvm::join(targets, ", ") + ") = (" +
           llvm::join(values, ", ") + ")\n";
  if (!yields.empty())
    out += "yield " + llvm::join(yields, ", ") + "\n";
  if (stop)
    out += "until " + get(stop).text + "\n";
}

void Printer::printScan(ScanOp op) {
  Block &block = op.getBody().front();
  size_t states = op.getInits().size();
  llvm::StringSet<> captured = capturedNames(op.getBody());
  std::vector<std::string> heads;
  auto name = [&](BlockArgument argument, const std::string &wish) {
    std::string result = unique(wish);
    texts[argument] = {result};
    return result;
  };
  std::string carries;
  SmallVector<BlockArgument> carried;
  for (size_t i = 0; i < states; ++i) {
    std::string init = arg(op.getInits()[i]);
    carried.push_back(block.getArgument(unsigned(i)));
    carries += (i ? ", " : "") + name(carried.back(), "s") + " = " + init;
  }
  size_t lowest = 2;
  for (auto [i, sequence] : llvm::enumerate(op.getSequences())) {
    std::string over = arg(sequence);
    heads.push_back(name(block.getArgument(unsigned(states + i)), "x_t") +
                    " in " + over);
    lowest =
        i ? std::min(lowest, dimsOf(sequence).size()) : dimsOf(sequence).size();
  }
  if (heads.empty())
    heads.push_back("_ in 0.." + dimText(*Dim::parse(op.getCount())).text);
  std::string text = "scan(" + llvm::join(heads, ", ");
  if (!carries.empty())
    text += ", " + carries;
  std::string options;
  if (op.getAxis() != (lowest == 1 ? 0 : 1))
    options += ", axis = " + std::to_string(op.getAxis());
  if (op.getReverse())
    options += ", reverse = true";
  if (op.getLengths())
    options += ", lengths = " + arg(op.getLengths());
  if (!options.empty())
    text += "; " + options.substr(2);
  std::string around = std::move(out);
  out.clear();
  ValueRange yields = block.getTerminator()->getOperands();
  printLoopBody(block, carried, yields.take_front(states),
                yields.drop_front(states), {});
  std::string body = std::move(out);
  out = std::move(around);
  statement(op.getResults(), text + ") {\n" + body + "}");
}

void Printer::printRepeat(RepeatOp op) {
  Block &block = op.getBody().front();
  size_t states = op.getInits().size();
  ValueRange yields = block.getTerminator()->getOperands();
  std::string count = dimText(*Dim::parse(op.getCount())).text;
  std::string step;
  BlockArgument index = block.getArgument(0);
  if (!index.use_empty()) {
    step = unique("step");
    texts[index] = {step};
  }
  std::string text =
      "repeat(" + (step.empty() ? count : step + " in 0.." + count);
  SmallVector<BlockArgument> carried;
  for (size_t i = 0; i < states; ++i) {
    std::string init = arg(op.getInits()[i]);
    carried.push_back(block.getArgument(unsigned(i + 1)));
    std::string name = unique("s");
    texts[carried.back()] = {name};
    text += ", " + name + " = " + init;
  }
  ValueRange stacked = yields.drop_front(states + 1);
  uint64_t usual =
      llvm::any_of(stacked, [](Value v) { return dimsOf(v).empty(); }) ? 0 : 1;
  if (op.getAxis() != usual)
    text += "; axis = " + std::to_string(op.getAxis());
  Value stop = yields[0];
  auto never = staticText(stop);
  std::string around = std::move(out);
  out.clear();
  printLoopBody(block, carried, yields.slice(1, states), stacked,
                never && never->text == "false" ? Value() : stop);
  std::string body = std::move(out);
  out = std::move(around);
  statement(op.getResults(), text + ") {\n" + body + "}");
}
