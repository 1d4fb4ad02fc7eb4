#include "pg/datums.h"

#include <string>

#include "pg/spi.h"

extern "C" {
#include <access/htup_details.h>
#include <utils/array.h>
#include <utils/fmgrprotos.h>
}

namespace trainer::pg {

Datum row_of(FunctionCallInfo fcinfo, const std::vector<std::optional<Datum>>& columns) {
  constexpr int kMost = 16;
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

std::optional<Datum> number_of(double value) {
  return Float8GetDatum(value);
}

Datum jsonb_of(std::string_view json) {
  const std::string text(json);
  const char* terminated = text.c_str();
  return guarded([&] { return DirectFunctionCall1(jsonb_in, CStringGetDatum(terminated)); });
}

std::vector<Datum> elements_of(Datum array, Oid type) {
  struct Found {
    Datum* values;
    int count;
  };
  const Found found = guarded([&] {
    Found all{};
    ArrayType* given = DatumGetArrayTypeP(array);
    if (ARR_NDIM(given) > 1 || ARR_HASNULL(given)) {
      ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
                      errmsg("the array has more than one dimension, or nulls in it")));
    }
    const bool is_boolean = type == BOOLOID;
    deconstruct_array(given, type, is_boolean ? 1 : 8, true, is_boolean ? TYPALIGN_CHAR : TYPALIGN_DOUBLE, &all.values,
                      nullptr, &all.count);
    return all;
  });
  return {found.values, found.values + found.count};
}

std::vector<std::string> texts_of(Datum array) {
  struct Found {
    Datum* values;
    bool* nulls;
    int count;
  };
  const Found found = guarded([&] {
    Found all{};
    ArrayType* given = DatumGetArrayTypeP(array);
    if (ARR_NDIM(given) > 1)
      ereport(ERROR, (errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR), errmsg("the array has more than one dimension")));
    deconstruct_array(given, TEXTOID, -1, false, TYPALIGN_INT, &all.values, &all.nulls, &all.count);
    return all;
  });
  std::vector<std::string> texts;
  for (int n = 0; n < found.count; ++n) {
    const Datum value = found.values[n];
    texts.push_back(found.nulls[n] ? std::string() : to_utf8(guarded([&] { return DatumGetTextPP(value); })));
  }
  return texts;
}

Datum array_of(const std::vector<double>& values) {
  std::vector<Datum> datums;
  for (double value : values) datums.push_back(Float8GetDatum(value));
  Datum* elements = datums.data();
  const int count = static_cast<int>(datums.size());
  return guarded([&] {
    return PointerGetDatum(construct_array(elements, count, FLOAT8OID, sizeof(double), true, TYPALIGN_DOUBLE));
  });
}

}  // namespace trainer::pg
