//===- ElaborateFile.cpp - Files, imports and the standard library --------===//

#include "frontends/language/Elaborator.h"
#include "frontends/language/Parser.h"
#include "frontends/language/Stdlib.h"

#include "llvm/Support/Path.h"

#include <mutex>

using namespace mapsto;
using ast::as;

/// Files opened by imports; diagnostics may be printed long after.
static SourceManager &importedSources() {
  static SourceManager sources;
  return sources;
}
static std::mutex importedSourcesLock;

static const SourceFile *findLibrary(llvm::StringRef path) {
  for (const StdlibFile &file : stdlibFiles()) {
    if (path != file.name)
      continue;
    std::lock_guard<std::mutex> lock(importedSourcesLock);
    std::string name = std::string("std/") + file.name + ".mto";
    if (const SourceFile *source = importedSources().find(name))
      return source;
    return &importedSources().add(name, file.text);
  }
  return nullptr;
}

static const SourceFile *findImport(llvm::StringRef path, llvm::StringRef from,
                                    llvm::ArrayRef<std::string> folders) {
  llvm::SmallVector<std::string> candidates;
  auto add = [&](llvm::StringRef folder) {
    llvm::SmallString<128> full(folder);
    llvm::sys::path::append(full, path + ".mto");
    candidates.push_back(full.str().str());
    if (path.ends_with(".mto")) {
      llvm::SmallString<128> plain(folder);
      llvm::sys::path::append(plain, path);
      candidates.push_back(plain.str().str());
    }
  };
  add(llvm::sys::path::parent_path(from));
  for (const std::string &folder : folders)
    add(folder);
  std::lock_guard<std::mutex> lock(importedSourcesLock);
  for (const std::string &candidate : candidates) {
    if (const SourceFile *source = importedSources().find(candidate))
      return source;
    std::string error;
    if (const SourceFile *source = importedSources().open(candidate, error))
      return source;
  }
  return nullptr;
}

Scope *Elaborator::loadFile(const SourceFile &source, bool isLibrary) {
  if (auto it = loaded.find(&source); it != loaded.end())
    return it->second;
  std::unique_ptr<ast::File> file = parse(source, diagnostics);
  isIncomplete |= diagnostics.hasErrors();
  auto scope = std::make_unique<Scope>();
  scope->isLibrary = isLibrary;
  Scope *result = scope.get();
  fileScopes.push_back(std::move(scope));
  loaded[&source] = result;
  // The prelude is visible everywhere, without an import.
  const SourceFile *prelude = findLibrary("prelude");
  if (prelude && prelude != &source)
    result->parent = loadFile(*prelude, true);
  loading.push_back(&source);
  declare(*file, *result);
  loading.pop_back();
  trees.push_back(std::move(file));
  return result;
}

void Elaborator::importInto(const ast::ImportDecl &decl, Scope &scope) {
  llvm::StringRef path = decl.path;
  const SourceFile *source = nullptr;
  bool isLibrary = path.consume_front("std/");
  if (isLibrary) {
    path.consume_back(".mto");
    source = findLibrary(path);
  } else {
    source = findImport(path, loading.back()->name(), options.importPaths);
  }
  if (!source) {
    std::vector<std::string> names;
    for (const StdlibFile &file : stdlibFiles())
      names.push_back(std::string("std/") + file.name);
    error(decl.pathSpan, "there is no file \"" + decl.path + "\" to import")
        .hint(isLibrary
                  ? didYouMean(decl.path, names)
                  : "paths are relative to this file, or to a folder given "
                    "with `--import`");
    return;
  }
  if (llvm::is_contained(loading, source)) {
    error(decl.pathSpan, "\"" + decl.path + "\" imports itself");
    return;
  }
  Scope *imported = loadFile(*source, isLibrary);
  for (auto &entry : imported->names)
    scope.names[entry.getKey()] = entry.second;
}

void Elaborator::declare(const ast::File &file, Scope &scope) {
  llvm::StringMap<Span> own;
  auto bind = [&](const ast::Name &name, Object value) {
    auto [it, isNew] = own.try_emplace(name.text, name.span);
    if (!isNew)
      error(name.span, "`" + name.text + "` is declared twice")
          .note(it->second, "first here");
    else
      scope.names[name.text] = {std::move(value), name.span, ""};
  };
  for (const ast::DeclPtr &decl : file.decls)
    if (auto *import = as<ast::ImportDecl>(decl))
      importInto(*import, scope);
  for (const ast::DeclPtr &decl : file.decls) {
    if (auto *fn = as<ast::FnDecl>(decl))
      bind(fn->name, FnRef{fn, &scope});
    else if (auto *model = as<ast::ModelDecl>(decl))
      bind(model->name, ModelRef{model, &scope});
    else if (auto *train = as<ast::TrainDecl>(decl))
      error(train->name ? train->name.span : train->span,
            "`train` is not supported in this version")
          .hint(
              "remove it to compile the models; weights trained elsewhere bind "
              "by name with `--weights`");
  }
  for (const ast::DeclPtr &decl : file.decls)
    if (auto *let = as<ast::LetDecl>(decl))
      if (let->binding) {
        BodyResult none;
        execStmt(*let->binding, scope, none, false);
      }
}

std::vector<std::string> mapsto::listModels(const SourceFile &source) {
  DiagnosticEngine ignored;
  std::vector<std::string> names;
  for (const ast::DeclPtr &decl : parse(source, ignored)->decls)
    if (decl->kind == ast::Decl::Kind::Model)
      names.push_back(decl->name.text);
  return names;
}
