#include "pg/example_store.h"

#include <cstring>
#include <exception>

extern "C" {
#include <access/tupdesc.h>
}

namespace trainer::pg {
namespace {

enum ExampleColumn {
  kExampleResponseId,
  kExampleCommentId,
  kExampleComment,
  kExamplePlatform,
  kExampleReply,
  kExampleNonPreferred,
  kExampleColumns
};

Datum bytes_unsafe(std::string_view text) {
  auto* value = static_cast<varlena*>(palloc(VARHDRSZ + text.size()));
  SET_VARSIZE(value, VARHDRSZ + text.size());
  if (!text.empty()) std::memcpy(VARDATA(value), text.data(), text.size());
  return PointerGetDatum(value);
}

std::string_view view(Datum value) {
  auto* bytes = reinterpret_cast<varlena*>(DatumGetPointer(value));
  return {VARDATA_ANY(bytes), static_cast<std::size_t>(VARSIZE_ANY_EXHDR(bytes))};
}

}  // namespace

ExampleStore::ExampleStore() : exceptions_(std::uncaught_exceptions()) {
  guarded([&] {
    description_ = CreateTemplateTupleDesc(kExampleColumns);
    for (int column = 0; column < kExampleColumns; ++column) {
      Oid type = column <= kExampleCommentId ? UUIDOID : BYTEAOID;
      TupleDescInitEntry(description_, static_cast<AttrNumber>(column + 1), nullptr, type, -1, 0);
    }
    tuples_ = tuplestore_begin_heap(false, false, work_mem);
    slot_ = MakeSingleTupleTableSlot(description_, &TTSOpsMinimalTuple);
  });
}

ExampleStore::~ExampleStore() {
  // The abort of the transaction closes the files of a store that an exception leaves behind.
  if (std::uncaught_exceptions() != exceptions_) return;
  ExecDropSingleTupleTableSlot(slot_);
  tuplestore_end(tuples_);
}

void ExampleStore::put(const StoredExample& example) {
  memory_.empty();
  MemoryContext memory = memory_.context();
  guarded([&] {
    MemoryContext outer = MemoryContextSwitchTo(memory);
    Datum values[kExampleColumns] = {
        example.response_id.value_or(Datum{0}), example.comment_id,          bytes_unsafe(example.comment),
        bytes_unsafe(example.platform),         bytes_unsafe(example.reply), bytes_unsafe(example.non_preferred)};
    bool nulls[kExampleColumns] = {!example.response_id.has_value()};
    tuplestore_putvalues(tuples_, description_, values, nulls);
    MemoryContextSwitchTo(outer);
  });
}

std::optional<StoredExample> ExampleStore::next() {
  const bool found = guarded([&] {
    if (!tuplestore_gettupleslot(tuples_, true, false, slot_)) return false;
    slot_getallattrs(slot_);
    return true;
  });
  if (!found) return std::nullopt;
  const Datum* values = slot_->tts_values;
  std::optional<Datum> response;
  if (!slot_->tts_isnull[kExampleResponseId]) response = values[kExampleResponseId];
  return StoredExample{response,
                       values[kExampleCommentId],
                       view(values[kExampleComment]),
                       view(values[kExamplePlatform]),
                       view(values[kExampleReply]),
                       view(values[kExampleNonPreferred])};
}

}  // namespace trainer::pg
