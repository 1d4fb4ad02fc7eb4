// One reply of a chat model: what is asked, and what comes back.
#pragma once

#include <optional>
#include <string>

namespace trainer::core {

struct ChatRequest {
  std::string model;     // the provider's name of it
  std::string messages;  // as core::append_messages writes them: a JSON array
  double temperature = 0.8;
  int max_tokens = 200;
};

struct Completion {
  std::string text;       // cleaned as examples are; empty when there is none that can be used
  bool filtered = false;  // the provider held it back, or the model refused
  bool cut = false;       // ended by max_tokens
  std::optional<int> prompt_tokens;
  std::optional<int> cached_tokens;  // of them
  std::optional<int> completion_tokens;
};

}  // namespace trainer::core
