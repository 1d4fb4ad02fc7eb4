// Properties of the rules, for inputs that RapidCheck makes up and, where one fails, makes smaller.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/dataset.h"
#include "core/retry.h"
#include "core/text.h"
#include "decide_fixture.h"

namespace trainer::core {
namespace {

using std::chrono::milliseconds;

const std::vector<std::string> kStatuses{"validating_files", "queued",    "running", "paused",       "succeeded",
                                         "failed",           "cancelled", "",        "contemplating"};

Work any_work() {
  Work work;
  work.operation.kind = *rc::gen::elementOf(kKinds);
  work.operation.state = *rc::gen::element(OperationState::ready, OperationState::sending, OperationState::checking);
  work.operation.attempt = *rc::gen::inRange(1, 2000000000);
  work.operation.misses = *rc::gen::inRange(0, 1000);
  work.operation.age = milliseconds(*rc::gen::inRange<std::int64_t>(0, 400LL * 86400 * 1000));
  work.operation.since_sent = milliseconds(*rc::gen::inRange<std::int64_t>(0, 400LL * 86400 * 1000));
  work.model.status =
      *rc::gen::element<std::string>("pending", "uploading", "validating", "queued", "running", "paused", "evaluating");
  work.model.provider_status = *rc::gen::elementOf(kStatuses);
  work.model.retries = *rc::gen::inRange(0, 3);
  work.model.learning_rate_multiplier = 0.1;
  work.model.has_validation = *rc::gen::arbitrary<bool>();
  work.model.cancel_requested = *rc::gen::arbitrary<bool>();
  if (*rc::gen::arbitrary<bool>()) work.model.provider_job_id = "ftjob-1";
  if (*rc::gen::arbitrary<bool>()) work.model.training_file_id = "file-1";
  return work;
}

Outcome any_outcome() {
  Outcome outcome;
  outcome.delivery =
      *rc::gen::element(Delivery::ok, Delivery::not_sent, Delivery::rejected, Delivery::retry_later, Delivery::unknown);
  outcome.absent = *rc::gen::arbitrary<bool>();
  outcome.remote_id = "file-2";
  if (!outcome.absent) {
    RemoteJob job;
    job.id = "ftjob-1";
    job.status = *rc::gen::elementOf(kStatuses);
    job.error_code = *rc::gen::element<std::string>("", "invalid_training_file", "some_code");
    if (job.status == "succeeded") job.fine_tuned_model = "ft:m:o::x";
    outcome.job = job;
  }
  if (outcome.delivery != Delivery::ok) {
    outcome.failure.http_status = *rc::gen::element(0, 400, 401, 403, 404, 409, 429, 500, 503);
    outcome.failure.code = *rc::gen::element<std::string>("", "training_not_available", "model_not_found",
                                                          "insufficient_quota", "rate_limit_exceeded");
    if (*rc::gen::arbitrary<bool>()) {
      outcome.failure.retry_after = milliseconds(*rc::gen::inRange(0, 3600 * 1000 + 1));
    }
  }
  return outcome;
}

// What costs money is looked for, and not sent again, as long as it may have arrived.
RC_GTEST_PROP(Decide, NeverSendsAgainWhatMayHaveArrived, ()) {
  Work work = any_work();
  work.operation.state = OperationState::sending;
  work.operation.kind = *rc::gen::element(OperationKind::upload_training_file, OperationKind::upload_validation_file,
                                          OperationKind::create_job);
  Outcome outcome = any_outcome();
  outcome.delivery = Delivery::unknown;
  Decision decision = decide(work, outcome, Policy(), [] { return 0.5; });
  RC_ASSERT(decision.state != OperationState::ready);
  for (const auto& next : decision.next) RC_ASSERT(next.kind != work.operation.kind);
}

RC_GTEST_PROP(Decide, WaitsNeitherLessThanNothingNorForEver, ()) {
  const Work work = any_work();
  const Outcome outcome = any_outcome();
  const double chance = *rc::gen::map(rc::gen::inRange(0, 1000), [](int n) { return n / 1000.0; });
  Decision decision = decide(work, outcome, Policy(), [&] { return chance; });
  RC_ASSERT(decision.due_in.count() >= 0);
  RC_ASSERT(decision.due_in <= std::chrono::hours(2));
  RC_ASSERT(decision.misses >= 0 || work.operation.kind == OperationKind::sweep_duplicates);
  for (const auto& next : decision.next) RC_ASSERT(next.due_in.count() >= 0);
}

RC_GTEST_PROP(Backoff, IsBoundedWhateverTheAttempt, (int attempt)) {
  const double chance = *rc::gen::map(rc::gen::inRange(0, 1000), [](int n) { return n / 1000.0; });
  const milliseconds wait = backoff(attempt, [&] { return chance; });
  RC_ASSERT(wait >= kFirstBackoff / 2);
  RC_ASSERT(wait <= kLongestBackoff);
}

RC_GTEST_PROP(Utf8, RepairedOnceIsRepaired, (const std::string& bytes)) {
  const std::string valid = to_valid_utf8(bytes);
  RC_ASSERT(is_valid_utf8(valid));
  RC_ASSERT(to_valid_utf8(valid) == valid);
}

// Few comments and many replies, so that groups are large and pairs come twice.
RC_GTEST_PROP(Split, NoCommentIsOnBothSides, ()) {
  const int examples = *rc::gen::inRange(0, 400);
  const int comments = *rc::gen::inRange(1, 60);
  const double fraction = *rc::gen::map(rc::gen::inRange(0, 51), [](int n) { return n / 100.0; });
  DatasetRules rules;
  rules.seed = *rc::gen::arbitrary<std::uint64_t>();
  DatasetBuilder builder(rules);
  std::vector<int> comment_of;
  for (int i = 0; i < examples; ++i) {
    const int comment = *rc::gen::inRange(0, comments);
    const std::string said = "comment " + std::to_string(comment);
    const std::string reply = "reply " + std::to_string(*rc::gen::inRange(0, 50));
    if (builder.add({"r", "c", said, "", reply}) == Verdict::accepted) comment_of.push_back(comment);
  }
  builder.assign_split(fraction);
  std::map<int, std::set<bool>> sides;
  std::size_t validation = 0;
  for (std::size_t row = 0; row < comment_of.size(); ++row) {
    sides[comment_of[row]].insert(builder.is_validation(row));
    validation += builder.is_validation(row) ? 1 : 0;
  }
  for (const auto& [comment, side] : sides) RC_ASSERT(side.size() == 1U);
  RC_ASSERT(validation == builder.validation_size());
  RC_ASSERT(validation == 0 || validation < comment_of.size());
  if (fraction == 0) RC_ASSERT(validation == 0U);
}

}  // namespace
}  // namespace trainer::core
