// trainer_generate(): a reply to a comment, in the session that asks for it.
#include <chrono>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/serving.h"
#include "pg/budget.h"
#include "pg/generation.h"
#include "pg/settings.h"
#include "pg/spi.h"
#include "provider/call.h"
#include "worker/breakers.h"
#include "worker/counters.h"
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

// What a rung came to.
struct Asked {
  core::Outcome outcome;
  core::After after = core::After::next_rung;
  milliseconds took{};  // the last attempt
};

// Asks one rung until it answers or its time is over.
Asked ask(const Candidate& candidate, const core::ChatRequest& request, const pg::Settings& settings,
          milliseconds longest) {
  const auto end = Clock::now() + longest;
  auto left = [&] { return std::chrono::duration_cast<milliseconds>(end - Clock::now()); };
  for (int attempt = 1;; ++attempt) {
    auto call = provider::make_chat(request, dialect_of(request.model));
    const auto began = Clock::now();
    auto result = call_provider(*call, CallKind::reply, settings, std::max(left(), milliseconds{1}));
    if (!result.ok()) pg::fail(result.error());
    Asked asked;
    asked.outcome = std::move(result).value();
    asked.took = std::chrono::ceil<milliseconds>(Clock::now() - began);
    const core::Next next = core::after_attempt(asked.outcome, attempt, left(), random_unit);
    asked.after = next.after;
    note_attempt(candidate.custom_model_id, next.is_model_fault, settings.breaker_cooldown, asked.outcome);
    if (next.after != core::After::again) return asked;
    count_retry(CallKind::reply);
    pause(next.wait);
  }
}

[[noreturn]] void fail_unanswered(const core::Outcome& outcome, const std::string& why) {
  core::Error error{core::Condition::provider_unavailable, "no model answered", why + ".",
                    "SELECT * FROM trainer_check() tells whether the provider can be reached and takes the key.", ""};
  if (!outcome.failure.message.empty()) {
    // A provider's words may repeat the comment's, which are not for the log.
    error.log_detail = error.detail;
    error.detail += " " + outcome.failure.message;
  }
  pg::fail(std::move(error));
}

// What the caller gets, last; before it what was paid for and could not be used.
using Generations = std::vector<pg::Generation>;

pg::Generation generation_of(const Arguments& arguments, const pg::Comment& comment, const Candidate& candidate,
                             const pg::Assignment& assignment, Asked asked) {
  pg::Generation made;
  made.assignment = assignment;
  made.organization_id = comment.organization_id;
  made.comment_id = arguments.comment_id;
  made.custom_model_id = candidate.custom_model_id;
  made.rung = candidate.rung;
  made.model = candidate.model;
  made.completion = std::move(*asked.outcome.completion);
  made.response_time_ms = asked.took.count();
  return made;
}

// What the models of a ladder are asked: made when one is asked, or all before, where a budget wants to know what the
// reply can cost.
class Prompts {
 public:
  Prompts(const pg::Comment& comment, const std::vector<Candidate>& candidates, int max_tokens, pg::ReplyBudget& budget)
      : comment_(comment), first_(candidates.data()) {
    if (!pg::has_reply_budget(comment.organization_id)) return;
    std::vector<std::string> models;
    for (const Candidate& candidate : candidates) {
      models.push_back(candidate.model);
      messages_.push_back(messages_for(comment, candidate));
    }
    budget.take(comment.organization_id, models, messages_, max_tokens);
  }

  std::string of(const Candidate& candidate) const {
    return messages_.empty() ? messages_for(comment_, candidate)
                             : messages_.at(static_cast<std::size_t>(&candidate - first_));
  }

 private:
  const pg::Comment& comment_;
  const Candidate* first_;
  std::vector<std::string> messages_;
};

Generations generate(const Arguments& arguments, pg::ReplyBudget& budget) {
  const pg::Settings settings = pg::current_settings();
  const pg::Comment comment = known_comment(arguments.comment_id);
  pg::require_recordable(comment.organization_id, arguments.comment_id, arguments.options.response_id);
  Ladder ladder(comment, arguments.options.rung, settings);
  const Prompts prompts(comment, ladder.candidates(), arguments.max_tokens, budget);
  const auto end = Clock::now() + settings.request_timeout;
  int rungs = static_cast<int>(ladder.candidates().size());
  Generations made;
  auto add = [&](const Candidate& candidate, Asked asked) -> pg::Generation& {
    made.push_back(generation_of(arguments, comment, candidate, ladder.assignment(), std::move(asked)));
    made.back().is_fallback = &candidate != &ladder.candidates().front();
    return made.back();
  };
  core::Outcome outcome;
  for (const Candidate& candidate : ladder.candidates()) {
    if (!candidate.custom_model_id.empty() && !may_ask_model(candidate.custom_model_id, settings.breaker_cooldown)) {
      ladder.pass(std::string(core::name(candidate.rung)) + ": circuit breaker is open");
      --rungs;
      continue;
    }
    const auto left = std::chrono::duration_cast<milliseconds>(end - Clock::now());
    Asked asked = ask(candidate, {candidate.model, prompts.of(candidate), arguments.temperature, arguments.max_tokens},
                      settings, core::share_of(left, rungs--));
    const core::After after = asked.after;
    if (after == core::After::answered) {
      pg::Generation& answer = add(candidate, std::move(asked));
      answer.response_id = arguments.options.response_id;
      answer.reason = ladder.why().empty() ? "active model" : ladder.why();
      return made;
    }
    outcome = asked.outcome;
    ladder.pass(std::string(core::name(candidate.rung)) + ": " + core::reason_of(outcome));
    if (outcome.completion) {
      pg::Generation& withheld = add(candidate, std::move(asked));
      withheld.reason = core::reason_of(outcome);
      withheld.withheld = true;
    }
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
  Generations all;
  Datum id = 0;
  Datum cost = 0;
  bool has_cost = false;
  {
    pg::Spi spi;
    pg::ReplyBudget budget;
    all = generate(read_arguments(fcinfo), budget);
    pg::RecordedGeneration recorded{};
    std::vector<Datum> ids;
    for (const pg::Generation& each : all) {
      recorded = pg::record_generation(each);
      count_generation(each.rung, each.is_fallback, recorded.cost);
      ids.push_back(recorded.id);
    }
    budget.settle(ids);
    has_cost = recorded.has_cost;
    pg::guarded([&] {
      id = SPI_datumTransfer(recorded.id, false, UUID_LEN);
      if (has_cost) cost = SPI_datumTransfer(recorded.cost_cents, false, -1);
    });
  }
  const pg::Generation& made = all.back();
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
