// The store of trainer_generation_requests: replies that were asked for in the background. Every function runs inside a
// transaction and an SPI connection of the caller's.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/reply.h"
#include "pg/generation.h"

namespace trainer::pg {

// A rung of the ladder as it was when the reply was asked for.
struct RequestedRung {
  std::string name;
  std::string model;
  std::string custom_model_id;
  std::string messages;  // a JSON array
};
struct NewRequest {
  Datum comment_id = 0;
  std::string organization_id;
  std::string response_id;  // empty: a new one
  double temperature = 0;
  int max_tokens = 0;
  std::string why;  // the better rungs are not among these
  Assignment assignment;
  std::vector<RequestedRung> rungs;
};
// Written as the owner of the table: nobody else may write to it, since a row says what is paid for and in whose name
// the reply is written. That name is the current user's. The request's id, valid until the Spi object ends.
Datum add_request(const NewRequest& request);

struct RequestOptions {
  GenerationOptions generation;
  double temperature = 0;
  int max_tokens = 0;
};
RequestOptions read_request_options(Datum options);

struct ReplyLimits {
  std::int64_t epoch = 0;
  int count = 0;
  std::chrono::milliseconds lease{};
};
// Claims due requests, fairly between organizations, like claim_operations().
std::vector<core::Reply> claim_replies(const ReplyLimits& limits, std::string& cursor);
void take_over_replies(std::int64_t epoch);
// There is a new key, or a new worker: what waits to be tried again is due at once.
void release_replies();
std::optional<std::chrono::milliseconds> until_next_reply();

// Nothing was answered: what follows is written down, with what went wrong.
void record_no_reply(const core::Reply& reply, const core::ReplyDecision& decision, const std::string& error);

// What was paid for and held back, or empty. Its cost in cents, 0 where that is not known; nullopt when the request is
// not this claim's any more.
std::optional<double> record_withheld(const core::Reply& reply, const core::Completion& completion,
                                      std::chrono::milliseconds took, const std::string& reason);

// The answer, its tokens and its cost are written down; the text waits to be written into the app's table. The cost, as
// of what is held back.
std::optional<double> keep_reply(const core::Reply& reply, const core::Completion& completion,
                                 std::chrono::milliseconds took);

// Writes the text that was kept into the app's table, as the role that asked and in a security-restricted operation:
// its triggers, policies and defaults have that role's rights and no more, and 5 s. The request is done.
void write_reply(const core::Reply& reply);

// The text could not be written: it waits, or the request has failed.
void postpone_reply(const core::Reply& reply, core::ReplyState state, std::chrono::milliseconds wait,
                    const std::string& error);

}  // namespace trainer::pg
