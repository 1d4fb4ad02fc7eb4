#include "worker/ladder.h"

#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "core/dataset.h"
#include "core/prompt.h"
#include "core/reply.h"
#include "core/text.h"
#include "pg/assignment.h"

extern "C" {
#include <utils/fmgrprotos.h>
#include <utils/uuid.h>
}

namespace trainer::worker {
namespace {

// A comment is data of a stranger: cut at about this many tokens, which no platform's longest comes near.
constexpr std::size_t kMaxCommentBytes = 16000;

// The comment as it would stand in a training example, but for the end of one that nobody writes by hand.
void clean(std::string& comment) {
  std::string buffer;
  std::string_view text = comment;
  core::clean_example_text(text, buffer);
  comment = std::string(core::cut_utf8(text, kMaxCommentBytes));
}

// Examples that the prompt shows, at most so many and so long.
constexpr int kShown = 5;
constexpr std::size_t kMaxShownBytes = 24000;

void keep_short(std::vector<core::Turn>& turns) {
  std::size_t bytes = 0;
  // The best stand last.
  auto first = turns.end();
  while (first != turns.begin() && (bytes += (first - 1)->user.size() + (first - 1)->reply.size()) <= kMaxShownBytes)
    --first;
  turns.erase(turns.begin(), first);
}

// nullopt: in neither arm.
std::optional<bool> is_in_custom(const pg::Experiment& experiment, std::int32_t bucket) {
  if (experiment.is_rollout) {
    const core::stats::CanaryArm arm = core::stats::canary_arm(bucket, experiment.traffic);
    if (arm == core::stats::CanaryArm::outside) return std::nullopt;
    return arm == core::stats::CanaryArm::canary;
  }
  return core::stats::arm(bucket, std::array{experiment.traffic, core::stats::kBuckets - experiment.traffic}) == 0;
}

}  // namespace

Ladder::Ladder(const pg::Comment& comment, const std::string& best, const pg::Settings& settings) {
  if (!comment.has_custom_models) {
    pass("plan " + (comment.plan.empty() ? "none" : comment.plan));
  } else if (best != "base") {
    add_custom(comment, best);
  } else {
    pass("asked for");
  }
  candidates_.push_back({core::Rung::base, settings.default_base_model, "", true, true});
}

void Ladder::add_custom(const pg::Comment& comment, const std::string& best) {
  const pg::ServingModels models = pg::serving_models(comment.organization_id);
  if (best.empty() && models.experiment && add_arm(comment, models)) return;
  if (!models.fine_tuned && !models.exemplar) return pass("no custom model");
  if (best == "exemplar") {
    pass(models.exemplar ? "asked for" : "no exemplar model");
  } else if (!models.fine_tuned) {
    pass("no fine-tuned model");
  } else {
    add(core::Rung::fine_tuned, *models.fine_tuned);
  }
  if (models.exemplar) add(core::Rung::exemplar, *models.exemplar);
}

// The arm that the comment, or its user, is assigned to. Below its model the ladder goes on as ever: what an arm falls
// back to is part of what it does. False for a comment without a user, where users are assigned, and for one
// that a rollout leaves to what serves.
bool Ladder::add_arm(const pg::Comment& comment, const pg::ServingModels& models) {
  const pg::Experiment& experiment = *models.experiment;
  const std::string& unit = experiment.is_by_user ? comment.user : comment.id;
  if (unit.empty()) return false;
  const core::stats::Digest digest =
      pg::unit_digest(experiment.id, experiment.salt, experiment.is_by_user ? "user" : "comment", unit);
  const std::optional<bool> in_custom = is_in_custom(experiment, core::stats::bucket(digest));
  if (!in_custom) return false;
  const bool is_custom = *in_custom;
  assignment_ = {experiment.id, is_custom ? "custom" : "control", pg::unit_name(digest)};
  pass((experiment.is_rollout ? "rollout: " : "A/B test: ") + assignment_.arm);
  if (!is_custom && !experiment.control) return true;
  const pg::ArmModel& arm = is_custom ? experiment.custom : *experiment.control;
  add(arm.rung, arm.model);
  if (arm.rung == core::Rung::fine_tuned && models.exemplar) add(core::Rung::exemplar, *models.exemplar);
  return true;
}

void Ladder::add(core::Rung rung, const pg::ServingModel& model) {
  candidates_.push_back({rung, model.name, model.id, model.include_persona, model.include_platform});
}

void Ladder::pass(const std::string& why) {
  why_ = core::with_reason(std::move(why_), why);
}

std::string messages_for(const pg::Comment& comment, const Candidate& candidate) {
  std::string system = core::system_message(candidate.include_persona ? &comment.persona : nullptr);
  const std::string platform = candidate.include_platform ? comment.platform : "";
  std::vector<core::Turn> turns;
  if (candidate.rung == core::Rung::exemplar) {
    turns = pg::exemplars(candidate.custom_model_id, comment.text, kShown);
  } else if (candidate.rung == core::Rung::base) {
    // A reply that was collected without its comment can only show the tone.
    std::vector<std::string> samples;
    for (core::Turn& reference : pg::references(comment.organization_id, comment.text, kShown)) {
      if (reference.user.empty()) {
        samples.push_back(std::move(reference.reply));
      } else {
        turns.push_back({core::user_message(reference.user, ""), std::move(reference.reply)});
      }
    }
    system = core::with_samples(std::move(system), samples);
  }
  keep_short(turns);
  std::string messages;
  core::append_prompt(messages, system, turns, core::user_message(comment.text, platform), core::Escape::utf8);
  return messages;
}

pg::Comment known_comment(Datum id) {
  // The app's code that runs while a reply is written would ask for the next one without an end.
  if (InSecurityRestrictedOperation()) {
    pg::fail({core::Condition::wrong_state, "cannot ask for a reply within a security-restricted operation",
              "A reply is being written, an index built or a view refreshed.", ""});
  }
  auto comment = pg::read_comment(id);
  if (!comment) {
    const char* text = pg::guarded([&] { return DatumGetCString(DirectFunctionCall1(uuid_out, id)); });
    pg::fail({core::Condition::not_found, std::string("comment ") + text + " does not exist", "", ""});
  }
  clean(comment->text);
  if (comment->text.empty()) {
    pg::fail({core::Condition::wrong_state, "the comment is empty", "There is nothing to reply to.", ""});
  }
  return std::move(*comment);
}

void require_limits(double temperature, int max_tokens) {
  auto refuse = [](const char* message, const char* detail) {
    pg::fail({core::Condition::invalid_argument, message, detail, ""});
  };
  if (!(temperature >= 0 && temperature <= 2)) refuse("temperature is out of range", "It must be between 0 and 2.");
  if (max_tokens < 1 || max_tokens > 16384) {
    refuse("number of tokens is out of range", "max_tokens must be between 1 and 16384.");
  }
}

}  // namespace trainer::worker
