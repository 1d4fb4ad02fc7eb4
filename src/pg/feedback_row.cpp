#include "pg/feedback_row.h"

#include <algorithm>
#include <array>
#include <cstring>

extern "C" {
#include <access/htup_details.h>
#include <executor/spi.h>
#include <utils/builtins.h>
#include <utils/datum.h>
#include <utils/fmgrprotos.h>
#include <utils/lsyscache.h>
#include <utils/memutils.h>
#include <utils/numeric.h>
}

namespace trainer::pg {
namespace {

constexpr std::array<const char*, kFeedbackColumns> kNames{"organization_id",
                                                           "custom_model_id",
                                                           "response_id",
                                                           "feedback_type",
                                                           "original_roast",
                                                           "edited_roast",
                                                           "rating",
                                                           "quality_score",
                                                           "tone_match",
                                                           "humor_effectiveness",
                                                           "edit_distance",
                                                           "created_at",
                                                           "xid"};
constexpr std::array<std::string_view, 4> kTypes{"approved", "rejected", "edited", "regenerated"};

bool is_named(TupleDesc description, int number, const char* name) {
  return number > 0 && number <= description->natts &&
         std::strcmp(NameStr(TupleDescAttr(description, number - 1)->attname), name) == 0;
}

// Looked up once a table, and again where that is true no more: the extension may be dropped and made again.
int attribute_of(Relation table, FeedbackColumn column) {
  static std::array<int, kFeedbackColumns> numbers;
  TupleDesc description = RelationGetDescr(table);
  int& number = numbers[column];
  if (is_named(description, number, kNames[column])) return number;
  number = guarded([&] { return SPI_fnumber(description, kNames[column]); });
  if (number > 0) return number;
  guarded([&] {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                    errmsg("table \"%s\" has no column \"%s\"", RelationGetRelationName(table), kNames[column])));
  });
  pg_unreachable();
}

std::string_view view_of(Datum value) {
  text* bytes = guarded([&] { return DatumGetTextPP(value); });
  return {VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)};
}

// Not below 0 and not above 1; not a number is above all.
bool is_share(Datum numeric) {
  static Datum bounds[2];
  return guarded([&] {
    if (bounds[1] == 0) {
      MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
      for (int bound : {0, 1}) bounds[bound] = NumericGetDatum(int64_to_numeric(bound));
      MemoryContextSwitchTo(caller);
    }
    return DatumGetInt32(DirectFunctionCall2(numeric_cmp, numeric, bounds[0])) >= 0 &&
           DatumGetInt32(DirectFunctionCall2(numeric_cmp, numeric, bounds[1])) <= 0;
  });
}

}  // namespace

FeedbackRow::FeedbackRow(Relation table, HeapTuple tuple) : table_(table), tuple_(tuple) {
  TupleDesc description = RelationGetDescr(table);
  const auto columns = static_cast<Size>(description->natts);
  guarded([&] {
    values_ = static_cast<Datum*>(palloc(columns * sizeof(Datum)));
    nulls_ = static_cast<bool*>(palloc(columns * sizeof(bool)));
    heap_deform_tuple(tuple_, description, values_, nulls_);
  });
}

std::optional<Datum> FeedbackRow::get(FeedbackColumn column) const {
  const int at = attribute_of(table_, column) - 1;
  return nulls_[at] ? std::nullopt : std::optional<Datum>(values_[at]);
}

bool FeedbackRow::is_type(std::string_view type) const {
  const std::optional<Datum> own = get(kType);
  return own && view_of(*own) == type;
}

bool FeedbackRow::is(int at, std::optional<Datum> value) const {
  if (!value || nulls_[at]) return !value && nulls_[at];
  const Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(table_), at);
  return guarded([&] { return datum_image_eq(values_[at], *value, attribute->attbyval, attribute->attlen); });
}

bool FeedbackRow::has_same(FeedbackColumn column, const FeedbackRow& other) const {
  return is(attribute_of(table_, column) - 1, other.get(column));
}

void FeedbackRow::set(FeedbackColumn column, std::optional<Datum> value) {
  const int at = attribute_of(table_, column) - 1;
  if (is(at, value)) return;
  values_[at] = value.value_or(Datum{0});
  nulls_[at] = !value;
  is_changed_ = true;
}

void FeedbackRow::refuse(FeedbackColumn column, const char* message, const char* hint) const {
  const int attribute = attribute_of(table_, column);
  guarded([&] {
    Oid output = InvalidOid;
    bool is_varlena = false;
    getTypeOutputInfo(TupleDescAttr(RelationGetDescr(table_), attribute - 1)->atttypid, &output, &is_varlena);
    const char* value = nulls_[attribute - 1] ? "null" : OidOutputFunctionCall(output, values_[attribute - 1]);
    ereport(ERROR,
            (errcode(ERRCODE_CHECK_VIOLATION), errmsg("%s", message), errdetail("%s is %s.", kNames[column], value),
             errhint("%s", hint), errtablecol(table_, attribute)));
  });
  pg_unreachable();
}

void FeedbackRow::require_values() const {
  // NOT NULL is the server's to check, after this.
  if (const std::optional<Datum> type = get(kType)) {
    const std::string_view name = view_of(*type);
    if (std::find(kTypes.begin(), kTypes.end(), name) == kTypes.end()) {
      refuse(kType, "feedback type is not known", "The types are approved, rejected, edited and regenerated.");
    }
    if (name == "edited" && !get(kEdited)) {
      refuse(kEdited, "feedback of type \"edited\" needs the edited text", "Set edited_roast.");
    }
  }
  if (const std::optional<Datum> rating = get(kRating)) {
    if (DatumGetInt16(*rating) < 1 || DatumGetInt16(*rating) > 5) {
      refuse(kRating, "rating is out of range", "It must be between 1 and 5.");
    }
  }
  for (FeedbackColumn column : {kQuality, kHumor}) {
    const std::optional<Datum> share = get(column);
    if (share && !is_share(*share)) {
      refuse(column, column == kQuality ? "quality_score is out of range" : "humor_effectiveness is out of range",
             "It must be between 0 and 1.");
    }
  }
  if (const std::optional<Datum> distance = get(kEditDistance)) {
    const float share = DatumGetFloat4(*distance);
    if (!(share >= 0 && share <= 1)) {
      refuse(kEditDistance, "edit_distance is out of range", "It must be between 0 and 1.");
    }
  }
}

// What identifies an old row stays, as heap_modify_tuple() keeps it.
HeapTuple FeedbackRow::tuple() const {
  if (!is_changed_) return tuple_;
  return guarded([&] {
    HeapTuple made = heap_form_tuple(RelationGetDescr(table_), values_, nulls_);
    made->t_data->t_ctid = tuple_->t_data->t_ctid;
    made->t_self = tuple_->t_self;
    made->t_tableOid = tuple_->t_tableOid;
    return made;
  });
}

}  // namespace trainer::pg
