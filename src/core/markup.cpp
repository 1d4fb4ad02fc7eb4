#include "core/markup.h"

#include <charconv>
#include <cstddef>

#include "core/text.h"

namespace trainer::core {
namespace {

// Marks, embeddings, overrides and isolates (UAX #9): a name must not turn what stands beside it.
constexpr bool turns_direction(char32_t c) {
  return c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

// A reference to U+0080 to U+009F is read as one of windows-1252.
constexpr bool is_readable(char32_t c) {
  return !is_control(c) && !turns_direction(c) && (c & 0xFFFE) != 0xFFFE;
}

void append_reference(std::string& out, char32_t c) {
  char digits[8];
  const auto end = std::to_chars(digits, digits + sizeof digits, static_cast<unsigned>(c), 16);
  out.append("&#x").append(digits, end.ptr).append(";");
}

}  // namespace

void append_markup_text(std::string& out, std::string_view utf8) {
  for (std::size_t at = 0; at < utf8.size();) {
    const Utf8Char next = decode_utf8(utf8, at);
    at += next.bytes;
    const char32_t c = next.value;
    if (c == '\n' || c == '\t' || c == '\r') {
      out += ' ';
    } else if (!next.valid || !is_readable(c)) {
      append_reference(out, kReplacementCharacter);
    } else if (c >= 0x80 || c == '&' || c == '<' || c == '>' || c == '"' || c == '\'') {
      append_reference(out, c);
    } else {
      out += static_cast<char>(c);
    }
  }
}

std::string markup_text(std::string_view utf8) {
  std::string out;
  append_markup_text(out, utf8);
  return out;
}

Result<std::string> fill_markup(std::string_view pattern, const std::vector<std::string>& parts) {
  auto wrong = [](const char* detail) {
    return Error{Condition::invalid_argument, "the pattern does not fit its parts", detail, ""};
  };
  std::string out;
  std::size_t next = 0;
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] != '%') {
      out += pattern[at];
      continue;
    }
    const char sign = ++at < pattern.size() ? pattern[at] : '\0';
    if (sign == '%') {
      out += '%';
    } else if (sign != 't' && sign != 'm') {
      return wrong("After % stands t for text, m for markup, or another %.");
    } else if (next == parts.size()) {
      return wrong("There are fewer parts than places for them.");
    } else if (sign == 't') {
      append_markup_text(out, parts[next++]);
    } else {
      out += parts[next++];
    }
  }
  if (next < parts.size()) return wrong("There are more parts than places for them.");
  return out;
}

}  // namespace trainer::core
