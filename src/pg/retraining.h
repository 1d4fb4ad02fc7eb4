// Retrainings that are due, one at a time.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace trainer::pg {

// Carries out the next one that is due, if there is one and the worker is not paused: decides about it, with the rights
// of the role that attached the app's tables, or judges the proof of its new version. `id` is set before anything is
// done. False when none was due.
bool carry_out_retraining(std::string& id);

// After an error: looked at again in an hour.
void put_off_retraining(const std::string& id, const std::string& reason);

// Until the next one is due; nullopt when none is open.
std::optional<std::chrono::milliseconds> until_next_retraining();

}  // namespace trainer::pg
