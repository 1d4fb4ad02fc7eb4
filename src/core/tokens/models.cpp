#include "core/tokens/models.h"

#include <array>
#include <utility>

namespace trainer::core::tokens {
namespace {

// The first family that fits decides. One that ends with a point stands for all of its versions. After
// model_to_encoding.json of npm `tiktoken` 1.0.22 (OpenAI's contract, section 6).
constexpr std::array<std::pair<std::string_view, EncodingName>, 15> kFamilies{{
    {"gpt-4o", EncodingName::o200k_base},
    {"chatgpt-4o", EncodingName::o200k_base},
    {"gpt-4.1", EncodingName::o200k_base},
    {"gpt-4.5", EncodingName::o200k_base},
    {"gpt-5", EncodingName::o200k_base},
    {"gpt-5.", EncodingName::o200k_base},
    {"o1", EncodingName::o200k_base},
    {"o3", EncodingName::o200k_base},
    {"o4", EncodingName::o200k_base},
    {"gpt-4", EncodingName::cl100k_base},
    {"gpt-3.5-turbo", EncodingName::cl100k_base},
    {"gpt-35-turbo", EncodingName::cl100k_base},
    {"davinci-002", EncodingName::cl100k_base},
    {"babbage-002", EncodingName::cl100k_base},
    {"text-embedding", EncodingName::cl100k_base},
}};

}  // namespace

std::optional<EncodingName> encoding_named(std::string_view wanted) {
  for (const auto encoding : {EncodingName::o200k_base, EncodingName::cl100k_base}) {
    if (name(encoding) == wanted) return encoding;
  }
  return std::nullopt;
}

std::optional<EncodingName> encoding_of_model(std::string_view model) {
  if (model.starts_with("ft:")) {
    model.remove_prefix(3);
    model = model.substr(0, model.find(':'));
  }
  for (const auto& [family, encoding] : kFamilies) {
    if (!model.starts_with(family)) continue;
    if (model.size() == family.size() || model[family.size()] == '-' || family.ends_with('.')) return encoding;
  }
  return std::nullopt;
}

}  // namespace trainer::core::tokens
