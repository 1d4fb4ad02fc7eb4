#include "core/text.h"

#include <algorithm>

#include "core/bytes.h"

namespace trainer::core {
namespace {

unsigned char byte_at(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

bool is_letter_or_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// What ends a key in running text, in JSON, in a URL or in a header.
bool ends_key(char c) {
  return std::string_view(" \"'`,;()[]{}<>\\&").find(c) != std::string_view::npos;
}

std::size_t key_end(std::string_view text, std::size_t from) {
  while (from < text.size() && !ends_key(text[from])) ++from;
  return from;
}

std::size_t skip(std::string_view text, std::size_t from, std::string_view characters) {
  const std::size_t next = text.find_first_not_of(characters, from);
  return next == std::string_view::npos ? text.size() : next;
}

// Does `word` (lower case) stand at text[at], in any case?
bool stands_at(std::string_view text, std::size_t at, std::string_view word) {
  if (text.size() - at < word.size()) return false;
  return std::equal(word.begin(), word.end(), text.begin() + static_cast<std::ptrdiff_t>(at), [](char want, char have) {
    return want == ((have >= 'A' && have <= 'Z') ? static_cast<char>(have + 32) : have);
  });
}

struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
};

// The value behind `api-key:`, `api_key=`, `"apiKey": "` or `API key provided: `.
Span api_key_value(std::string_view text, std::size_t at) {
  std::size_t p = at + 3;
  if (p < text.size() && (text[p] == '-' || text[p] == '_' || text[p] == ' ')) ++p;
  if (!stands_at(text, p, "key")) return {};
  p += 3;
  if (stands_at(text, p, " provided")) p += 9;
  p = skip(text, p, " \"'\\");
  if (p == text.size() || (text[p] != ':' && text[p] != '=')) return {};
  p = skip(text, p + 1, " \"'\\");
  return {p, key_end(text, p)};
}

// `sk-` and what follows. Inside a word (`desk-mate`, but also an escaped line break before a key, `\nsk-...`) only
// when it is long enough for a key.
Span secret_key(std::string_view text, std::size_t at, bool in_word) {
  constexpr std::size_t kShortestKey = 16;
  const std::size_t end = key_end(text, at);
  return in_word && end - at < kShortestKey ? Span{} : Span{at, end};
}

// What follows `Bearer ` or `"bearer": "`.
Span bearer_value(std::string_view text, std::size_t at) {
  const std::size_t word_end = at + 6;
  const std::size_t begin = skip(text, word_end, " :=\"'\\");
  return begin == word_end ? Span{} : Span{begin, key_end(text, begin)};
}

// The key that begins at text[at] or is announced there; an empty span when there is none.
Span key_at(std::string_view text, std::size_t at, bool in_word) {
  if (stands_at(text, at, "sk-")) return secret_key(text, at, in_word);
  if (stands_at(text, at, "bearer")) return bearer_value(text, at);
  if (stands_at(text, at, "api")) return api_key_value(text, at);
  return {};
}

std::string without_keys(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool in_word = false;
  for (std::size_t at = 0; at < text.size();) {
    const Span key = key_at(text, at, in_word);
    if (key.end > key.begin) {
      out.append(text, at, key.begin - at).append("[redacted]");
      at = key.end;
      in_word = false;
    } else {
      in_word = is_letter_or_digit(text[at]);
      out.push_back(text[at++]);
    }
  }
  return out;
}

// one_line before it is trimmed and cut.
std::string flattened(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t stop = find_unprintable(text, at);
    out.append(text, at, stop - at);
    if (stop == text.size()) break;
    const Utf8Char next = decode_utf8(text, stop);
    at = stop + next.bytes;
    if (next.value == '\n' || next.value == '\r' || next.value == '\t' || next.value == 0x2028 ||
        next.value == 0x2029) {
      out.push_back(' ');
    } else if (!is_control(next.value)) {
      append_utf8(out, next.value);
    }
  }
  return out;
}

std::string_view bounded_input(std::string_view text, std::size_t max_bytes) {
  return cut_utf8(text, max_bytes > text.size() / 8 ? text.size() : max_bytes * 8);
}

std::string bounded_line(std::string_view text, std::size_t max_bytes) {
  return std::string(trimmed(cut_utf8(trimmed(text), max_bytes)));
}

// Allowed range of the second byte of a character, by its first: the one place where UTF-8 is irregular.
struct Lead {
  int more = 0;  // bytes that follow; 0: not a lead byte
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
};

Lead lead_of(unsigned char first) {
  if (first < 0xC2 || first > 0xF4) return {};
  if (first < 0xE0) return {1};
  if (first == 0xE0) return {2, 0xA0, 0xBF};
  if (first == 0xED) return {2, 0x80, 0x9F};
  if (first < 0xF0) return {2};
  if (first == 0xF0) return {3, 0x90, 0xBF};
  if (first == 0xF4) return {3, 0x80, 0x8F};
  return {3};
}

// By the table, whatever the sequence. Precondition: text[at] is not ASCII.
Utf8Char decode_any(std::string_view text, std::size_t at) {
  const unsigned char first = byte_at(text, at);
  const Lead lead = lead_of(first);
  if (lead.more == 0) return {kReplacementCharacter, 1, false};
  char32_t value = first & (0x3F >> lead.more);
  unsigned char low = lead.low;
  unsigned char high = lead.high;
  std::size_t bytes = 1;
  for (int i = 0; i < lead.more; ++i, ++bytes) {
    if (at + bytes == text.size()) return {kReplacementCharacter, bytes, false};
    const unsigned char next = byte_at(text, at + bytes);
    if (next < low || next > high) return {kReplacementCharacter, bytes, false};
    value = (value << 6) | (next & 0x3F);
    low = 0x80;
    high = 0xBF;
  }
  return {value, bytes, true};
}

// How many bytes a character has that needs no table, as nearly all do, or 0: it begins with two bytes, of which the
// first allows any second one, or is one of U+10000 to U+3FFFF, where the emoji are. Precondition: as above.
inline std::size_t plain_bytes(std::string_view text, std::size_t at) {
  const unsigned char first = byte_at(text, at);
  const std::size_t left = text.size() - at;
  const auto continues = [text, at](std::size_t i) { return (byte_at(text, at + i) & 0xC0) == 0x80; };
  if (first >= 0xC2 && first < 0xE0) return left >= 2 && continues(1) ? 2 : 0;
  if (first > 0xE0 && first < 0xF0 && first != 0xED) return left >= 3 && continues(1) && continues(2) ? 3 : 0;
  if (first != 0xF0 || left < 4 || byte_at(text, at + 1) < 0x90) return 0;
  return continues(1) && continues(2) && continues(3) ? 4 : 0;
}

}  // namespace

