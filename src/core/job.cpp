#include "core/job.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace trainer::core {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kModelStatus{{
    {"validating_files", "validating"},
    {"pending", "queued"},
    {"queued", "queued"},
    {"resuming", "queued"},
    {"running", "running"},
    {"pausing", "paused"},
    {"paused", "paused"},
    {"succeeded", "evaluating"},
    {"failed", "failed"},
    {"cancelled", "cancelled"},
}};

// OpenAI's contract, section 4: failures of a job, and the codes that mean money or permission.
constexpr std::array<std::string_view, 12> kFinalCodes{
    "invalid_n_examples",
    "invalid_training_file",
    "invalid_validation_file",
    "invalid_file_format",
    "unsafe_file",
    "exceeded_quota",
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "training_not_available",
};

bool speaks_of_safety(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  constexpr std::array<std::string_view, 4> kWords{"moderation", "safety", "unsafe", "usage policies"};
  return std::any_of(kWords.begin(), kWords.end(),
                     [&lower](std::string_view word) { return lower.find(word) != lower.npos; });
}

bool is_suffix_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

// 0 to 1, and 0 for what is not a number.
double clamped(double fraction) {
  return fraction > 0 ? std::min(fraction, 1.0) : 0.0;
}

}  // namespace

std::optional<std::string_view> model_status(std::string_view provider_status) {
  for (const auto& [theirs, ours] : kModelStatus) {
    if (theirs == provider_status) return ours;
  }
  return std::nullopt;
}

bool training_is_over(std::string_view status) {
  return status == "evaluating" || status == "succeeded" || status == "deployed" || status == "retired" ||
         status == "failed" || status == "cancelled";
}

bool is_terminal(std::string_view provider_status) {
  return provider_status == "succeeded" || provider_status == "failed" || provider_status == "cancelled";
}

bool failure_is_final(std::string_view error_code, std::string_view error_message) {
  return std::find(kFinalCodes.begin(), kFinalCodes.end(), error_code) != kFinalCodes.end() ||
         speaks_of_safety(error_code) || speaks_of_safety(error_message);
}

double fraction_done(std::int64_t step, std::int64_t total) {
  if (total <= 0) return 0;
  return clamped(static_cast<double>(step) / static_cast<double>(total));
}

std::string progress_bar(double fraction, int width) {
  const double done = clamped(fraction);
  const auto cells = static_cast<std::size_t>(std::max(width, 0));
  const auto filled = static_cast<std::size_t>(std::floor(done * static_cast<double>(cells)));
  const std::string percent = std::to_string(static_cast<int>(std::floor(done * 100)));
  std::string bar = "[";
  bar.append(filled, '#').append(cells - filled, '.').append("] ");
  bar.append(3 - percent.size(), ' ').append(percent).append("%");
  return bar;
}

std::optional<Error> check_suffix(std::string_view suffix, std::size_t max_length) {
  const bool fits = !suffix.empty() && suffix.size() <= max_length;
  if (fits && std::all_of(suffix.begin(), suffix.end(), is_suffix_character)) return std::nullopt;
  return Error{
      Condition::invalid_argument, "model suffix is not valid",
      "A suffix has 1 to " + std::to_string(max_length) + " characters: letters A to Z, digits, \"_\" and \"-\".",
      "For example: \"" + suffix_from(suffix, max_length) + "\"."};
}

std::string suffix_from(std::string_view name, std::size_t max_length) {
  std::string out;
  for (const char c : name) {
    const char next = is_suffix_character(c) ? c : '-';
    if (next == '-' && (out.empty() || out.back() == '-')) continue;
    if (out.size() == max_length) break;
    out.push_back(next);
  }
  while (!out.empty() && out.back() == '-') out.pop_back();
  return out.empty() ? "model" : out;
}

}  // namespace trainer::core
