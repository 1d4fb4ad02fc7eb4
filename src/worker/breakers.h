// The circuit breakers of the models, shared by all sessions where the library is preloaded, else this process's own.
#pragma once

#include <chrono>
#include <string>

namespace trainer::worker {

// `model` is the uuid of a custom model as text. Each looks at the clock.
bool may_ask_model(const std::string& model, std::chrono::milliseconds cooldown);
void note_model_answer(const std::string& model);
// Told in the log when this failure opens the model's breaker.
void note_model_failure(const std::string& model, std::chrono::milliseconds cooldown, const std::string& reason);

}  // namespace trainer::worker
