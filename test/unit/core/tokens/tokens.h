// The tables that the build made, for the tests of the tokenizer.
#pragma once

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "core/tokens/counter.h"

namespace trainer::core::tokens {

inline constexpr EncodingName kEncodings[] = {EncodingName::o200k_base, EncodingName::cl100k_base};

inline const Encoding& built(EncodingName name) {
  static const auto tables = Tables::open(TRAINER_TOKENS);
  if (!tables) throw std::runtime_error(tables.error().detail);
  return tables->encoding(name);
}

inline std::vector<TokenId> ids(EncodingName name, std::string_view text) {
  std::vector<TokenId> found;
  const auto count = TokenCounter(built(name)).encode(text, found);
  EXPECT_TRUE(count.ok());
  return found;
}

// The tokens' texts, in brackets: what the pieces are merged into.
inline std::string shown(EncodingName name, std::string_view text) {
  std::string out;
  for (const TokenId id : ids(name, text)) out.append("[").append(built(name).token(id)).append("]");
  return out;
}

}  // namespace trainer::core::tokens
