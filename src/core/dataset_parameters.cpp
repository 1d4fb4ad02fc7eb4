#include "core/dataset_parameters.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "core/text.h"

namespace trainer::core {
namespace {

constexpr std::int64_t kCurrentLimit = 65536;

// The first prefix that fits decides: exceptions stand before their family.
constexpr std::array<std::pair<std::string_view, std::int64_t>, 4> kTokenLimits{{
    {"gpt-4o", kCurrentLimit},
    {"gpt-4.1", kCurrentLimit},
    {"gpt-3.5-turbo-0613", 4096},
    {"gpt-3.5-turbo", 16385},
}};

constexpr std::size_t kMaxModelName = 256;
constexpr std::size_t kMaxName = 255;

Error invalid(std::string message, std::string detail, std::string hint = {}) {
  return {Condition::invalid_argument, std::move(message), std::move(detail), std::move(hint)};
}

Error too_few(std::int64_t found, const std::string& what, std::int64_t needed, std::string hint) {
  const std::string number = std::to_string(found) + " " + what;
  return {Condition::insufficient_training_data, "insufficient training data",
          (found == 1 ? "There is " + number + ", " : "There are " + number + "s, ") + std::to_string(needed) +
              (needed == 1 ? " is needed." : " are needed."),
          std::move(hint)};
}

}  // namespace

std::int64_t max_example_tokens(std::string_view base_model) {
  if (base_model.starts_with("ft:")) base_model.remove_prefix(3);
  for (const auto& [family, limit] : kTokenLimits) {
    if (base_model.starts_with(family)) return limit;
  }
  return kCurrentLimit;
}

std::int64_t estimated_tokens(std::int64_t utf8_bytes) {
  return utf8_bytes / 4 + (utf8_bytes % 4 != 0);
}

std::optional<Error> check_enough(std::int64_t examples, std::int64_t min_examples) {
  if (examples >= min_examples) return std::nullopt;
  return too_few(examples, "good example", min_examples,
                 "Lower the minimum quality score or the minimum number of examples, or wait for more good responses.");
}

std::optional<Error> check_enough_pairs(std::int64_t pairs, std::int64_t min_examples) {
  if (pairs >= min_examples) return std::nullopt;
  return too_few(pairs, "preference pair", min_examples,
                 "Lower the minimum number of examples, or wait for more edited responses and chosen variants.");
}

int copies_for_rating(std::optional<double> mean_rating) {
  if (!mean_rating) return 1;
  if (*mean_rating < 2.5) return 0;
  return *mean_rating >= 4.5 ? 2 : 1;
}

std::optional<Error> check_min_quality(double min_quality) {
  if (min_quality >= 0 && min_quality <= 1) return std::nullopt;
  return invalid("minimum quality score is out of range", "It must be between 0 and 1.");
}

std::optional<Error> check_epochs(int epochs) {
  if (epochs >= 1 && epochs <= 50) return std::nullopt;
  return invalid("number of epochs is out of range", "It must be between 1 and 50.");
}

std::optional<Error> check_learning_rate_multiplier(double learning_rate_multiplier) {
  if (learning_rate_multiplier > 0 && std::isfinite(learning_rate_multiplier)) return std::nullopt;
  return invalid("learning rate multiplier is out of range", "It must be a number greater than 0.");
}

std::optional<Error> check_min_examples(std::int64_t min_examples) {
  if (min_examples >= kMinTrainingExamples) return std::nullopt;
  return invalid("minimum number of examples is too low", "The provider takes no training file of fewer than " +
                                                              std::to_string(kMinTrainingExamples) + " examples.");
}

std::optional<Error> check_max_examples(std::int64_t max_examples, std::int64_t min_examples) {
  if (max_examples >= kMinTrainingExamples && max_examples >= min_examples) return std::nullopt;
  return invalid("maximum number of examples is too low",
                 "It must be at least " + std::to_string(std::max(kMinTrainingExamples, min_examples)) + ".",
                 max_examples < min_examples ? "The maximum cannot be below the minimum number of examples." : "");
}

std::optional<Error> check_validation_fraction(double fraction) {
  if (fraction >= 0 && fraction <= 0.5) return std::nullopt;
  return invalid("validation fraction is out of range", "It must be between 0 and 0.5.");
}

std::optional<Error> check_method(std::string_view method) {
  if (method == kSupervised || method == kPreference || method == kExemplar) return std::nullopt;
  return invalid("training method is not known", "The method \"" + clean_message(method, 64) + "\" does not exist.",
                 "Use the method \"supervised\", \"dpo\" or \"exemplar\".");
}

std::optional<Error> check_option_method(std::string_view option, std::string_view its_method,
                                         std::string_view method) {
  if (method == its_method) return std::nullopt;
  return invalid("option \"" + std::string(option) + "\" does not go with the training method",
                 "It is for the method \"" + std::string(its_method) + "\".");
}

std::optional<Error> check_name(std::string_view name) {
  if (!name.empty() && utf8_length(name) <= kMaxName) return std::nullopt;
  return invalid("invalid name", "A name has 1 to 255 characters.");
}

std::optional<Error> check_base_model(std::string_view base_model) {
  if (base_model.empty()) return invalid("base model is empty", "A dataset is made for one base model.");
  if (!is_valid_utf8(base_model) || utf8_length(base_model) > kMaxModelName) {
    return invalid("base model is not a valid name", "A name has at most 256 characters of UTF-8.");
  }
  for (std::size_t at = 0; at < base_model.size();) {
    const Utf8Char next = decode_utf8(base_model, at);
    if (is_control(next.value) || is_space(next.value)) {
      return invalid("base model is not a valid name", "A name holds no control characters and no white space.");
    }
    at += next.bytes;
  }
  return std::nullopt;
}

}  // namespace trainer::core
