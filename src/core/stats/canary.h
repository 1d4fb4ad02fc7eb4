// What becomes of a rollout: a pure function of the evidence. The canary is compared with a concurrent control of the
// same size, so that the evidence of all steps accumulates in one process and no error budget is spent twice. It is
// promoted because it was shown to be no worse than the margins, and not because no harm has been shown yet.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/stats/acs.h"
#include "core/stats/moments.h"

namespace trainer::core::stats {

struct CanaryStep {
  std::int32_t share = 0;        // of the canary, parts per million; the control has as much
  std::int64_t least = 50;       // units an arm before this step ends
  double margin_multiplier = 1;  // of every margin, which narrows from step to step
  std::chrono::seconds bake{};   // the least time of this step
};
// For a thousand units a day and more, and for fewer: there the early steps would take weeks.
std::span<const CanaryStep> default_ladder();
std::span<const CanaryStep> low_volume_ladder();

enum class OnHarm { rollback, hold };
enum class PromoteOn { non_inferior, no_harm };
enum class OnDeadline { hold, rollback };

struct Guardrail {
  std::string name;
  bool is_higher_better = true;
  double margin = 0;     // the loss that is acceptable, > 0, in the metric's unit (of a log-latency, its logarithm)
  double tolerance = 0;  // the loss that is not called harm, >= 0
  double pseudo_deviation = kPseudoDeviation;
  OnHarm on_harm = OnHarm::rollback;
  Moments canary;
  Moments control;
  std::optional<double> log_e_harm;  // of betting.h's Guard, for metrics in [0, 1]
};

struct CanaryPolicy {
  double alpha_rollback = 0.05;  // P(a version that is no worse is rolled back, at any time), over all guardrails
  double alpha_promote = 0.05;   // P(one that is worse by a margin is promoted)
  double plan = 2000;            // N* of the boundaries
  std::int64_t least = 50;       // units an arm before the confidence sequence may show harm
  PromoteOn promote_on = PromoteOn::non_inferior;
  OnDeadline on_deadline = OnDeadline::hold;
  std::chrono::seconds no_data_after{86400};  // without a matured unit
  std::chrono::seconds deadline{0};           // of the whole rollout; 0: none
};

struct CanaryEvidence {
  CanaryStep step;
  bool is_last_step = false;
  bool is_srm_alarm = false;
  std::chrono::seconds in_step{};          // since the step began
  std::chrono::seconds since_last_unit{};  // matured
  std::chrono::seconds in_rollout{};
  std::vector<Guardrail> guardrails;
};

enum class CanaryAction { hold, advance, promote, rollback };
enum class CanaryReason { srm, harm, deadline, no_data, baking, too_few, inconclusive, safe };
std::string_view name(CanaryAction action);
std::string_view name(CanaryReason reason);

// Effects are turned so that positive is better.
struct GuardrailReading {
  double effect = 0;
  double se = 0;
  double harm_upper = 0;  // harm where it is below -tolerance
  double lower = 0;       // safe where it is above the limit
  double limit = 0;       // -multiplier x margin
  bool is_harmed = false;
  bool is_safe = false;
};

struct CanaryDecision {
  CanaryAction action = CanaryAction::hold;
  CanaryReason reason = CanaryReason::inconclusive;
  double log_e_threshold = 0;  // of log_e_harm
  std::vector<GuardrailReading> readings;
};

// In this order: a mismatch of the sample ratio holds; harm rolls back (or holds, as the guardrail says); every
// guardrail safe, after the step's time and units, advances, or promotes at the last step; a deadline ends; all else
// holds. A part of 0.8 of each guardrail's share of alpha_rollback goes to the confidence sequence, 0.2 to the exact
// test; that all guardrails must be safe is an intersection-union test (Berger, 1982), for which nothing is divided.
// Whether a decision is only told, or waits for a person, is for whoever carries it out. Errors: no guardrail, values
// out of their range.
Result<CanaryDecision> decide(const CanaryEvidence& evidence, const CanaryPolicy& policy);

}  // namespace trainer::core::stats
