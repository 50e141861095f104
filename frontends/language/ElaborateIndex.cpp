//===- ElaborateIndex.cpp - x[...] read and written -----------------------===//

#include "frontends/language/Elaborator.h"

using namespace mapsto;
using namespace mapsto::ast;
using mapsto::Dim;

/// What `start:stop:step` selects of an axis. `dynamicStart`, where there is
/// one, is added to nothing: `start` is 0 then.
struct Elaborator::AxisRange {
  Dim start, size;
  int64_t step = 1;
  bool isWhole = false;
  bool isReversed = false;
  mlir::Value dynamicStart;
};

/// `...` and trailing axes written out as whole slices (null entries).
bool Elaborator::expandSubscripts(
    const IndexExpr &expr, size_t rank,
    llvm::SmallVectorImpl<const Subscript *> &out) {
  size_t used = 0;
  bool ellipsis = false;
  for (const Subscript &s : expr.subscripts) {
    if (s.kind == Subscript::Kind::Ellipsis) {
      if (ellipsis) {
        error(s.span, "only one `...` fits between brackets");
        return false;
      }
      ellipsis = true;
    } else if (s.kind != Subscript::Kind::NewAxis) {
      ++used;
    }
  }
  if (used > rank) {
    error(expr.subscriptsSpan,
          std::to_string(used) + " subscripts for a tensor of " +
              std::to_string(rank) + (rank == 1 ? " axis" : " axes"));
    return false;
  }
  for (const Subscript &s : expr.subscripts) {
    if (s.kind == Subscript::Kind::Ellipsis)
      out.append(rank - used, nullptr);
    else
      out.push_back(&s);
  }
  if (!ellipsis)
    out.append(rank - used, nullptr);
  return true;
}

/// Makes an index below 0 count from the end; false, with an error, where it is
/// outside the axis for certain.
bool Elaborator::checkIndex(Dim &at, const Dim &size, Span span) {
  Dim given = at;
  if (auto value = at.constant(); value && *value < 0)
    at = size + at;
  auto value = at.constant(), beyond = (at - size).constant();
  if ((value && *value < 0) || (beyond && *beyond >= 0)) {
    fail(span,
         "the index " + given.str() + " is outside an axis of " + size.str());
    return false;
  }
  return true;
}

/// The size between two bounds of which only the difference is known, as in
/// `pos : pos + n`: the added expression.
static const Expr *addedTo(const Expr &stop, const Expr &start) {
  auto *sum = as<BinaryExpr>(&stop);
  if (!sum || sum->op != BinaryOp::Add)
    return nullptr;
  if (sum->lhs->span.text() == start.span.text())
    return sum->rhs.get();
  if (sum->rhs->span.text() == start.span.text())
    return sum->lhs.get();
  return nullptr;
}

std::optional<Elaborator::AxisRange>
Elaborator::evalRange(const Subscript &s, const Dim &size, Scope &scope) {
  AxisRange range;
  if (s.step) {
    auto step =
        toInt(eval(*s.step, scope), s.step->span, "the step of a slice");
    if (!step)
      return std::nullopt;
    if (*step == -1 && !s.start && !s.stop) {
      range.size = size;
      range.isReversed = true;
      return range;
    }
    if (*step < 1) {
      fail(s.step->span, "the step of a slice is 1 or more",
           "`x[::-1]` and `flip(x, axis)` reverse");
      return std::nullopt;
    }
    range.step = *step;
  }
  Object first = s.start ? eval(*s.start, scope) : Object(Dim(0));
  if (first.isPoison())
    return std::nullopt;
  if (first.isTensorLike()) {
    // A start that only the run knows: the length must be known all the same.
    mlir::Value start = toTensor(first, s.start->span);
    if (!start)
      return std::nullopt;
    if (!dimsOf(start).empty() || isFloat(elementTypeOf(start))) {
      fail(s.start->span, "a bound of a slice is a whole number, and this is " +
                              describe(Object(start)));
      return std::nullopt;
    }
    const Expr *length = s.stop ? addedTo(*s.stop, *s.start) : nullptr;
    Object lengthValue = length ? eval(*length, scope) : Object();
    if (!length || range.step != 1 || !lengthValue.is<Dim>()) {
      if (!length || !lengthValue.isPoison())
        fail(s.span,
             "the length of this slice is not known before the model runs",
             "write it as `" + std::string(s.start->span.text()) + ":" +
                 std::string(s.start->span.text()) + "+n`");
      return std::nullopt;
    }
    range.dynamicStart = t.cast(start, t.i64());
    range.size = lengthValue.get<Dim>();
    return range;
  }
  Object last = s.stop ? eval(*s.stop, scope) : Object(size);
  if (last.isTensorLike()) {
    fail(s.stop->span,
         "the length of this slice is not known before the model runs",
         "`attend` has `lengths` and `mask` for what is only partly filled");
    return std::nullopt;
  }
  auto start = toDim(first, s.start ? s.start->span : s.span);
  auto stop = toDim(last, s.stop ? s.stop->span : s.span);
  if (!start || !stop)
    return std::nullopt;
  auto fromEnd = [&](Dim &bound) {
    if (auto value = bound.constant(); value && *value < 0)
      bound = size + bound;
  };
  fromEnd(*start);
  fromEnd(*stop);
  Dim length = *stop - *start;
  auto low = start->constant(), high = stop->constant();
  auto outside = [&](const ExprPtr &bound, int64_t value) {
    fail(bound ? bound->span : s.span, "the bound " + std::to_string(value) +
                                           " is outside an axis of " +
                                           size.str());
  };
  if (low && *low < 0) {
    outside(s.start, *low);
    return std::nullopt;
  }
  if (high && *high < 0) {
    outside(s.stop, *high);
    return std::nullopt;
  }
  for (auto [bound, expr] :
       {std::pair(&*start, &s.start), std::pair(&*stop, &s.stop)}) {
    auto beyond = (*bound - size).constant();
    if (!beyond || *beyond <= 0)
      continue;
    fail(*expr ? (*expr)->span : s.span,
         "the bound " + bound->str() + " is outside an axis of " + size.str());
    return std::nullopt;
  }
  if (auto count = length.constant(); count && *count < 0) {
    fail(s.span, "this slice ends before it begins: from " + start->str() +
                     " to " + stop->str());
    return std::nullopt;
  }
  range.start = *start;
  range.size = range.step == 1 ? length : Dim::ceilDiv(length, Dim(range.step));
  range.isWhole = *start == Dim(0) && *stop == size && range.step == 1;
  return range;
}

