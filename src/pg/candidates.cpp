#include "pg/candidates.h"

#include <algorithm>
#include <cstring>

extern "C" {
#include <access/htup_details.h>
}

namespace trainer::pg {
namespace {

constexpr long kBatchRows = 500;
// Texts of a batch that are in memory at a time, when they are long.
constexpr std::size_t kBatchBytes = 1 << 20;

enum Column { kCreatedAt, kResponseId, kCommentId, kComment, kPlatform, kReply, kColumns };

struct Span {
  const char* bytes;
  std::size_t size;
};

// The text as UTF-8, in the current memory context when it had to be unpacked or converted. Bytes of SQL_ASCII are
// passed on as they are; core::DatasetBuilder replaces what is not UTF-8.
Span text_unsafe(Datum value) {
  auto* unpacked = reinterpret_cast<varlena*>(PG_DETOAST_DATUM_PACKED(value));
  const char* bytes = VARDATA_ANY(unpacked);
  auto size = static_cast<std::size_t>(VARSIZE_ANY_EXHDR(unpacked));
  int encoding = GetDatabaseEncoding();
  if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII) return {bytes, size};
  const char* converted = pg_server_to_any(bytes, static_cast<int>(size), PG_UTF8);
  return converted == bytes ? Span{bytes, size} : Span{converted, std::strlen(converted)};
}

}  // namespace

DatasetStatements dataset_statements() {
  Rows rows = execute("SELECT * FROM @extschema@.trainer_dataset_statements()", {}, Snapshot::statement);
  return {rows.text(0, 0), rows.text(0, 1), rows.text(0, 2), rows.text(0, 3), rows.text(0, 4)};
}

bool Candidates::open_page(long wanted) {
  const bool first = page_limit_ == 0;
  if (!first && page_rows_ < page_limit_) return false;  // the last page was not full
  // A few more than are wanted: some will be duplicates or unfit.
  page_limit_ = wanted + wanted / 8 + 100;
  page_rows_ = 0;
  page_.reset();
  Args args;
  args.datum(UUIDOID, organization_).datum(NUMERICOID, min_quality_score_).bigint(page_limit_);
  if (!first) args.datum(created_at_type_, last_created_at_).datum(UUIDOID, UUIDPGetDatum(&last_id_));
  page_.emplace(first ? statements_.candidates : statements_.more_candidates, std::move(args));
  return true;
}

bool Candidates::fetch_batch() {
  batch_ = page_->fetch(kBatchRows, batch_size_);
  batch_at_ = 0;
  page_rows_ += static_cast<long>(batch_size_);
  return batch_size_ > 0;
}

std::optional<CandidateRow> Candidates::next(long wanted) {
  if (batch_at_ == batch_size_) {
    while (!page_ || !fetch_batch()) {
      if (!open_page(std::max(wanted, 1L))) return std::nullopt;
    }
  }
  return read(batch_->vals[batch_at_++]);
}

CandidateRow Candidates::read(HeapTuple tuple) {
  if (memory_used_ > kBatchBytes) {
    memory_.empty();
    memory_used_ = 0;
  }
  TupleDesc description = batch_->tupdesc;
  MemoryContext memory = memory_.context();
  Datum values[kColumns];
  bool nulls[kColumns];
  Span spans[kColumns] = {};
  guarded([&] {
    MemoryContext outer = MemoryContextSwitchTo(memory);
    heap_deform_tuple(tuple, description, values, nulls);
    for (int column : {kComment, kPlatform, kReply}) {
      if (!nulls[column]) spans[column] = text_unsafe(values[column]);
    }
    MemoryContextSwitchTo(outer);
  });
  created_at_type_ = TupleDescAttr(description, kCreatedAt)->atttypid;
  last_created_at_ = values[kCreatedAt];
  last_id_ = *DatumGetUUIDP(values[kResponseId]);

  auto view = [&](Column column) { return std::string_view(spans[column].bytes, spans[column].size); };
  for (const Span& span : spans) memory_used_ += span.size;
  return {values[kResponseId], values[kCommentId], !nulls[kComment] && !nulls[kReply],
          view(kComment),      view(kPlatform),    view(kReply)};
}

}  // namespace trainer::pg
