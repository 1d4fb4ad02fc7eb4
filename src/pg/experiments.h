// A/B tests that run: the worker looks at each of them now and then.
#pragma once

#include <string>
#include <vector>

namespace trainer::pg {

// Those that have not ended; none while the worker is paused.
std::vector<std::string> live_experiments();
// Writes down what is seen of one, and ends it when it is time.
void look_at_experiment(const std::string& id);

}  // namespace trainer::pg
