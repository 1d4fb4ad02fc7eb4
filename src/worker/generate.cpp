// trainer_generate(): a reply to a comment, in the session that asks for it.
#include <chrono>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/serving.h"
#include "pg/generation.h"
#include "pg/settings.h"
#include "pg/spi.h"
#include "provider/call.h"
#include "worker/breakers.h"
#include "worker/dialects.h"
#include "worker/ladder.h"
#include "worker/process.h"
#include "worker/session_calls.h"

extern "C" {
#include <access/htup_details.h>
#include <access/xact.h>
#include <miscadmin.h>
#include <utils/fmgrprotos.h>
#include <utils/uuid.h>
}

namespace trainer::worker {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct Arguments {
  Datum comment_id;
  double temperature;
  int max_tokens;
  pg::GenerationOptions options;
};

[[noreturn]] void refuse(const char* message, const char* detail) {
  pg::fail({core::Condition::invalid_argument, message, detail, ""});
}

Arguments read_arguments(FunctionCallInfo fcinfo) {
  constexpr const char* kNames[] = {"comment_id", "temperature", "max_tokens", "options"};
  for (int argument = 0; argument < 4; ++argument) {
    if (PG_ARGISNULL(argument)) {
      pg::fail({core::Condition::invalid_argument, std::string(kNames[argument]) + " must not be null", "", ""});
    }
  }
  Arguments arguments{PG_GETARG_DATUM(0), 0, PG_GETARG_INT32(2), {}};
  Datum temperature = PG_GETARG_DATUM(1);
  arguments.temperature =
      pg::guarded([&] { return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, temperature)); });
  require_limits(arguments.temperature, arguments.max_tokens);
  arguments.options = pg::read_generation_options(PG_GETARG_DATUM(3));
  return arguments;
}

double random_unit() {
  static std::mt19937_64 engine(std::random_device{}());
  return std::uniform_real_distribution<double>{0.0, 1.0}(engine);
}

void pause(milliseconds time) {
  const auto end = Clock::now() + time;
  for (auto now = Clock::now(); now < end; now = Clock::now()) wait(std::chrono::ceil<milliseconds>(end - now), -1);
}

// Asks one rung until it answers or its time is over.
core::Outcome ask(const Candidate& candidate, const core::ChatRequest& request, const pg::Settings& settings,
                  milliseconds longest, core::After& after) {
  const auto end = Clock::now() + longest;
  for (int attempt = 1;; ++attempt) {
    auto left = std::chrono::duration_cast<milliseconds>(end - Clock::now());
    auto call = provider::make_chat(request, dialect_of(request.model));
    auto result = call_provider(*call, settings, std::max(left, milliseconds{1}));
    if (!result.ok()) pg::fail(result.error());
    core::Outcome outcome = std::move(result).value();
    left = std::chrono::duration_cast<milliseconds>(end - Clock::now());
    const core::Next next = core::after_attempt(outcome, attempt, left, random_unit);
    after = next.after;
    if (next.after == core::After::again) {
      pause(next.wait);
      continue;
    }
    if (candidate.custom_model_id.empty()) return outcome;
    if (next.after == core::After::answered) note_model_answer(candidate.custom_model_id);
    if (next.is_model_fault) {
      note_model_failure(candidate.custom_model_id, settings.breaker_cooldown, core::reason_of(outcome));
    }
    return outcome;
  }
}

[[noreturn]] void fail_unanswered(const core::Outcome& outcome, const std::string& why) {
  std::string detail = why + ".";
  if (!outcome.failure.message.empty()) detail += " " + outcome.failure.message;
  pg::fail({core::Condition::provider_unavailable, "no model answered", detail,
            "SELECT * FROM trainer_check() tells whether the provider can be reached and takes the key."});
}

