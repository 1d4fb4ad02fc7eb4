// The ranges of a dataset's parameters: one rule, one function, one message. nullopt means that the value is fine.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/error.h"

namespace trainer::core {

// Fewest examples that a training file may hold (OpenAI's contract, section 2).
constexpr std::int64_t kMinTrainingExamples = 10;

// What a dataset is for: replies to imitate, pairs of which one reply is preferred, or examples that nobody trains on.
constexpr std::string_view kSupervised = "supervised";
constexpr std::string_view kPreference = "dpo";
constexpr std::string_view kExemplar = "exemplar";

// Longest example that the provider trains on without cutting its end off, in tokens (OpenAI's contract, section 2).
// `ft:X:...` counts as X; a model that is not known gets the limit of the current families, 65,536.
std::int64_t max_example_tokens(std::string_view base_model);

// The estimate that stands for an exact count: UTF-8 bytes / 4, rounded up. Holds for English prose; other scripts may
// need up to twice as many.
std::int64_t estimated_tokens(std::int64_t utf8_bytes);

// Are there enough? Else insufficient_training_data, with both numbers in the detail.
std::optional<Error> check_enough(std::int64_t examples, std::int64_t min_examples);
std::optional<Error> check_enough_pairs(std::int64_t pairs, std::int64_t min_examples);

// How often a training file repeats an example whose feedback has this mean rating, in stars: twice from 4.5, never
// below 2.5, else once, also without a rating. (The wire knows no weights between 0 and 1.)
int copies_for_rating(std::optional<double> mean_rating);

// The rest give invalid_argument.
std::optional<Error> check_min_quality(double min_quality);  // 0 to 1
std::optional<Error> check_epochs(int epochs);               // 1 to 50 (contract, section 1.3)
std::optional<Error> check_learning_rate_multiplier(double learning_rate_multiplier);  // above 0, finite (section 1.3)
std::optional<Error> check_min_examples(std::int64_t min_examples);                    // at least kMinTrainingExamples
std::optional<Error> check_max_examples(std::int64_t max_examples, std::int64_t min_examples);  // at least min_examples
std::optional<Error> check_validation_fraction(double fraction);                                // 0 to 0.5
std::optional<Error> check_method(std::string_view method);  // one of the three above
// An option that is for one method alone.
std::optional<Error> check_option_method(std::string_view option, std::string_view its_method, std::string_view method);
// 1 to 255 characters, as a dataset or a model may be called.
std::optional<Error> check_name(std::string_view name);
// Not empty, at most 256 characters, none of them a control character or white space, valid UTF-8.
std::optional<Error> check_base_model(std::string_view base_model);

}  // namespace trainer::core