Utf8Char decode_utf8(std::string_view text, std::size_t at) {
  const unsigned char first = byte_at(text, at);
  if (first < 0x80) return {first, 1, true};
  const auto six_bits = [text, at](std::size_t i) { return static_cast<char32_t>(byte_at(text, at + i) & 0x3F); };
  switch (plain_bytes(text, at)) {
    case 2:
      return {(static_cast<char32_t>(first & 0x1F) << 6) | six_bits(1), 2, true};
    case 3:
      return {(static_cast<char32_t>(first & 0x0F) << 12) | (six_bits(1) << 6) | six_bits(2), 3, true};
    case 4:
      return {(six_bits(1) << 12) | (six_bits(2) << 6) | six_bits(3), 4, true};
    default:
      return decode_any(text, at);
  }
}

void append_utf8(std::string& out, char32_t value) {
  const auto tail = [&out, value](int shift) { out.push_back(static_cast<char>(0x80 | ((value >> shift) & 0x3F))); };
  if (value < 0x80) {
    out.push_back(static_cast<char>(value));
  } else if (value < 0x800) {
    out.push_back(static_cast<char>(0xC0 | (value >> 6)));
    tail(0);
  } else if (value < 0x10000) {
    out.push_back(static_cast<char>(0xE0 | (value >> 12)));
    tail(6);
    tail(0);
  } else {
    out.push_back(static_cast<char>(0xF0 | (value >> 18)));
    tail(12);
    tail(6);
    tail(0);
  }
}

bool is_valid_utf8(std::string_view text) {
  for (std::size_t at = 0; (at = find_byte(
                                text, at, [](std::uint64_t word) { return word & kHighBits; },
                                [](char c) { return static_cast<unsigned char>(c) >= 0x80; })) < text.size();) {
    // Such characters seldom stand alone.
    do {
      const std::size_t plain = plain_bytes(text, at);
      const Utf8Char other = plain == 0 ? decode_any(text, at) : Utf8Char{0, plain, true};
      if (!other.valid) return false;
      at += other.bytes;
    } while (at < text.size() && byte_at(text, at) >= 0x80);
  }
  return true;
}

std::string to_valid_utf8(std::string_view text) {
  if (is_valid_utf8(text)) return std::string(text);
  std::string out;
  out.reserve(text.size() + 16);
  for (std::size_t at = 0; at < text.size();) {
    const Utf8Char next = decode_utf8(text, at);
    append_utf8(out, next.value);
    at += next.bytes;
  }
  return out;
}

std::size_t utf8_length(std::string_view text) {
  std::size_t length = 0;
  for (std::size_t at = 0; at < text.size(); ++length) at += decode_utf8(text, at).bytes;
  return length;
}

std::string_view cut_utf8(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  std::size_t end = max_bytes;
  // A character has at most three bytes behind its first; more of them are not UTF-8 and may be cut anywhere.
  for (int i = 0; i < 3 && end > 0 && (byte_at(text, end) & 0xC0) == 0x80; ++i) --end;
  return text.substr(0, (byte_at(text, end) & 0xC0) == 0x80 ? max_bytes : end);
}

bool is_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0D);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200B) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000 || c == 0xFEFF;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty()) {
    const Utf8Char first = decode_utf8(text, 0);
    if (!is_space(first.value)) break;
    text.remove_prefix(first.bytes);
  }
  while (!text.empty()) {
    std::size_t at = text.size() - 1;
    while (at > 0 && text.size() - at < 4 && (byte_at(text, at) & 0xC0) == 0x80) --at;
    const Utf8Char last = decode_utf8(text, at);
    if (at + last.bytes != text.size() || !is_space(last.value)) break;
    text.remove_suffix(last.bytes);
  }
  return text;
}

bool is_uuid(std::string_view text) {
  constexpr std::string_view kPattern = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  constexpr std::string_view kDigits = "0123456789abcdefABCDEF";
  return text.size() == kPattern.size() &&
         std::equal(text.begin(), text.end(), kPattern.begin(), [&](char found, char wanted) {
           return wanted == '-' ? found == '-' : kDigits.find(found) != std::string_view::npos;
         });
}

std::string one_line(std::string_view text, std::size_t max_bytes) {
  return bounded_line(flattened(bounded_input(text, max_bytes)), max_bytes);
}

std::string clean_message(std::string_view text, std::size_t max_bytes) {
  return bounded_line(without_keys(flattened(bounded_input(text, max_bytes))), max_bytes);
}

}  // namespace trainer::core
