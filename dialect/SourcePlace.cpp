#include "dialect/SourcePlace.h"

#include "llvm/Support/Path.h"

using namespace mlir;

std::string mapsto::placeOf(Location loc) {
  std::string place;
  loc->walk([&](Location inner) {
    auto file = dyn_cast<FileLineColLoc>(inner);
    if (!file)
      return WalkResult::advance();
    place = (llvm::sys::path::filename(file.getFilename()) + ":" +
             Twine(file.getLine()) + ":" + Twine(file.getColumn()))
                .str();
    return WalkResult::interrupt();
  });
  return place;
}
