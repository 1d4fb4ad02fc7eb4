// A training job as the provider tells it, in our terms: states, reasons of failure, progress, the suffix of its model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"

namespace trainer::core {

// custom_models.status for the job's status at the provider (OpenAI's contract, section 1.3, with Azure's additions).
// nullopt for one that is not known: it is stored verbatim, and the model keeps the status that it has.
std::optional<std::string_view> model_status(std::string_view provider_status);

// Succeeded, failed, cancelled; nothing else ends a job.
bool is_terminal(std::string_view provider_status);

// Does custom_models.status say that the model's job has ended, and was not started again?
bool training_is_over(std::string_view model_status);

// Is the reason the data or the account, so that the same job with another learning rate would fail the same way?
// The message counts where it speaks of moderation or safety: those failures come without a code of their own
// (OpenAI's contract, sections 4 and 5).
bool failure_is_final(std::string_view error_code, std::string_view error_message = {});

// 0 to 1; 0 while the total is not known.
double fraction_done(std::int64_t step, std::int64_t total);

// `[#####.....]  50%` with `width` cells, in ASCII. Full, and 100 %, only when it is done.
std::string progress_bar(double fraction, int width);

// A suffix goes into the name of the model: 1 to 64 characters (OpenAI's contract, section 1.3; Azure takes 40) of
// A-Z, a-z, 0-9, _ and -.
constexpr std::size_t kMaxSuffix = 64;
std::optional<Error> check_suffix(std::string_view suffix, std::size_t max_length = kMaxSuffix);
// A valid suffix as near to a free name as can be: runs of other characters become one hyphen. "model" when nothing of
// it can be used. Precondition: max_length >= 5.
std::string suffix_from(std::string_view name, std::size_t max_length = kMaxSuffix);

}  // namespace trainer::core
