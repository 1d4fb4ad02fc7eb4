#include "core/json_text.h"

#include <cstdint>

#include "core/bytes.h"
#include "core/text.h"

namespace trainer::core {
namespace {

void append_unit(std::string& out, std::uint32_t unit) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const char text[] = {
      '\\', 'u', kDigits[unit >> 12], kDigits[(unit >> 8) & 15], kDigits[(unit >> 4) & 15], kDigits[unit & 15]};
  out.append(text, sizeof text);
}

void append_code_point(std::string& out, char32_t value) {
  if (value < 0x10000) {
    append_unit(out, value);
  } else {
    append_unit(out, 0xD800 + ((value - 0x10000) >> 10));
    append_unit(out, 0xDC00 + ((value - 0x10000) & 0x3FF));
  }
}

void append_ascii(std::string& out, char c) {
  switch (c) {
    case '"':
      out.append("\\\"");
      break;
    case '\\':
      out.append("\\\\");
      break;
    case '\n':
      out.append("\\n");
      break;
    case '\r':
      out.append("\\r");
      break;
    case '\t':
      out.append("\\t");
      break;
    default:
      append_unit(out, static_cast<unsigned char>(c));
  }
}

std::uint64_t marks(std::uint64_t word) {
  return unprintable_bytes(word) | bytes_equal(word, '"') | bytes_equal(word, '\\');
}

bool stops(char c) {
  return !is_printable_ascii(c) || c == '"' || c == '\\';
}

bool stays(const Utf8Char& c, Escape mode) {
  return mode == Escape::utf8 && c.valid && c.value >= 0xA0 && c.value != 0x2028 && c.value != 0x2029;
}

}  // namespace

void append_json_escaped(std::string& out, std::string_view utf8, Escape mode) {
  std::size_t copied = 0;  // all before it is in `out`
  std::size_t at = 0;
  while ((at = find_byte(utf8, at, marks, stops)) < utf8.size()) {
    const Utf8Char next = decode_utf8(utf8, at);
    if (stays(next, mode)) {
      at += next.bytes;
      continue;
    }
    out.append(utf8.substr(copied, at - copied));
    if (next.value < 0x80) {
      append_ascii(out, static_cast<char>(next.value));
    } else if (!next.valid && mode == Escape::utf8) {
      append_utf8(out, next.value);
    } else {
      append_code_point(out, next.value);
    }
    at += next.bytes;
    copied = at;
  }
  out.append(utf8.substr(copied));
}

void append_json_string(std::string& out, std::string_view utf8, Escape mode) {
  out.push_back('"');
  append_json_escaped(out, utf8, mode);
  out.push_back('"');
}

}  // namespace trainer::core
