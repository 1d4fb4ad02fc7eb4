// The ladder of a comment: which models may answer it, the best first, and what each is asked. Read with the rights of
// the session that wants the reply.
#pragma once

#include <string>
#include <vector>

#include "core/serving.h"
#include "pg/generation.h"
#include "pg/serving.h"
#include "pg/settings.h"

namespace trainer::worker {

struct Candidate {
  core::Rung rung;
  std::string model;
  std::string custom_model_id;  // empty: the base model
  bool include_persona = true;
  bool include_platform = true;
};

class Ladder {
 public:
  // `best`: the best rung that may answer, by name; empty: any.
  Ladder(const pg::Comment& comment, const std::string& best, const pg::Settings& settings);

  // Never empty: the base model is the last.
  const std::vector<Candidate>& candidates() const { return candidates_; }
  // Why the better rungs are not among them, or did not answer.
  const std::string& why() const { return why_; }
  // Of the experiment that runs; empty where there is none, and where the caller has chosen the rung.
  const pg::Assignment& assignment() const { return assignment_; }
  void pass(const std::string& why);

 private:
  void add_custom(const pg::Comment& comment, const std::string& best);
  bool add_arm(const pg::Comment& comment, const pg::ServingModels& models);
  void add(core::Rung rung, const pg::ServingModel& model);

  std::vector<Candidate> candidates_;
  std::string why_;
  pg::Assignment assignment_;
};

// The comment, cleaned and cut as one stands in a training example. A Failure when there is none, or nothing in it.
pg::Comment known_comment(Datum id);

// What the candidate is asked: a JSON array of messages.
std::string messages_for(const pg::Comment& comment, const Candidate& candidate);

// A Failure for what no model takes: temperature must be between 0 and 2, max_tokens between 1 and 16384.
void require_limits(double temperature, int max_tokens);

}  // namespace trainer::worker
