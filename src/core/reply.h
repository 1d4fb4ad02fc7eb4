// A reply that was asked for in the background: what is needed to make it, and what follows from an attempt. The table
// behind it is trainer_generation_requests.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/chat.h"
#include "core/operation.h"
#include "core/retry.h"
#include "core/serving.h"

namespace trainer::core {

enum class ReplyState {
  ready,    // to be asked for, at due_at
  sending,  // claimed. due_at is the end of the lease; what is lost then is asked for, and paid for, again
  writing,  // the model has answered: the text waits to be written into the app's table
  done,
  failed,
};
std::string_view name(ReplyState state);
std::optional<ReplyState> reply_state(std::string_view name);

// A row of trainer_generation_requests, claimed. (attempt, epoch) are what the record of its outcome compares with.
struct Reply {
  std::string id;
  std::string organization_id;
  std::string comment_id;
  ReplyState state{};
  int attempt = 0;         // claims so far, this one included
  std::int64_t epoch = 0;  // incarnation of the worker that claimed it
  std::chrono::milliseconds age{};
  int lost = 0;          // times that it was sent and nothing recorded
  bool has_role = true;  // who asked is still there
  int rungs = 0;         // of the ladder that was made when it was asked for
  int rung = 0;          // the one to ask, from 0
  int first_rung = 0;    // below the last whose answer was paid for and held back
  int tries = 0;         // at this rung, before this one
  std::string why;       // the better rungs did not answer
  Rung kind{};
  std::string custom_model_id;  // empty: the base model
  ChatRequest request;
};

struct ReplyDecision {
  bool answered = false;  // else what follows is the row's
  bool is_model_fault = false;
  ReplyState state = ReplyState::ready;
  int rung = 0;
  int first_rung = 0;
  int tries = 0;
  std::string why;
  std::chrono::milliseconds due_in{0};
  std::string error;  // why it is given up before a call
};

// A reply that nobody gave for this long is given up: the comment is history.
constexpr std::chrono::hours kGiveUpReplyAfter{24};

// A request that was under way so often when the worker died is given up: it may be what the worker dies of, and each
// time is paid for.
constexpr int kLostReplies = 10;

// Tries to write a reply into the app's table, with the longest backoff between them some three hours.
constexpr int kWritesOfReply = 24;

ReplyDecision decide_reply(const Reply& reply, const Outcome& outcome, const Random& random);

// Before a call: nullopt when it is to be made. A reply that nobody could write is not paid for.
std::optional<ReplyDecision> decide_before_reply(const Reply& reply);

// The model is passed over without being asked; where there is no other, for now.
ReplyDecision pass_over(const Reply& reply, std::string_view reason, const Random& random);

// Whether a model is asked again because it did not answer, and not only the next one down the ladder.
bool is_retry(const Reply& reply, const ReplyDecision& decision);

// One more reason why the ladder was climbed down.
std::string with_reason(std::string why, std::string_view reason);

}  // namespace trainer::core
