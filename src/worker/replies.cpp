#include "worker/replies.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "pg/as_role.h"
#include "pg/fault_point.h"
#include "pg/replies.h"
#include "worker/breakers.h"
#include "worker/counters.h"
#include "worker/own_slot.h"
#include "worker/recorder.h"

namespace trainer::worker {
namespace {

using Clock = std::chrono::steady_clock;

// How long replies are written before the worker looks at its other work.
constexpr std::chrono::milliseconds kWriteFor{50};

// Replies that were written down in a transaction, with their costs: counted once it has committed.
struct Made {
  core::Rung rung;
  bool is_fallback;
  double cents;
};

void count(const std::vector<Made>& made) {
  for (const Made& each : made) count_generation(each.rung, each.is_fallback, each.cents);
}

bool keep(const core::Reply& reply, const std::optional<Finished>& answer, std::vector<Made>& made) {
  if (!answer) return true;
  const auto cents = pg::keep_reply(reply, *answer->outcome.completion, answer->took);
  if (cents) made.push_back({reply.kind, reply.rung > 0, *cents});
  return cents.has_value();
}

}  // namespace

int Replies::room(int calls, int capacity) const {
  const int taken = calls_.replies_under_way() + static_cast<int>(unwritten_.size());
  return std::clamp(std::max(1, capacity / 2) - taken, 0, std::max(0, calls));
}

int Replies::claim(std::int64_t epoch, int count, std::chrono::milliseconds lease) {
  claimed_.clear();
  // Nearly always nothing is asked for, which one look at an index tells.
  until_next_ = pg::until_next_reply();
  if (count == 0 || !until_next_ || until_next_->count() > 0) return 0;
  claimed_ = pg::claim_replies({epoch, count, lease}, cursor_);
  until_next_ = static_cast<int>(claimed_.size()) < count ? pg::until_next_reply() : std::nullopt;
  return static_cast<int>(claimed_.size());
}

void Replies::begin() {
  for (core::Reply& reply : std::exchange(claimed_, {})) {
    TRAINER_FAULT_POINT("reply-claimed");
    if (calls_.renew(reply) || renew(reply)) continue;
    if (reply.state == core::ReplyState::writing) {
      unwritten_.push_back({std::move(reply), std::nullopt});
    } else {
      ask(std::move(reply));
    }
  }
}

bool Replies::renew(const core::Reply& claimed) {
  auto known = std::find_if(unwritten_.begin(), unwritten_.end(),
                            [&](const Unwritten& each) { return each.reply.id == claimed.id; });
  if (known == unwritten_.end()) return false;
  known->reply = claimed;
  return true;
}

void Replies::ask(core::Reply reply) {
  if (auto decision = core::decide_before_reply(reply)) {
    auto problem = store([&] { pg::record_no_reply(reply, *decision, decision->error); });
    if (problem) log_problem("trainer worker could not give a reply up", *problem);
    return;
  }
  if (reply.custom_model_id.empty() || may_ask_model(reply.custom_model_id, settings_.breaker_cooldown)) {
    return calls_.begin(std::move(reply));
  }
  const auto decision = core::pass_over(reply, "circuit breaker is open", random_);
  auto problem = store([&] { pg::record_no_reply(reply, decision, ""); });
  if (problem) log_problem("trainer worker could not pass over a model", *problem);
}

void Replies::record(Finished finished) {
  TRAINER_FAULT_POINT("reply-answered");
  const core::Reply& reply = *finished.reply;
  const auto decision = core::decide_reply(reply, finished.outcome, random_);
  note_attempt(reply.custom_model_id, decision.is_model_fault, settings_.breaker_cooldown, finished.outcome);
  if (decision.answered) {
    unwritten_.push_back({reply, std::move(finished)});
    return;
  }
  const std::string error = core::reason_of(finished.outcome) +
                            (finished.outcome.failure.message.empty() ? "" : ": " + finished.outcome.failure.message);
  if (core::is_retry(reply, decision)) count_retry(CallKind::reply);
  const auto& withheld = finished.outcome.completion;
  std::optional<double> cents;
  auto problem = store([&] {
    if (withheld) cents = pg::record_withheld(reply, *withheld, finished.took, core::reason_of(finished.outcome));
    pg::record_no_reply(reply, decision, error);
  });
  if (cents && !problem) count({{reply.kind, reply.rung > 0, *cents}});
  // Asked for again when its lease has run out.
  if (problem) log_problem("trainer worker could not record that a reply did not come", *problem);
}

void Replies::write_some() {
  const auto end = Clock::now() + kWriteFor;
  while (!unwritten_.empty() && Clock::now() < end) {
    const Unwritten next = std::move(unwritten_.front());
    unwritten_.pop_front();
    write(next);
  }
  if (!unwritten_.empty()) keep_unwritten();
}

// What has to wait has been paid for.
void Replies::keep_unwritten() {
  std::vector<Made> made;
  auto problem = store([&] {
    for (const Unwritten& each : unwritten_) keep(each.reply, each.answer, made);
  });
  // They are kept one by one, with the text.
  if (problem) return log_problem("trainer worker could not keep replies", *problem);
  count(made);
  for (Unwritten& each : unwritten_) each.answer.reset();
}

// Answer and text in one transaction. When the app's table does not take the text, the answer alone, which has been
// paid for: the text is kept, and tried again.
void Replies::write(const Unwritten& unwritten) {
  const auto& [reply, answer] = unwritten;
  std::vector<Made> made;
  auto problem = store([&] {
    if (!keep(reply, answer, made)) return;
    pg::write_reply(reply);
    TRAINER_FAULT_POINT("reply-recording");
  });
  pg::release_session_locks();
  if (!problem) return count(made);
  made.clear();
  const int tries = reply.state == core::ReplyState::writing ? reply.tries + 1 : 1;
  const bool is_last = tries >= core::kWritesOfReply;
  auto again = store([&] {
    if (!keep(reply, answer, made)) return;
    pg::postpone_reply(reply, is_last ? core::ReplyState::failed : core::ReplyState::writing,
                       core::backoff(tries, random_), problem->message);
  });
  // Not even that: the lease runs out by itself.
  if (again) return log_problem("trainer worker could not keep a reply", *again);
  count(made);
}

}  // namespace trainer::worker