pg::Generation generate(const Arguments& arguments) {
  const pg::Settings settings = pg::current_settings();
  const pg::Comment comment = known_comment(arguments.comment_id);
  Ladder ladder(comment, arguments.options.rung, settings);
  const auto began = Clock::now();
  const auto end = began + settings.request_timeout;
  int rungs = static_cast<int>(ladder.candidates().size());
  core::Outcome outcome;
  for (const Candidate& candidate : ladder.candidates()) {
    if (!candidate.custom_model_id.empty() && !may_ask_model(candidate.custom_model_id, settings.breaker_cooldown)) {
      ladder.pass(std::string(core::name(candidate.rung)) + ": circuit breaker is open");
      --rungs;
      continue;
    }
    const auto left = std::chrono::duration_cast<milliseconds>(end - Clock::now());
    core::After after = core::After::next_rung;
    outcome =
        ask(candidate, {candidate.model, messages_for(comment, candidate), arguments.temperature, arguments.max_tokens},
            settings, core::share_of(left, rungs--), after);
    if (after == core::After::answered) {
      pg::Generation made;
      made.organization_id = comment.organization_id;
      made.comment_id = arguments.comment_id;
      made.response_id = arguments.options.response_id;
      made.custom_model_id = candidate.custom_model_id;
      made.rung = candidate.rung;
      made.reason = ladder.why().empty() ? "active model" : ladder.why();
      made.model = candidate.model;
      made.completion = std::move(*outcome.completion);
      made.response_time_ms = std::chrono::ceil<milliseconds>(Clock::now() - began).count();
      return made;
    }
    ladder.pass(std::string(core::name(candidate.rung)) + ": " + core::reason_of(outcome));
    if (after == core::After::give_up) break;
  }
  fail_unanswered(outcome, ladder.why());
}

Datum text_datum(const std::string& value, bool& null) {
  null = value.empty();
  return null ? Datum{0} : PointerGetDatum(pg::to_text(value));
}

Datum generate_in_session(FunctionCallInfo fcinfo) {
  // What it cost must be written down, so a transaction that cannot write is told before anything is paid for.
  pg::guarded([] { PreventCommandIfReadOnly("trainer_generate()"); });
  pg::Generation made;
  Datum id = 0;
  Datum cost = 0;
  bool has_cost = false;
  {
    pg::Spi spi;
    made = generate(read_arguments(fcinfo));
    pg::RecordedGeneration recorded = pg::record_generation(made);
    has_cost = recorded.has_cost;
    pg::guarded([&] {
      id = SPI_datumTransfer(recorded.id, false, UUID_LEN);
      if (has_cost) cost = SPI_datumTransfer(recorded.cost_cents, false, -1);
    });
  }
  auto number = [](const std::optional<int>& value) { return Int32GetDatum(value.value_or(0)); };
  bool nulls[10] = {};
  Datum values[10];
  bool ignored = false;
  values[0] = text_datum(made.completion.text, nulls[0]);
  values[1] = text_datum(std::string(core::name(made.rung)), ignored);
  values[2] = text_datum(made.reason, ignored);
  nulls[3] = made.custom_model_id.empty();
  const char* model = made.custom_model_id.c_str();
  if (!nulls[3]) values[3] = pg::guarded([&] { return DirectFunctionCall1(uuid_in, CStringGetDatum(model)); });
  values[4] = text_datum(made.model, ignored);
  values[5] = number(made.completion.prompt_tokens);
  nulls[5] = !made.completion.prompt_tokens;
  values[6] = number(made.completion.completion_tokens);
  nulls[6] = !made.completion.completion_tokens;
  values[7] = cost;
  nulls[7] = !has_cost;
  values[8] = Int32GetDatum(static_cast<int>(made.response_time_ms));
  values[9] = id;
  return pg::guarded([&] {
    TupleDesc description;
    if (get_call_result_type(fcinfo, nullptr, &description) != TYPEFUNC_COMPOSITE || description->natts != 10)
      elog(ERROR, "return type must be the row of trainer_generate()");
    return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(description), values, nulls));
  });
}

Datum prompt(FunctionCallInfo fcinfo) {
  if (PG_ARGISNULL(0) || PG_ARGISNULL(1)) refuse("comment_id and options must not be null", "");
  std::string messages;
  {
    pg::Spi spi;
    const pg::GenerationOptions options = pg::read_generation_options(PG_GETARG_DATUM(1));
    const pg::Comment comment = known_comment(PG_GETARG_DATUM(0));
    messages = messages_for(comment, Ladder(comment, options.rung, pg::current_settings()).candidates().front());
  }
  return PointerGetDatum(pg::to_text(messages));
}

}  // namespace
}  // namespace trainer::worker

TRAINER_FUNCTION(trainer_generate) {
  return trainer::worker::generate_in_session(fcinfo);
}

TRAINER_FUNCTION(trainer_prompt) {
  return trainer::worker::prompt(fcinfo);
}
