// Which encoding belongs to which model.
#pragma once

#include <optional>
#include <string_view>

#include "core/tokens/tables.h"

namespace trainer::core::tokens {

// By its name, as in "o200k_base".
std::optional<EncodingName> encoding_named(std::string_view name);

// Of a model's or a family's name, or of a tuned model's ("ft:gpt-4o-2024-08-06:org::id"), which is its base's. The
// family stands up to a `-` or the end. nullopt: of no model that we know, whoever makes it.
std::optional<EncodingName> encoding_of_model(std::string_view model);

}  // namespace trainer::core::tokens
