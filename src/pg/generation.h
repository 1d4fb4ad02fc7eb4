// What a reply needs from the database, and what is written down of it: the comment with its organization's persona,
// the examples of how to reply.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/chat.h"
#include "core/prompt.h"
#include "core/serving.h"
#include "pg/spi.h"

namespace trainer::pg {

struct Comment {
  std::string id;
  std::string organization_id;
  bool has_custom_models = true;  // the plan includes them
  std::string plan;
  std::string text;
  std::string platform;
  std::string user;  // on that platform; empty where the app does not tell
  core::Persona persona;
};
// Read with the caller's rights. nullopt when there is none that he may see. Throws pg::Error with TR008.
std::optional<Comment> read_comment(Datum comment_id);

// An error when a reply to the comment could not be written down: of an organization that the session may not write
// for, or with the id of a response that another generation has. response_id: empty when there is none yet.
void require_recordable(const std::string& organization_id, Datum comment_id, const std::string& response_id);

// The examples that are the most similar to the comment, the best last.
std::vector<core::Turn> exemplars(const std::string& custom_model_id, std::string_view comment, int most);
// Reference roasts that fit the comment, the best last; without a comment of its own the turn's user is empty.
std::vector<core::Turn> references(const std::string& organization_id, std::string_view comment, int most);

struct GenerationOptions {
  std::string response_id;
  std::string rung;  // the best that may answer; empty: any
};
GenerationOptions read_generation_options(Datum options);

// Which arm of an experiment a reply belongs to, whatever model answers in the end.
struct Assignment {
  std::string experiment_id;
  std::string arm;   // custom or control
  std::string unit;  // a uuid
};

struct Generation {
  std::string organization_id;
  Datum comment_id = 0;
  std::string response_id;
  std::string custom_model_id;
  core::Rung rung = core::Rung::base;
  std::string reason;
  std::string model;
  core::Completion completion;
  std::int64_t response_time_ms = 0;  // of the request that was answered
  bool withheld = false;              // paid for and not used: filtered, or empty
  bool is_fallback = false;           // a better rung was there; counted, not recorded
  Assignment assignment;              // empty: none
};
struct RecordedGeneration {
  Datum id;
  Datum cost_cents;  // numeric
  bool has_cost;
  double cost;  // the same, 0 where there is none
};
// Valid until the Spi object ends.
RecordedGeneration record_generation(const Generation& generation);

// What is counted by appending rows is added up: the replies of models and what metrics count, and what was spent.
void fold_usage();
void sum_up_spending();

}  // namespace trainer::pg
