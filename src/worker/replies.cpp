#include "worker/replies.h"

#include <algorithm>
#include <utility>

#include "pg/as_role.h"
#include "pg/fault_point.h"
#include "pg/replies.h"
#include "worker/breakers.h"
#include "worker/own_slot.h"
#include "worker/recorder.h"

namespace trainer::worker {

int Replies::room(int calls, int capacity) const {
  return std::clamp(std::max(1, capacity / 2) - calls_.replies_under_way(), 0, std::max(0, calls));
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
    if (calls_.renew(reply)) continue;
    if (reply.state == core::ReplyState::writing) {
      write(reply, std::nullopt);
    } else {
      ask(std::move(reply));
    }
  }
}

void Replies::ask(core::Reply reply) {
  if (auto decision = core::decide_before_reply(reply)) {
    auto problem =
        store([&] { pg::record_no_reply(reply, *decision, "the worker died each time that it was asked for"); });
    if (problem) log_problem("trainer worker could not give a reply up", *problem);
    return;
  }
  if (reply.custom_model_id.empty() || may_ask_model(reply.custom_model_id, settings_.breaker_cooldown)) {
    return calls_.begin(std::move(reply));
  }
  const auto decision = core::pass_over(reply, "circuit breaker is open");
  auto problem = store([&] { pg::record_no_reply(reply, decision, ""); });
  if (problem) log_problem("trainer worker could not pass over a model", *problem);
}

void Replies::record(Finished finished) {
  TRAINER_FAULT_POINT("reply-answered");
  const core::Reply& reply = *finished.reply;
  const auto decision = core::decide_reply(reply, finished.outcome, random_);
  if (!reply.custom_model_id.empty()) {
    if (decision.answered) note_model_answer(reply.custom_model_id);
    if (decision.is_model_fault) {
      note_model_failure(reply.custom_model_id, settings_.breaker_cooldown, core::reason_of(finished.outcome));
    }
  }
  if (decision.answered) return write(reply, finished);
  const std::string error = core::reason_of(finished.outcome) +
                            (finished.outcome.failure.message.empty() ? "" : ": " + finished.outcome.failure.message);
  auto problem = store([&] { pg::record_no_reply(reply, decision, error); });
  // Asked for again when its lease has run out.
  if (problem) log_problem("trainer worker could not record that a reply did not come", *problem);
}

// Answer and text in one transaction. When the app's table does not take the text, the answer alone, which has been
// paid for: the text is kept, and tried again.
void Replies::write(const core::Reply& reply, const std::optional<Finished>& answer) {
  auto keep = [&] { return !answer || pg::keep_reply(reply, *answer->outcome.completion, answer->took); };
  auto problem = store([&] {
    if (!keep()) return;
    pg::write_reply(reply);
    TRAINER_FAULT_POINT("reply-recording");
  });
  pg::release_session_locks();
  if (!problem) return;
  const int tries = answer ? 1 : reply.tries + 1;
  const bool is_last = tries >= core::kWritesOfReply;
  auto again = store([&] {
    if (!keep()) return;
    pg::postpone_reply(reply, is_last ? core::ReplyState::failed : core::ReplyState::writing,
                       core::backoff(tries, random_), problem->message);
  });
  // Not even that: the lease runs out by itself.
  if (again) log_problem("trainer worker could not keep a reply", *again);
}

}  // namespace trainer::worker
