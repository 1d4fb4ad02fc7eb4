#include "core/stats/canary.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/names.h"
#include "core/stats/check.h"

namespace trainer::core::stats {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr std::array<CanaryStep, 4> kDefaultLadder{{
    {50000, 50, 4, hours(1)},
    {100000, 100, 2.5, hours(2)},
    {250000, 200, 1.5, hours(6)},
    {500000, 400, 1, hours(24)},
}};
constexpr std::array<CanaryStep, 4> kLowVolumeLadder{{
    {250000, 50, 4, hours(1)},
    {250000, 100, 2.5, hours(2)},
    {500000, 200, 1.5, hours(6)},
    {500000, 400, 1, hours(24)},
}};

constexpr core::detail::Names<CanaryAction, 4> kActions{{
    {CanaryAction::hold, "hold"},
    {CanaryAction::advance, "advance"},
    {CanaryAction::promote, "promote"},
    {CanaryAction::rollback, "rollback"},
}};
constexpr core::detail::Names<CanaryReason, 8> kReasons{{
    {CanaryReason::srm, "srm"},
    {CanaryReason::harm, "harm"},
    {CanaryReason::deadline, "deadline"},
    {CanaryReason::no_data, "no_data"},
    {CanaryReason::baking, "baking"},
    {CanaryReason::too_few, "too_few"},
    {CanaryReason::inconclusive, "inconclusive"},
    {CanaryReason::safe, "safe"},
}};

constexpr double kSequencePart = 0.8;
constexpr double kExactPart = 0.2;

std::optional<Error> check(const Guardrail& guardrail) {
  if (guardrail.log_e_harm && std::isnan(*guardrail.log_e_harm)) return invalid("the e-value", "be a number");
  if (!(guardrail.tolerance >= 0)) return invalid("the tolerance", "be 0 or more");
  return first_error(check_positive("the margin", guardrail.margin),
                     check_positive("the pseudo deviation", guardrail.pseudo_deviation),
                     check_moments("the canary", guardrail.canary), check_moments("the control", guardrail.control));
}

std::optional<Error> check(const CanaryEvidence& evidence, const CanaryPolicy& policy) {
  if (evidence.guardrails.empty()) return invalid("the number of guardrails", "be 1 or more");
  if (!(policy.plan >= kLeastPlan && policy.plan <= kMostPlan)) {
    return invalid("the planned number of units", "lie between 200 and 1000000");
  }
  for (const double alpha : {policy.alpha_rollback, policy.alpha_promote}) {
    if (!(alpha > 0 && alpha < 0.5)) return invalid("alpha", "lie between 0 and 0.5, without them");
  }
  if (auto error = check_positive("the multiplier of the margins", evidence.step.margin_multiplier)) return error;
  for (const Guardrail& guardrail : evidence.guardrails) {
    if (auto error = check(guardrail)) return error;
  }
  return std::nullopt;
}

struct Thresholds {
  double alpha_harm = 0;
  double log_e = 0;
};

Thresholds thresholds(const CanaryPolicy& policy, std::size_t guardrails) {
  const double share = policy.alpha_rollback / static_cast<double>(guardrails);
  return {kSequencePart * share, std::log(1 / (kExactPart * share))};
}

std::int64_t units(const Guardrail& guardrail) {
  return std::min(guardrail.canary.n, guardrail.control.n);
}

GuardrailReading read(const Guardrail& guardrail, const CanaryEvidence& evidence, const CanaryPolicy& policy,
                      const Thresholds& at) {
  GuardrailReading reading;
  reading.limit = -evidence.step.margin_multiplier * guardrail.margin;
  const bool is_exact_harm = guardrail.log_e_harm && *guardrail.log_e_harm > at.log_e;
  if (units(guardrail) == 0) {
    reading.se = reading.harm_upper = std::numeric_limits<double>::infinity();
    reading.lower = -reading.se;
    reading.is_harmed = is_exact_harm;
    return reading;
  }
  const Difference found = difference(guardrail.canary, guardrail.control, guardrail.pseudo_deviation);
  reading.effect = guardrail.is_higher_better ? found.value : -found.value;
  reading.se = found.se;
  reading.harm_upper = reading.effect + one_sided_boundary(found.n, at.alpha_harm, policy.plan) * found.se;
  reading.lower = reading.effect - one_sided_boundary(found.n, policy.alpha_promote, policy.plan) * found.se;
  const bool is_harm = units(guardrail) >= policy.least && reading.harm_upper < -guardrail.tolerance;
  reading.is_harmed = is_harm || is_exact_harm;
  reading.is_safe = reading.lower > reading.limit;
  return reading;
}

// What the guardrails that are harmed ask for; nullopt where none is.
std::optional<CanaryAction> on_harm(const CanaryEvidence& evidence, const std::vector<GuardrailReading>& readings) {
  std::optional<CanaryAction> action;
  for (std::size_t i = 0; i < readings.size(); ++i) {
    if (!readings[i].is_harmed) continue;
    if (evidence.guardrails[i].on_harm == OnHarm::rollback) return CanaryAction::rollback;
    action = CanaryAction::hold;
  }
  return action;
}

bool is_past_deadline(const CanaryEvidence& evidence, const CanaryPolicy& policy) {
  return policy.deadline > seconds(0) && evidence.in_rollout >= policy.deadline;
}

bool may_advance(const std::vector<GuardrailReading>& readings, const CanaryPolicy& policy) {
  if (policy.promote_on == PromoteOn::no_harm) return true;
  return std::all_of(readings.begin(), readings.end(), [](const GuardrailReading& reading) { return reading.is_safe; });
}

// Why nothing is decided by the readings yet; nullopt when it may be.
std::optional<CanaryReason> why_wait(const CanaryEvidence& evidence) {
  if (evidence.in_step < evidence.step.bake) return CanaryReason::baking;
  for (const Guardrail& guardrail : evidence.guardrails) {
    if (units(guardrail) < evidence.step.least) return CanaryReason::too_few;
  }
  return std::nullopt;
}

}  // namespace

