#include "pg/example_batch.h"

extern "C" {
#include <utils/array.h>
#include <utils/uuid.h>
}

namespace trainer::pg {
namespace {

// The bytes of messages after which an INSERT is sent before it has all of its rows.
constexpr std::size_t kInsertBytes = 4 << 20;

Datum copy_uuid_unsafe(Datum value) {
  auto* copy = static_cast<pg_uuid_t*>(palloc(sizeof(pg_uuid_t)));
  *copy = *DatumGetUUIDP(value);
  return UUIDPGetDatum(copy);
}

Datum copy_text_unsafe(std::string_view value) {
  return PointerGetDatum(cstring_to_text_with_len(value.data(), static_cast<int>(value.size())));
}

}  // namespace

void ExampleBatch::add(std::optional<Datum> response_id, Datum comment_id, bool validates, std::string_view messages,
                       std::string_view non_preferred) {
  MemoryContext memory = memory_.context();
  no_response_[rows_] = !response_id;
  guarded([&] {
    MemoryContext outer = MemoryContextSwitchTo(memory);
    if (response_id) responses_[rows_] = copy_uuid_unsafe(*response_id);
    comments_[rows_] = copy_uuid_unsafe(comment_id);
    messages_[rows_] = copy_text_unsafe(messages);
    if (of_pairs_) non_preferred_[rows_] = copy_text_unsafe(non_preferred);
    MemoryContextSwitchTo(outer);
  });
  validates_[rows_] = BoolGetDatum(validates);
  ++rows_;
  bytes_ += messages.size() + non_preferred.size();
  if (rows_ == kRows || bytes_ >= kInsertBytes) flush();
}

void ExampleBatch::flush() {
  if (rows_ == 0) return;
  // json is text that has been checked: what core::MessageWriter wrote needs no second look.
  constexpr const char* kInsert = R"(
    INSERT INTO @extschema@.training_examples
      (dataset_id, ordinal, organization_id, split, response_id, comment_id, messages)
    SELECT $1, $2 + e.row, $3, CASE WHEN e.validates THEN 'validation' ELSE 'train' END, e.response_id, e.comment_id,
           e.messages
    FROM unnest($4, $5, $6, $7) WITH ORDINALITY AS e (response_id, comment_id, validates, messages, row))";
  // Another one, since the table of version 0.1.0 has no such column.
  constexpr const char* kInsertPairs = R"(
    INSERT INTO @extschema@.training_examples
      (dataset_id, ordinal, organization_id, split, response_id, comment_id, messages, non_preferred)
    SELECT $1, $2 + e.row, $3, CASE WHEN e.validates THEN 'validation' ELSE 'train' END, e.response_id, e.comment_id,
           e.messages, e.non_preferred
    FROM unnest($4, $5, $6, $7, $8) WITH ORDINALITY
      AS e (response_id, comment_id, validates, messages, non_preferred, row))";
  Args args;
  args.datum(UUIDOID, dataset_).bigint(inserted_).datum(UUIDOID, organization_);
  args.datum(UUIDARRAYOID, array(responses_, no_response_, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
  args.datum(UUIDARRAYOID, array(comments_, nullptr, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
  args.datum(BOOLARRAYOID, array(validates_, nullptr, BOOLOID, 1, true, TYPALIGN_CHAR));
  args.datum(JSONARRAYOID, array(messages_, nullptr, JSONOID, -1, false, TYPALIGN_INT));
  if (of_pairs_) args.datum(JSONARRAYOID, array(non_preferred_, nullptr, JSONOID, -1, false, TYPALIGN_INT));
  execute(of_pairs_ ? kInsertPairs : kInsert, std::move(args));
  inserted_ += static_cast<std::int64_t>(rows_);
  rows_ = bytes_ = 0;
  memory_.empty();
}

Datum ExampleBatch::array(Datum* values, bool* nulls, Oid type, int length, bool by_value, char alignment) {
  MemoryContext memory = memory_.context();
  int count = static_cast<int>(rows_);
  return guarded([&] {
    MemoryContext outer = MemoryContextSwitchTo(memory);
    int first = 1;
    Datum made =
        PointerGetDatum(construct_md_array(values, nulls, 1, &count, &first, type, length, by_value, alignment));
    MemoryContextSwitchTo(outer);
    return made;
  });
}

}  // namespace trainer::pg
