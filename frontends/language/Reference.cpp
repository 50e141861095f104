//===- Reference.cpp ------------------------------------------------------===//

#include "frontends/language/Reference.h"
#include "frontends/language/Builtins.h"
#include "frontends/language/Parser.h"
#include "frontends/language/Stdlib.h"

using namespace mapsto;
using ast::as;

/// What stands between two offsets of a file, on one line.
static std::string oneLine(std::string_view text) {
  std::string result;
  for (char c : text) {
    if (c == '\n' || c == ' ') {
      if (!result.empty() && result.back() != ' ')
        result += ' ';
    } else {
      result += c;
    }
  }
  while (!result.empty() && result.back() == ' ')
    result.pop_back();
  return result;
}

/// Takes "Example: ..." out of a doc comment.
static std::string takeExample(std::string &doc) {
  size_t at = doc.find("Example:");
  if (at == std::string::npos)
    return "";
  std::string example = oneLine(std::string_view(doc).substr(at + 8));
  doc = doc.substr(0, at);
  return example.substr(example.find_first_not_of(' '));
}

static ReferenceEntry describeFn(const ast::FnDecl &fn) {
  ReferenceEntry entry;
  entry.name = fn.name.text;
  const SourceFile &file = *fn.name.span.file;
  entry.signature = oneLine(file.text().substr(
      fn.name.span.begin, fn.body.span.begin - fn.name.span.begin));
  entry.doc = fn.doc;
  entry.example = takeExample(entry.doc);
  entry.doc = oneLine(entry.doc);
  return entry;
}

static ReferenceEntry describeModel(const ast::ModelDecl &model) {
  ReferenceEntry entry;
  entry.name = model.name.text;
  entry.signature = model.name.text;
  if (!model.params.empty()) {
    entry.signature += "(";
    for (const ast::Parameter &param : model.params)
      entry.signature += (&param == &model.params.front() ? "" : ", ") +
                         oneLine(param.span.text());
    entry.signature += ")";
  }
  for (const ast::Mapping &mapping : model.mappings)
    entry.shapes +=
        (entry.shapes.empty() ? "" : "; ") + oneLine(mapping.headSpan.text());
  entry.doc = oneLine(model.doc);
  return entry;
}

std::vector<ReferenceGroup> mapsto::referenceGroups() {
  std::vector<ReferenceGroup> groups;
  for (const BuiltinGroup &group : builtinGroups()) {
    groups.push_back({group.title, {}});
    for (const Builtin &builtin : group.functions)
      groups.back().entries.push_back(
          {builtin.name, std::string(builtin.name) + "(" + builtin.params + ")",
           builtin.shapes, builtin.doc, builtin.example});
  }
  static SourceManager sources;
  ReferenceGroup functions{"Functions of the standard library", {}};
  for (const StdlibFile &file : stdlibFiles()) {
    DiagnosticEngine ignored;
    std::string name = std::string("std/") + file.name;
    const SourceFile *source = sources.find(name);
    auto tree = parse(source ? *source : sources.add(name, file.text), ignored);
    ReferenceGroup layers{"Layers of `" + name + "`", {}};
    for (const ast::DeclPtr &decl : tree->decls) {
      if (decl->doc.empty())
        continue;
      if (auto *fn = as<ast::FnDecl>(decl))
        functions.entries.push_back(describeFn(*fn));
      else if (auto *model = as<ast::ModelDecl>(decl))
        layers.entries.push_back(describeModel(*model));
    }
    if (!layers.entries.empty())
      groups.push_back(std::move(layers));
  }
  groups.push_back(std::move(functions));
  return groups;
}

std::string mapsto::writeReference() {
  std::string text;
  for (const ReferenceGroup &group : referenceGroups()) {
    text += "### " + group.title + "\n\n";
    for (const ReferenceEntry &entry : group.entries) {
      text += "**`" + entry.signature + "`**";
      if (!entry.shapes.empty())
        text += "  \n`" + entry.shapes + "`";
      text += "  \n" + entry.doc + "\n";
      if (!entry.example.empty())
        text += "\n```\n" + entry.example + "\n```\n";
      text += "\n";
    }
  }
  return text;
}
