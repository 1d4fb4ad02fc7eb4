// What core knows of tokens, for SQL. All functions depend on their arguments alone.
#include "core/dataset_parameters.h"
#include "core/text.h"
#include "core/tokens/messages.h"
#include "core/tokens/models.h"
#include "pg/spi.h"
#include "pg/token_counter.h"

namespace trainer::pg {
namespace {

// A text argument as UTF-8, without a copy where it is that already. The view is valid as long as this object.
class Utf8Argument {
 public:
  explicit Utf8Argument(Datum value) {
    const text* packed = guarded([&] { return DatumGetTextPP(value); });
    view_ = {VARDATA_ANY(packed), static_cast<std::size_t>(VARSIZE_ANY_EXHDR(packed))};
    if (GetDatabaseEncoding() == PG_UTF8) return;
    converted_ = to_utf8(view_);
    view_ = converted_;
  }
  Utf8Argument(const Utf8Argument&) = delete;
  Utf8Argument& operator=(const Utf8Argument&) = delete;
  std::string_view view() const { return view_; }

 private:
  std::string converted_;
  std::string_view view_;
};

std::int64_t require(core::Result<std::int64_t> count) {
  if (!count) fail(count.error());
  return *count;
}

core::tokens::EncodingName require_encoding(std::string_view model) {
  const auto encoding = core::tokens::encoding_of_model(model);
  if (encoding) return *encoding;
  fail({core::Condition::invalid_argument, "encoding of the model is not known",
        "No encoding of ours is that of the model \"" + core::clean_message(model, 64) + "\".",
        "Models of the encoding o200k_base are gpt-4o, gpt-4.1, gpt-5, o1, o3 and o4-mini, of cl100k_base gpt-4 and "
        "gpt-3.5-turbo."});
}

}  // namespace
}  // namespace trainer::pg

TRAINER_FUNCTION(trainer_max_example_tokens) {
  const trainer::pg::Utf8Argument model(PG_GETARG_DATUM(0));
  PG_RETURN_INT64(trainer::core::max_example_tokens(model.view()));
}

TRAINER_FUNCTION(trainer_estimated_tokens) {
  PG_RETURN_INT64(trainer::core::estimated_tokens(PG_GETARG_INT64(0)));
}

// The server keeps texts valid and below 1 GB, which is also below 2^31 tokens.
TRAINER_FUNCTION(trainer_count_tokens) {
  const trainer::pg::Utf8Argument content(PG_GETARG_DATUM(0));
  const trainer::pg::Utf8Argument model(PG_GETARG_DATUM(1));
  auto& counter = trainer::pg::token_counter(trainer::pg::require_encoding(model.view()));
  const auto count = counter.count_valid(content.view(), &trainer::pg::check_for_interrupts);
  PG_RETURN_INT32(static_cast<int32>(trainer::pg::require(count)));
}

TRAINER_FUNCTION(trainer_model_encoding) {
  const trainer::pg::Utf8Argument model(PG_GETARG_DATUM(0));
  const auto encoding = trainer::core::tokens::encoding_of_model(model.view());
  if (!encoding) PG_RETURN_NULL();
  PG_RETURN_TEXT_P(trainer::pg::to_text(trainer::core::tokens::name(*encoding)));
}

TRAINER_FUNCTION(trainer_example_tokens) {
  const trainer::pg::Utf8Argument messages(PG_GETARG_DATUM(0));
  const trainer::pg::Utf8Argument model(PG_GETARG_DATUM(1));
  const std::int64_t tokens = trainer::pg::require(trainer::core::tokens::count_message_tokens(
      trainer::pg::token_counter(model.view()), messages.view(), &trainer::pg::check_for_interrupts));
  PG_RETURN_INT64(tokens == 0 ? 0 : tokens + trainer::core::tokens::kReplyPrimer);
}
