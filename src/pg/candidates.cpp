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

// The last three may be missing.
enum Column {
  kCreatedAt,
  kResponseId,
  kCommentId,
  kComment,
  kPlatform,
  kReply,
  kMeanRating,
  kNonPreferred,
  kIsVariant,
  kColumns
};

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

// A page of candidates with what their feedback's stars come to.
std::string rated(const std::string& candidates) {
  return "SELECT c.*, (SELECT avg(f.rating)::float8 FROM @extschema@.model_feedback AS f"
         " WHERE f.response_id = c.response_id AND f.organization_id = $1)"
         " FROM (" +
         candidates +
         ") AS c (created_at, response_id, comment_id, comment, platform, reply)"
         " ORDER BY c.created_at DESC, c.response_id DESC";
}

}  // namespace

DatasetStatements dataset_statements(bool with_ratings) {
  Rows rows = execute("SELECT * FROM @extschema@.trainer_dataset_statements()", {}, Snapshot::statement);
  DatasetStatements all{rows.text(0, 0), rows.text(0, 1), rows.text(0, 2), rows.text(0, 3), rows.text(0, 4)};
  if (with_ratings) {
    all.candidates = rated(all.candidates);
    all.more_candidates = rated(all.more_candidates);
  }
  return all;
}

DatasetStatements pair_statements() {
  Rows rows = execute("SELECT * FROM @extschema@.trainer_pair_statements()", {}, Snapshot::statement);
  return {rows.text(0, 0), rows.text(0, 1), rows.text(0, 2), "", rows.text(0, 3)};
}

bool Candidates::open_page(long wanted) {
  const bool first = page_limit_ == 0;
  if (!first && statements_.more_candidates.empty()) return false;
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
  for (int column = description->natts; column < kColumns; ++column) nulls[column] = true;
  guarded([&] {
    MemoryContext outer = MemoryContextSwitchTo(memory);
    heap_deform_tuple(tuple, description, values, nulls);
    for (int column : {kComment, kPlatform, kReply, kNonPreferred}) {
      if (!nulls[column]) spans[column] = text_unsafe(values[column]);
    }
    MemoryContextSwitchTo(outer);
  });
  created_at_type_ = TupleDescAttr(description, kCreatedAt)->atttypid;
  last_created_at_ = values[kCreatedAt];
  if (!nulls[kResponseId]) last_id_ = *DatumGetUUIDP(values[kResponseId]);
  for (const Span& span : spans) memory_used_ += span.size;

  auto view = [&](Column column) { return std::string_view(spans[column].bytes, spans[column].size); };
  CandidateRow row{};
  if (!nulls[kResponseId]) row.response_id = values[kResponseId];
  row.comment_id = values[kCommentId];
  row.comment = view(kComment);
  row.platform = view(kPlatform);
  row.reply = view(kReply);
  const bool is_pair = description->natts > kNonPreferred;
  row.has_texts = !nulls[kComment] && !nulls[kReply] && !(is_pair && nulls[kNonPreferred]);
  if (!nulls[kMeanRating]) row.mean_rating = DatumGetFloat8(values[kMeanRating]);
  if (is_pair) row.non_preferred = view(kNonPreferred);
  row.is_variant = is_pair && DatumGetBool(values[kIsVariant]);
  return row;
}

}  // namespace trainer::pg
