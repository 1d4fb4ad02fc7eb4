// What may be done to a text of unknown origin before anything else sees it: valid UTF-8, no control characters, no
// keys, a bounded length.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace trainer::core {

constexpr char32_t kReplacementCharacter = 0xFFFD;

// One character of UTF-8, as Unicode 15 table 3-7 defines it (no surrogates, no overlong forms, at most U+10FFFF).
struct Utf8Char {
  char32_t value = 0;     // kReplacementCharacter when not valid
  std::size_t bytes = 0;  // at least 1; of an invalid sequence the longest part that could have begun a character
  bool valid = false;
};

// The character that begins at text[at]. Precondition: at < text.size().
Utf8Char decode_utf8(std::string_view text, std::size_t at);
void append_utf8(std::string& out, char32_t value);

bool is_valid_utf8(std::string_view text);
// Every invalid sequence becomes one U+FFFD.
std::string to_valid_utf8(std::string_view text);
// Characters (code points); an invalid sequence counts as one.
std::size_t utf8_length(std::string_view text);
// The longest prefix of at most max_bytes that does not cut a character. Precondition: valid UTF-8.
std::string_view cut_utf8(std::string_view text, std::size_t max_bytes);

// C0, DEL and C1.
constexpr bool is_control(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0);
}
// White space of Unicode, and the zero-width space and byte order mark that look like it.
bool is_space(char32_t c);
// Without white space at either end; views the same bytes. Invalid bytes are not white space.
std::string_view trimmed(std::string_view text);

// Thirty-two hexadecimal digits in groups of 8, 4, 4, 4 and 12.
bool is_uuid(std::string_view text);

// A single line of at most max_bytes bytes: valid UTF-8; line breaks and tabs are spaces; other control characters are
// gone; white space at the ends, too. Looks at no more than the first 8 * max_bytes bytes.
std::string one_line(std::string_view text, std::size_t max_bytes);

// For text from outside that goes into a row, an error or a log: one_line, and whatever looks like a key (`sk-...`,
// what follows `Bearer`, the value of an `api-key`) replaced by `[redacted]`. Rather a word too many than a key.
std::string clean_message(std::string_view text, std::size_t max_bytes = 2048);

}  // namespace trainer::core
