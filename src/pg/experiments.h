// A/B tests and rollouts that run: the worker looks at each of them now and then.
#pragma once

#include <optional>
#include <string>

namespace trainer::pg {

struct LiveExperiment {
  std::string id;
  bool is_rollout = false;
};
// The one that comes after `cursor` (an id, or empty) of those that have not ended; none while the worker is paused.
std::optional<LiveExperiment> next_experiment(const std::string& cursor);
// Writes down what is seen of one, and goes on with it or ends it when it is time.
void look_at_experiment(const LiveExperiment& experiment);

}  // namespace trainer::pg
