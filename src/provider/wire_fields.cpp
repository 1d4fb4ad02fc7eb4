#include "provider/wire_fields.h"

#include <algorithm>
#include <limits>

#include "core/text.h"

namespace trainer::provider {
namespace {

constexpr std::size_t kMaxWord = 64;
constexpr std::int64_t kLatestTime = 4'102'444'800;  // 2100-01-01
constexpr std::int64_t kMostTokens = 9'000'000'000'000'000;

std::optional<std::int64_t> up_to(std::int64_t max, std::optional<std::int64_t> value) {
  return value && *value >= 0 && *value <= max ? value : std::nullopt;
}

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_made_of(std::string_view id, std::size_t max, std::string_view punctuation) {
  return !id.empty() && id.size() <= max && std::any_of(id.begin(), id.end(), is_alphanumeric) &&
         std::all_of(id.begin(), id.end(),
                     [&](char c) { return is_alphanumeric(c) || punctuation.find(c) != std::string_view::npos; });
}

std::optional<double> first_number(JsonView value, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (const auto number = value[name].number()) return number;
  }
  return std::nullopt;
}

}  // namespace

bool is_object_id(std::string_view id) {
  return is_made_of(id, 128, "_-");
}

// One letter or digit at least: "." and ".." would lead elsewhere in a path.
bool is_id(std::string_view id) {
  return is_made_of(id, 256, "_.:-");
}

bool is_model_name(std::string_view name) {
  return is_made_of(name, kMaxModelName, "_.:-/@+");
}

bool is_kind(JsonView value, std::string_view object) {
  if (!value.is_object()) return false;
  const JsonView named = value["object"];
  return !named.exists() || named.is_null() || named.text() == object;
}

std::string label(JsonView value, std::size_t max_bytes) {
  return core::clean_message(value.text(), max_bytes);
}

std::string word(JsonView value) {
  return label(value, kMaxWord);
}

std::string id_if(JsonView value, bool (*valid)(std::string_view)) {
  std::string id = value.text();
  return valid(id) ? id : std::string();
}

std::optional<int> small_number(std::optional<std::int64_t> value) {
  value = up_to(std::numeric_limits<int>::max(), value);
  return value ? std::optional(static_cast<int>(*value)) : std::nullopt;
}

std::optional<std::int64_t> unix_time(JsonView value) {
  return up_to(kLatestTime, value.integer());
}

std::optional<std::int64_t> token_count(JsonView value) {
  return up_to(kMostTokens, value.integer());
}

core::StepMetrics read_metrics(JsonView value) {
  core::StepMetrics metrics;
  metrics.step = small_number(value["step"].integer());
  metrics.total_steps = small_number(value["total_steps"].integer());
  metrics.train_loss = first_number(value, {"train_loss", "training_loss"});
  metrics.train_accuracy = first_number(value, {"train_mean_token_accuracy", "train_accuracy"});
  metrics.valid_loss = first_number(value, {"valid_loss", "validation_loss"});
  metrics.valid_accuracy =
      first_number(value, {"valid_mean_token_accuracy", "validation_mean_token_accuracy", "valid_accuracy"});
  metrics.full_valid_loss = first_number(value, {"full_valid_loss", "full_validation_loss"});
  return metrics;
}

bool has_metrics(const core::StepMetrics& metrics) {
  return metrics.step || metrics.train_loss || metrics.train_accuracy || metrics.valid_loss || metrics.valid_accuracy ||
         metrics.full_valid_loss;
}

}  // namespace trainer::provider
