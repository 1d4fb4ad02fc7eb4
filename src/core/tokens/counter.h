// How many tokens is a text? Exactly as many, and the same, as OpenAI's tiktoken makes of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/tokens/merge.h"
#include "core/tokens/tables.h"

namespace trainer::core::tokens {

// Counts for one encoding, and remembers what it has counted, in 512 KiB. Not for two threads at
// once. Text like <|endoftext|> is text, as in training data. The encoding must outlive it.
//
// Texts are UTF-8; an invalid sequence counts as U+FFFD, each longest part that could have begun a character for one,
// as Unicode recommends and JavaScript's decoder does.
class TokenCounter {
 public:
  explicit TokenCounter(const Encoding& encoding);

  // The number of tokens. Error (limit_exceeded): a piece is longer than kMaxPiece. Lets out what `interrupt` throws.
  Result<std::int64_t> count(std::string_view text, Interrupt interrupt = nullptr);
  // The same for what is known to be valid; of anything else it counts something.
  Result<std::int64_t> count_valid(std::string_view utf8, Interrupt interrupt = nullptr);

  // The tokens themselves, appended to `ids`, and their number.
  Result<std::int64_t> encode(std::string_view text, std::vector<TokenId>& ids, Interrupt interrupt = nullptr);

  const Encoding& encoding() const { return *encoding_; }

 private:
  struct Known;
  struct Free {
    void operator()(Known* known) const;
  };
  const Encoding* encoding_;
  std::unique_ptr<Known, Free> known_;
};

}  // namespace trainer::core::tokens
