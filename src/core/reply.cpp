#include "core/reply.h"

#include <algorithm>
#include <utility>

#include "core/names.h"

namespace trainer::core {
namespace {

using std::chrono::milliseconds;

constexpr detail::Names<ReplyState, 5> kReplyStates{{
    {ReplyState::ready, "ready"},
    {ReplyState::sending, "sending"},
    {ReplyState::writing, "writing"},
    {ReplyState::done, "done"},
    {ReplyState::failed, "failed"},
}};

ReplyDecision to_next_rung(const Reply& reply, std::string_view reason) {
  ReplyDecision decision;
  decision.rung = reply.rung + 1;
  decision.why = with_reason(reply.why, std::string(name(reply.kind)) + ": " + std::string(reason));
  return decision;
}

// The same rung again.
ReplyDecision wait(const Reply& reply, milliseconds due_in) {
  ReplyDecision decision;
  decision.rung = reply.rung;
  decision.why = reply.why;
  decision.due_in = due_in;
  if (reply.age > kGiveUpReplyAfter) decision.state = ReplyState::failed;
  return decision;
}

// No rung has answered: the ladder is climbed down again later, from below the last model whose answer was held back:
// it would be held back, and paid for, once more.
ReplyDecision begin_again(const Reply& reply, milliseconds due_in) {
  ReplyDecision decision = wait(reply, due_in);
  if (decision.state == ReplyState::failed) return decision;
  decision.rung = reply.first_rung;
  decision.why = reply.first_rung == 0 ? "" : "the answer of a better model was withheld";
  return decision;
}

}  // namespace

std::string_view name(ReplyState state) {
  return detail::name_in(kReplyStates, state);
}

std::optional<ReplyState> reply_state(std::string_view name) {
  return detail::value_in(kReplyStates, name);
}

std::string with_reason(std::string why, std::string_view reason) {
  return why.append(why.empty() ? "" : "; ").append(reason);
}

std::optional<ReplyDecision> decide_before_reply(const Reply& reply) {
  ReplyDecision decision;
  if (!reply.has_role) {
    decision.error = "the role that asked for the reply is gone";
  } else if (reply.lost >= kLostReplies) {
    decision.error = "the worker died each time that it was asked for";
  } else {
    return std::nullopt;
  }
  decision.state = ReplyState::failed;
  decision.rung = reply.rung;
  decision.why = reply.why;
  return decision;
}

bool is_retry(const Reply& reply, const ReplyDecision& decision) {
  return !decision.answered && decision.state == ReplyState::ready && decision.rung <= reply.rung;
}

ReplyDecision pass_over(const Reply& reply, std::string_view reason, const Random& random) {
  ReplyDecision decision =
      reply.rung + 1 < reply.rungs ? to_next_rung(reply, reason) : begin_again(reply, backoff(reply.attempt, random));
  decision.first_rung = reply.first_rung;
  return decision;
}

ReplyDecision decide_reply(const Reply& reply, const Outcome& outcome, const Random& random) {
  // Nobody waits for it: a rung has all its attempts.
  const Next next = after_attempt(outcome, reply.tries + 1, milliseconds::max(), random);
  const milliseconds asked = outcome.failure.retry_after.value_or(milliseconds{0});
  ReplyDecision decision;
  if (next.after == After::answered) {
    decision.answered = true;
  } else if (next.after == After::again) {
    decision = wait(reply, std::max(asked, backoff(reply.tries + 1, random)));
    decision.tries = reply.tries + 1;
  } else if (next.after == After::give_up) {
    decision = wait(reply, std::max(asked, backoff(reply.attempt, random)));
  } else if (reply.rung + 1 < reply.rungs) {
    decision = to_next_rung(reply, reason_of(outcome));
  } else if (outcome.delivery == Delivery::ok || outcome.delivery == Delivery::rejected) {
    decision = wait(reply, milliseconds{0});
    decision.state = ReplyState::failed;  // again it would come to the same
  } else {
    decision = begin_again(reply, std::max(asked, backoff(reply.attempt, random)));
  }
  decision.first_rung = outcome.completion ? reply.rung + 1 : reply.first_rung;
  decision.is_model_fault = next.is_model_fault;
  return decision;
}

}  // namespace trainer::core
