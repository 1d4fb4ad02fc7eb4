// Cuts text into tokens.
#include "sandbox/tokens.h"

#include <algorithm>
#include <cstddef>

namespace trainer::sandbox {
namespace {

constexpr int kLettersPerToken = 4;

std::size_t character_bytes(unsigned char lead) {
  if (lead < 0xC0) return 1;
  if (lead < 0xE0) return 2;
  return lead < 0xF0 ? 3 : 4;
}

bool is_word(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c >= 0x80;
}

// Bytes of the first token of a text that is not empty.
std::size_t first_token(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  std::size_t end = text[0] == ' ' && text.size() > 1 && text[1] != ' ' ? 1 : 0;
  if (!is_word(byte(end))) return std::min(end + character_bytes(byte(end)), text.size());
  for (int letters = 0; letters < kLettersPerToken && end < text.size() && is_word(byte(end)); ++letters) {
    end += character_bytes(byte(end));
  }
  return std::min(end, text.size());
}

}  // namespace

std::vector<std::string_view> tokens(std::string_view text) {
  std::vector<std::string_view> found;
  found.reserve(text.size() / 3 + 1);
  while (!text.empty()) {
    const std::size_t bytes = first_token(text);
    found.push_back(text.substr(0, bytes));
    text.remove_prefix(bytes);
  }
  return found;
}

std::int64_t count_tokens(std::string_view text) {
  std::int64_t count = 0;
  while (!text.empty()) {
    text.remove_prefix(first_token(text));
    ++count;
  }
  return count;
}

}  // namespace trainer::sandbox