std::span<const CanaryStep> default_ladder() {
  return kDefaultLadder;
}

std::span<const CanaryStep> low_volume_ladder() {
  return kLowVolumeLadder;
}

std::string_view name(CanaryAction action) {
  return core::detail::name_in(kActions, action);
}

std::string_view name(CanaryReason reason) {
  return core::detail::name_in(kReasons, reason);
}

Result<CanaryDecision> decide(const CanaryEvidence& evidence, const CanaryPolicy& policy) {
  if (auto error = check(evidence, policy)) return *std::move(error);
  const Thresholds at = thresholds(policy, evidence.guardrails.size());
  CanaryDecision decision;
  decision.log_e_threshold = at.log_e;
  for (const Guardrail& guardrail : evidence.guardrails) {
    decision.readings.push_back(read(guardrail, evidence, policy, at));
  }
  const auto decided = [&](CanaryAction action, CanaryReason reason) {
    decision.action = action;
    decision.reason = reason;
    return decision;
  };
  if (evidence.is_srm_alarm) return decided(CanaryAction::hold, CanaryReason::srm);
  if (const auto action = on_harm(evidence, decision.readings)) return decided(*action, CanaryReason::harm);
  const auto wait = why_wait(evidence);
  if (!wait && may_advance(decision.readings, policy)) {
    return decided(evidence.is_last_step ? CanaryAction::promote : CanaryAction::advance, CanaryReason::safe);
  }
  // A rollout that gets too few units to end any step must end all the same.
  if (is_past_deadline(evidence, policy)) {
    const bool ends = policy.on_deadline == OnDeadline::rollback;
    return decided(ends ? CanaryAction::rollback : CanaryAction::hold, CanaryReason::deadline);
  }
  if (evidence.since_last_unit >= policy.no_data_after) return decided(CanaryAction::hold, CanaryReason::no_data);
  return decided(CanaryAction::hold, wait.value_or(CanaryReason::inconclusive));
}

}  // namespace trainer::core::stats
