// What SQL functions written in C++ are given and give: arrays in, rows out.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "core/result.h"
#include "pg/guard.h"

extern "C" {
#include <fmgr.h>
}

namespace trainer::pg {

template <class T>
T value_or_fail(core::Result<T> result) {
  if (!result.ok()) fail(result.error());
  return std::move(result).value();
}

std::optional<Datum> number(double value);

// The row that the function returns; nullopt is NULL. Eight columns at most.
Datum row_of(FunctionCallInfo fcinfo, const std::vector<std::optional<Datum>>& columns);

// An array of one dimension, without nulls, of a type of eight bytes; anything else is an error.
struct Elements {
  Datum* values;
  int count;
};
Elements elements_of(Datum array, Oid type);

}  // namespace trainer::pg
