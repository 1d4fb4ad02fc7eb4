#include "core/stats/betting.h"

#include <algorithm>
#include <cmath>

#include "core/stats/check.h"
#include "core/stats/special.h"

namespace trainer::core::stats {
namespace {

void bet(Wealth& wealth, double stake, double gain) {
  for (std::size_t i = 0; i < kStakes.size(); ++i) wealth[i] += std::log1p(stake * kStakes[i] * gain);
}

}  // namespace

std::optional<Error> check(const Observation& observation) {
  if (!(observation.share >= kLeastShare && observation.share <= kMostShare)) {
    return invalid("the share of the traffic", "lie between 0.01 and 0.99");
  }
  return check_unit_interval("the value", observation.value);
}

void Centre::add(double y) {
  ++n;
  sum += y;
}

Score score(const Observation& observation, const Centre& before) {
  const double share = observation.share;
  const double deviation = observation.value - before.value();
  return {observation.is_arm1 ? deviation / share : -deviation / (1 - share), 1 / std::min(share, 1 - share)};
}

void bet_above(Wealth& wealth, const Score& score, double null) {
  bet(wealth, 1 / score.bound, score.value - null);
}

void bet_below(Wealth& wealth, const Score& score, double null) {
  bet(wealth, -1 / score.bound, score.value - null);
}

double log_e(const Wealth& wealth) {
  return log_sum_exp(wealth) - std::log(static_cast<double>(wealth.size()));
}

void Betting::add(const Observation& observation) {
  const Score scored = score(observation, centre);
  bet_above(above, scored, null);
  bet_below(below, scored, null);
  centre.add(observation.value);
}

double Betting::log_e_both() const {
  const std::array<double, 2> sides{log_e_above(), log_e_below()};
  return log_sum_exp(sides) - std::log(2.0);
}

void Guard::add(const Observation& observation) {
  const Score scored = score(observation, centre);
  bet_below(harm, scored, 0);
  bet_above(non_inferiority, scored, -margin);
  bet_above(superiority, scored, 0);
  centre.add(observation.value);
}

Guard replay(double margin, std::span<const Observation> observations) {
  Guard guard;
  guard.margin = margin;
  for (const Observation& observation : observations) guard.add(observation);
  return guard;
}

}  // namespace trainer::core::stats
