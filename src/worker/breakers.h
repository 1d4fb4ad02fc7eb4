// The circuit breakers of the models, shared by all sessions where the library is preloaded, else this process's own.
#pragma once

#include <chrono>
#include <string>

#include "core/operation.h"

namespace trainer::worker {

// `model` is the uuid of a custom model as text. Each looks at the clock.
bool may_ask_model(const std::string& model, std::chrono::milliseconds cooldown);
// What an attempt came to; of the base model, which has no uuid, nothing is noted. A model that says something works,
// whether it can be used or not. Told in the log when this failure opens the model's breaker.
void note_attempt(const std::string& model, bool is_model_fault, std::chrono::milliseconds cooldown,
                  const core::Outcome& outcome);

}  // namespace trainer::worker