Object Elaborator::evalIndex(const IndexExpr &expr, Scope &scope) {
  Object base = eval(*expr.base, scope);
  if (base.isPoison())
    return {};
  if (auto *elements = base.elements()) {
    bool isTable = llvm::all_of(*elements, [](const Object &o) {
      return o.isNumber() || o.is<bool>() || o.is<std::shared_ptr<List>>();
    });
    if (expr.subscripts.size() == 1 &&
        expr.subscripts[0].kind == Subscript::Kind::Index) {
      const Expr &at = *expr.subscripts[0].index;
      Object index = eval(at, scope);
      if (!(index.isTensorLike() && isTable && !elements->empty())) {
        auto i = toInt(index, at.span, "a list's index");
        if (!i)
          return {};
        int64_t n = elements->size();
        if (*i < -n || *i >= n)
          return fail(at.span, "the list has " + std::to_string(n) +
                                   " elements, and no " + std::to_string(*i));
        return (*elements)[*i < 0 ? *i + n : *i];
      }
    } else if (expr.subscripts.size() == 1 &&
               expr.subscripts[0].kind == Subscript::Kind::Slice) {
      auto range =
          evalRange(expr.subscripts[0], Dim(int64_t(elements->size())), scope);
      if (!range || range->dynamicStart)
        return {};
      std::vector<Object> part;
      if (range->isReversed)
        part.assign(elements->rbegin(), elements->rend());
      else
        for (int64_t i = 0; i < *range->size.constant(); ++i)
          part.push_back(
              (*elements)[*range->start.constant() + i * range->step]);
      return Object::list(std::move(part));
    }
  }
  mlir::Value x = toTensor(base, expr.base->span);
  return x ? indexTensor(x, expr, scope) : Object();
}

