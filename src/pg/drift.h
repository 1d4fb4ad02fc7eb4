// Drift: the worker looks at one organization after the other.
#pragma once

#include <string>

namespace trainer::pg {

// The first one behind `cursor` (empty: of all) that has replies; empty when there is none, while the worker is paused,
// and where no app is bound.
std::string next_to_look_at(const std::string& cursor);

// Writes down what is seen of its streams, and tells of a drift, with the rights of who attached the app's tables.
void look_at_drift(const std::string& organization_id);

}  // namespace trainer::pg
