#include "core/serving.h"

#include <algorithm>

#include "core/names.h"

namespace trainer::core {

using std::chrono::milliseconds;

namespace {

constexpr detail::Names<Rung, 3> kRungs{{
    {Rung::fine_tuned, "fine_tuned"},
    {Rung::exemplar, "exemplar"},
    {Rung::base, "base"},
}};

// A person waits: shorter than what the outbox does.
constexpr milliseconds kFirstWait{100};

bool has_answer(const Outcome& outcome) {
  return outcome.delivery == Delivery::ok && outcome.completion && !outcome.completion->filtered &&
         !outcome.completion->text.empty();
}

bool may_pass(const Outcome& outcome) {
  return outcome.delivery != Delivery::ok && outcome.delivery != Delivery::rejected;
}

}  // namespace

std::string_view name(Rung rung) {
  return detail::name_in(kRungs, rung);
}

std::optional<Rung> rung(std::string_view name) {
  return detail::value_in(kRungs, name);
}

Next after_attempt(const Outcome& outcome, int attempt, milliseconds left, const Random& random) {
  if (has_answer(outcome)) return {After::answered, {}, false};
  if (outcome.failure.of_account) return {After::give_up, {}, false};
  // What a model has said, what a comment or a caller has made of the request (400), and a limit on all of them (429)
  // are no fault of its own.
  const int status = outcome.failure.http_status;
  const bool is_fault = outcome.delivery != Delivery::ok && (status < 400 || status == 404 || status >= 500);
  if (!may_pass(outcome) || attempt >= kAttemptsOfRung) return {After::next_rung, {}, is_fault};
  milliseconds wait = kFirstWait * (1 << (attempt - 1));
  wait = milliseconds(static_cast<std::int64_t>(static_cast<double>(wait.count()) * (0.5 + random() / 2)));
  wait = std::max(wait, outcome.failure.retry_after.value_or(milliseconds{0}));
  if (wait >= left) return {After::next_rung, {}, is_fault};
  return {After::again, wait, is_fault};
}

std::string reason_of(const Outcome& outcome) {
  if (outcome.delivery == Delivery::ok) {
    return outcome.completion && outcome.completion->filtered ? "content_filter" : "empty_reply";
  }
  if (!outcome.failure.code.empty()) return outcome.failure.code;
  return outcome.failure.http_status == 0 ? "no_answer" : "status_" + std::to_string(outcome.failure.http_status);
}

bool may_ask(Breaker& breaker, std::int64_t now, std::int64_t cooldown) {
  if (!breaker.is_open()) return true;
  // A clock that was set back must not keep it open for longer.
  if (now < breaker.retry_at && breaker.retry_at - now <= cooldown) return false;
  breaker.retry_at = now + cooldown;
  return true;
}

void note_answer(Breaker& breaker) {
  breaker = {};
}

bool note_failure(Breaker& breaker, std::int64_t now, std::int64_t cooldown) {
  breaker.retry_at = now + cooldown;
  const bool was_open = breaker.is_open();
  breaker.failures = std::min(breaker.failures + 1, kBreakerFailures);
  return !was_open && breaker.is_open();
}

}  // namespace trainer::core
