// The chat messages that a model is trained on and later asked with. There is one function for both, since a model
// answers best to the prompt that it learned from, byte for byte.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json_text.h"

namespace trainer::core {

// How an organization wants to sound, in its own words. Any may be empty.
struct Persona {
  std::string defines_me;
  std::string does_not_tolerate;
  std::string does_not_mind;
  std::string tone;
  std::string style;
};

// Longest part of each of the persona's texts that goes into the system message.
constexpr std::size_t kMaxPersonaBytes = 2000;

// The system message. The persona's texts stand in quotes, as descriptions, each on one line and at most
// kMaxPersonaBytes long (a quotation mark inside becomes an apostrophe). Null, or nothing but empty texts: a neutral
// sentence. Never empty.
std::string system_message(const Persona* persona);

// The user's turn: `Write a reply to this comment from <platform>: "<comment>"`; an empty platform is left out.
std::string user_message(std::string_view comment, std::string_view platform);
// Its length in bytes, without building it.
std::size_t user_message_bytes(std::string_view comment, std::string_view platform);

// Appends `[{"role":"system","content":...},{"role":"user",...},{"role":"assistant",...}]`, without any white space. An
// empty system message is left out (the provider refuses empty contents); no assistant makes it a prompt.
void append_messages(std::string& out, std::string_view system, std::string_view user,
                     std::optional<std::string_view> assistant, Escape mode);

// Appends `[{"role":"assistant","content":...}]`: the other reply of a preference pair.
void append_reply(std::string& out, std::string_view reply, Escape mode);

// An exchange that came before, as an example of the next one.
struct Turn {
  std::string user;
  std::string reply;
};
// A prompt: what append_messages writes without an assistant, with turns between the system message and the user's.
void append_prompt(std::string& out, std::string_view system, const std::vector<Turn>& turns, std::string_view user,
                   Escape mode);

// The system message with replies that show the wanted tone, each on one line of at most kMaxPersonaBytes.
std::string with_samples(std::string system, const std::vector<std::string>& replies);

// The same bytes for many comments under one system message, which is escaped once.
class MessageWriter {
 public:
  MessageWriter(std::string_view system, Escape mode);
  // What append_messages writes for user_message(comment, platform).
  void append(std::string& out, std::string_view comment, std::string_view platform,
              std::optional<std::string_view> assistant) const;

 private:
  std::string head_;  // up to the opening quote of the user's content
  Escape mode_;
};

}  // namespace trainer::core
