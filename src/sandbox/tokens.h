// The sandbox's plain token: what it counts, bills and learns. A token is at most four letters or digits of one word,
// with the space before it, or any other single character. It is an estimate of the provider's tokens, not a copy.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace trainer::sandbox {

// The tokens of `text` in order; joined they are `text` again. Bytes that are not UTF-8 count as characters.
std::vector<std::string_view> tokens(std::string_view text);

std::int64_t count_tokens(std::string_view text);

// What a message costs besides its role and text.
constexpr std::int64_t kTokensPerMessage = 3;

}  // namespace trainer::sandbox