Object Elaborator::indexTensor(mlir::Value x, const IndexExpr &expr,
                               Scope &scope) {
  llvm::SmallVector<const Subscript *> subscripts;
  if (!expandSubscripts(expr, dimsOf(x).size(), subscripts))
    return {};
  // Slices and single elements first, as one box of x; then the axes that a
  // tensor of indices picks from, last to first so that positions stay right.
  size_t rank = dimsOf(x).size();
  Dims starts(rank, Dim(0)), sizes = dimsOf(x), shape;
  llvm::SmallVector<int64_t> steps(rank, 1), reversed;
  struct Pick {
    int64_t axis;
    mlir::Value indices;
  };
  llvm::SmallVector<Pick> picks;
  size_t axis = 0, tables = 0;
  bool ok = true;
  for (const Subscript *s : subscripts) {
    if (s && s->kind == Subscript::Kind::NewAxis) {
      shape.push_back(Dim(1));
      continue;
    }
    Dim size = sizes[axis];
    if (!s) {
      shape.push_back(size);
      ++axis;
      continue;
    }
    if (s->kind == Subscript::Kind::Slice) {
      auto range = evalRange(*s, size, scope);
      if (!range) {
        ok = false;
      } else if (range->dynamicStart) {
        mlir::Value offsets = t.iota({range->size}, 0);
        picks.push_back({int64_t(shape.size()),
                         t.binary<AddOp>(offsets, range->dynamicStart)});
        shape.push_back(size);
      } else {
        if (range->isReversed)
          reversed.push_back(axis);
        starts[axis] = range->start;
        sizes[axis] = range->size;
        steps[axis] = range->step;
        shape.push_back(range->size);
      }
      ++axis;
      continue;
    }
    Object index = eval(*s->index, scope);
    if (index.is<Dim>()) {
      Dim at = index.get<Dim>();
      ok &= checkIndex(at, size, s->span);
      starts[axis] = at;
      sizes[axis] = Dim(1);
    } else if (mlir::Value indices = toTensor(index, s->span)) {
      if (isFloat(elementTypeOf(indices)) || isBool(elementTypeOf(indices))) {
        fail(s->span,
             "an index is a whole number, and this is " +
                 describe(Object(indices)),
             isBool(elementTypeOf(indices))
                 ? "`where(condition, a, b)` chooses by truth"
                 : "`i64(x)` makes whole numbers");
        ok = false;
      } else {
        tables += !dimsOf(indices).empty();
        picks.push_back({int64_t(shape.size()), indices});
        shape.push_back(size);
      }
    } else {
      ok = false;
    }
    ++axis;
  }
  if (tables > 1) {
    fail(expr.subscriptsSpan, "only one subscript may be a tensor with axes",
         "`gather(x, indices, axis)` picks one element per position");
    return {};
  }
  if (!ok)
    return {};
  if (!reversed.empty())
    x = FlipOp::create(t.builder, t.loc, x, reversed);
  if (sizes != dimsOf(x) ||
      llvm::any_of(starts, [](const Dim &d) { return d != Dim(0); }))
    x = SliceOp::create(t.builder, t.loc, x, DimsAttr::get(&context, starts),
                        DimsAttr::get(&context, sizes), steps);
  x = t.reshape(x, shape);
  for (const Pick &pick : llvm::reverse(picks))
    x = TakeOp::create(t.builder, t.loc, x, pick.indices, pick.axis);
  return x;
}

mlir::Value Elaborator::writeTensor(mlir::Value x, const IndexExpr &target,
                                    mlir::Value value, Span span,
                                    Scope &scope) {
  llvm::SmallVector<const Subscript *> subscripts;
  Dims dims = dimsOf(x);
  if (!expandSubscripts(target, dims.size(), subscripts))
    return {};
  // The box written: at most one axis partly.
  Dims box = dims, shape;
  std::optional<size_t> partial;
  mlir::Value start;
  size_t axis = 0;
  for (const Subscript *s : subscripts) {
    if (s && s->kind == Subscript::Kind::NewAxis) {
      fail(s->span, "`None` makes no sense where something is assigned");
      return {};
    }
    bool isPart = false;
    if (!s) {
      shape.push_back(dims[axis]);
    } else if (s->kind == Subscript::Kind::Slice) {
      auto range = evalRange(*s, dims[axis], scope);
      if (!range)
        return {};
      if (range->step != 1 || range->isReversed) {
        fail(s->span, "a slice that is assigned to has no step",
             "`scatter(x, indices, updates, axis)` writes anywhere");
        return {};
      }
      box[axis] = range->size;
      shape.push_back(range->size);
      isPart = !range->isWhole;
      if (isPart)
        start =
            range->dynamicStart ? range->dynamicStart : t.size(range->start);
    } else {
      Object index = eval(*s->index, scope);
      if (index.is<Dim>()) {
        Dim at = index.get<Dim>();
        if (!checkIndex(at, dims[axis], s->span))
          return {};
        start = t.size(at);
      } else {
        mlir::Value at = toTensor(index, s->span);
        if (!at)
          return {};
        if (!dimsOf(at).empty() ||
            !mlir::isa<mlir::IntegerType>(elementTypeOf(at)) ||
            isBool(elementTypeOf(at))) {
          fail(s->span,
               "what is assigned to is at one whole number, and this is " +
                   describe(Object(at)),
               "`scatter(x, indices, updates, axis)` writes at many");
          return {};
        }
        start = t.cast(at, t.i64());
      }
      box[axis] = Dim(1);
      isPart = true;
    }
    if (isPart && partial) {
      fail(target.subscriptsSpan,
           "an assignment may be to part of one axis only");
      return {};
    }
    if (isPart)
      partial = axis;
    ++axis;
  }
  mlir::Type element = elementTypeOf(x);
  if (elementTypeOf(value) != element &&
      promote(elementTypeOf(value), element) != element) {
    fail(span,
         "this is " + describe(Object(value)) + ", and goes into " +
             describe(Object(x)),
         "convert it: `" + describe(element) + "(...)`");
    return {};
  }
  value = t.cast(value, element);
  auto fit = broadcastShapes(dimsOf(value), shape);
  if (!fit || *fit != shape) {
    fail(span, "this is " + describe(Object(value)) +
                   ", and the place it goes to is " + mapsto::str(shape));
    return {};
  }
  value = t.reshape(t.broadcast(value, shape), box);
  if (!partial)
    return value;
  return UpdateOp::create(t.builder, t.loc, x, value, start, *partial);
}
