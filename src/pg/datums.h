// Composite rows, arrays and JSON, between C++ and the server.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pg/guard.h"

namespace trainer::pg {

// The row that a function with these OUT columns, at most 16, returns. nullopt is NULL.
Datum row_of(FunctionCallInfo fcinfo, const std::vector<std::optional<Datum>>& columns);

std::optional<Datum> number_of(double value);
Datum jsonb_of(std::string_view json);

// Of a boolean[], bigint[] or double precision[] of one dimension without nulls; anything else is an error.
std::vector<Datum> elements_of(Datum array, Oid type);
Datum array_of(const std::vector<double>& values);
// Of a text[] of one dimension, as UTF-8; a null is an empty text.
std::vector<std::string> texts_of(Datum array);

}  // namespace trainer::pg
