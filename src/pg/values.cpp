#include "pg/values.h"

#include <cstdint>

extern "C" {
#include <access/htup_details.h>
#include <funcapi.h>
#include <utils/array.h>
}

namespace trainer::pg {

std::optional<Datum> number(double value) {
  return Float8GetDatum(value);
}

Datum row_of(FunctionCallInfo fcinfo, const std::vector<std::optional<Datum>>& columns) {
  constexpr int kMost = 8;
  Datum values[kMost] = {};
  bool nulls[kMost] = {};
  int count = 0;
  for (const std::optional<Datum>& column : columns) {
    nulls[count] = !column;
    values[count++] = column.value_or(Datum{0});
  }
  return guarded([&] {
    TupleDesc description;
    if (get_call_result_type(fcinfo, nullptr, &description) != TYPEFUNC_COMPOSITE || description->natts != count)
      elog(ERROR, "return type must be the row that is returned");
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(description), values, nulls));
  });
}

Elements elements_of(Datum array, Oid type) {
  return guarded([&] {
    Elements found{};
    ArrayType* given = DatumGetArrayTypeP(array);
    if (ARR_NDIM(given) > 1 || ARR_HASNULL(given)) {
      ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
                      errmsg("the array has more than one dimension, or nulls in it")));
    }
    deconstruct_array(given, type, sizeof(std::int64_t), true, TYPALIGN_DOUBLE, &found.values, nullptr, &found.count);
    return found;
  });
}

}  // namespace trainer::pg
