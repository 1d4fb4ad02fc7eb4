// What the parts of decide() share: decide.cpp has the rules of failure and of doubt, decide_success.cpp those of
// success.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/decide.h"

namespace trainer::core::detail {

Notice notice(std::string kind, std::vector<std::pair<std::string, std::string>> detail = {});

// The model's training is over, without a model: files that no job needs any more are deleted.
void end_model(const Work& work, Decision& decision, const char* status, const char* notice_kind);
void fail_model(const Work& work, Decision& decision, Condition condition, std::string code, std::string message);

// The end of an operation that could not be done; what it was for decides what that means for the model.
Decision give_up(const Work& work, Condition condition, const Failure& failure);

// How long until the operation is tried again.
std::chrono::milliseconds wait_after(const Work& work, const Outcome& outcome, const Random& random);

// What follows when the call did what it was for.
Decision after_success(const Work& work, const Outcome& outcome, const Policy& policy, const Random& random);

}  // namespace trainer::core::detail
