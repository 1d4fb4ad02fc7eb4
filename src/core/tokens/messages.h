// How many tokens are the messages of a chat? By the rule that OpenAI gives for its chat models (its cookbook, "How to
// count tokens with tiktoken"): for each message 3, and the tokens of each text in it, and 1 more for a name; and once
// kReplyPrimer for the reply that is to follow. What trainings are billed by counts the same.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/tokens/counter.h"

namespace trainer::core::tokens {

constexpr std::int64_t kTokensPerMessage = 3;
constexpr std::int64_t kTokensPerName = 1;
constexpr std::int64_t kReplyPrimer = 3;

// The tokens of `[{"role":...,"content":...}, ...]` without kReplyPrimer. Texts deeper inside (the parts of a content,
// the calls of tools) count like others, which is an estimate. Of anything else than a list 0; what is no JSON at all
// counts something. Error (limit_exceeded): as TokenCounter::count.
Result<std::int64_t> count_message_tokens(TokenCounter& counter, std::string_view json, Interrupt interrupt = nullptr);

}  // namespace trainer::core::tokens
