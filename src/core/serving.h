// Serving: the ladder of models that may answer a comment, what follows from an attempt that failed, and the circuit
// breaker that keeps a model which does not answer from being asked each time.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "core/operation.h"
#include "core/retry.h"

namespace trainer::core {

// From the best to the one that is always there.
enum class Rung { fine_tuned, exemplar, base };
std::string_view name(Rung rung);
// nullopt for a name that this version does not know.
std::optional<Rung> rung(std::string_view name);

enum class After {
  answered,
  again,      // the same model, after a while
  next_rung,  // this one does not answer
  give_up,    // none will: the account is at fault
};

struct Next {
  After after = After::next_rung;
  std::chrono::milliseconds wait{};  // before `again`
  bool is_model_fault = false;       // counts for the circuit breaker
};

// Attempts at one rung, the first included. A model that has refused is not asked again.
constexpr int kAttemptsOfRung = 3;

// `attempt` counts from 1; `left` is the time that this rung still has.
Next after_attempt(const Outcome& outcome, int attempt, std::chrono::milliseconds left, const Random& random);

// Why a rung did not answer, in a word or two: the provider's code, or what went wrong.
std::string reason_of(const Outcome& outcome);

// The part of the time left that one of `rungs` rungs may take, so that the others get a turn.
constexpr std::chrono::milliseconds share_of(std::chrono::milliseconds left, int rungs) {
  return rungs > 1 ? left / rungs : left;
}

// The pattern of M. Nygard, "Release It!": closed, until so many attempts in a row have failed; then open for a while,
// then one caller tries (half open), and what comes of it closes or opens it again. Plain data, for shared memory.
// Times are milliseconds since any one moment.
constexpr int kBreakerFailures = 5;
struct Breaker {
  int failures = 0;           // in a row
  std::int64_t retry_at = 0;  // while open: when the next probe may go

  bool is_open() const { return failures >= kBreakerFailures; }
};
// May the model be asked? While the breaker is open, true for one caller each `cooldown`: whoever asks has the probe,
// and if he dies with it the next one has it after that.
bool may_ask(Breaker& breaker, std::int64_t now, std::int64_t cooldown);
void note_answer(Breaker& breaker);
// True when this failure opened it.
bool note_failure(Breaker& breaker, std::int64_t now, std::int64_t cooldown);

}  // namespace trainer::core
