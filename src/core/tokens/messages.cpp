#include "core/tokens/messages.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

#include "core/text.h"

namespace trainer::core::tokens {
namespace {

constexpr std::string_view kWhiteSpace = " \t\r\n";

// The four hexadecimal digits of an escaped character at text[at], or nothing.
char32_t hex_at(std::string_view text, std::size_t at) {
  std::uint16_t value = 0;
  if (text.size() - at >= 4) std::from_chars(text.data() + at, text.data() + at + 4, value, 16);
  return value;
}

// Appends what the escape behind a backslash at text[at] stands for; returns where it ends. Half of a surrogate pair is
// U+FFFD.
std::size_t append_escape(std::string& out, std::string_view text, std::size_t at) {
  const char kind = text[at++];
  if (kind != 'u') {
    constexpr std::string_view kNames = "bfnrt";
    constexpr std::string_view kControls = "\b\f\n\r\t";
    const std::size_t found = kNames.find(kind);
    out += found == std::string_view::npos ? kind : kControls[found];
    return at;
  }
  char32_t value = hex_at(text, at);
  at = std::min(at + 4, text.size());
  if (value >= 0xD800 && value < 0xDC00 && text.substr(at).starts_with("\\u")) {
    const char32_t low = hex_at(text, at + 2);
    if (low >= 0xDC00 && low < 0xE000) {
      value = 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00);
      at = std::min(at + 6, text.size());
    }
  }
  append_utf8(out, value >= 0xD800 && value < 0xE000 ? 0xFFFD : value);
  return at;
}

// Reads a document once, from string to string; knows how deep it is, and no grammar.
class Reader {
 public:
  Reader(TokenCounter& counter, std::string_view json, Interrupt interrupt)
      : counter_(counter), json_(json), interrupt_(interrupt) {}

  Result<std::int64_t> read() {
    if (!next_is('[')) return std::int64_t{0};
    for (; at_ < json_.size(); ++at_) {
      const char c = json_[at_];
      if (c == '[' || c == '{') {
        ++depth_;
        if (c == '{' && depth_ == kMessage) tokens_ += kTokensPerMessage;
      } else if (c == ']' || c == '}') {
        --depth_;
      } else if (c == '"') {
        if (const auto error = read_string()) return *error;
      }
    }
    return tokens_;
  }

 private:
  static constexpr int kMessage = 2;  // a message's depth: in the list

  bool next_is(char c) {
    at_ = std::min(json_.find_first_not_of(kWhiteSpace, at_), json_.size());
    return at_ < json_.size() && json_[at_] == c;
  }

  // From the quote that begins a string to the one that ends it.
  std::optional<Error> read_string() {
    const std::size_t begin = ++at_;
    std::size_t end = begin;
    bool escaped = false;
    for (; end < json_.size() && json_[end] != '"'; ++end) {
      if (json_[end] != '\\') continue;
      escaped = true;
      ++end;
    }
    end = std::min(end, json_.size());
    const std::string_view raw = json_.substr(begin, end - begin);
    at_ = end + 1;
    const bool is_key = next_is(':');
    if (!is_key) --at_;  // the loop goes on with what comes next
    if (is_key) {
      if (depth_ == kMessage) names_ = raw == "name";
      return std::nullopt;
    }
    if (depth_ < kMessage) return std::nullopt;
    if (depth_ == kMessage && names_) tokens_ += kTokensPerName;
    const auto count = counter_.count(escaped ? unescaped(raw) : raw, interrupt_);
    if (!count) return count.error();
    tokens_ += *count;
    return std::nullopt;
  }

  std::string_view unescaped(std::string_view raw) {
    buffer_.clear();
    for (std::size_t at = 0; at < raw.size();) {
      const std::size_t escape = std::min(raw.find('\\', at), raw.size());
      buffer_.append(raw, at, escape - at);
      at = escape + 1 < raw.size() ? append_escape(buffer_, raw, escape + 1) : raw.size();
    }
    return buffer_;
  }

  TokenCounter& counter_;
  std::string_view json_;
  Interrupt interrupt_;
  std::size_t at_ = 0;
  int depth_ = 0;
  bool names_ = false;
  std::int64_t tokens_ = 0;
  std::string buffer_;
};

}  // namespace

Result<std::int64_t> count_message_tokens(TokenCounter& counter, std::string_view json, Interrupt interrupt) {
  return Reader(counter, json, interrupt).read();
}

}  // namespace trainer::core::tokens
