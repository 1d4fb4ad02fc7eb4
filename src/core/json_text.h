// Writes JSON strings; the inner loop of building a dataset.
#pragma once

#include <string>
#include <string_view>

namespace trainer::core {

enum class Escape {
  utf8,   // characters beyond ASCII stay as they are
  ascii,  // they become \uXXXX, in surrogate pairs beyond U+FFFF: for databases whose encoding is not UTF-8
};

// The text as a JSON string in quotes. Either way escaped: ", \, controls (C0, DEL, C1), U+2028 and U+2029, which end a
// line for some readers of JSONL. An invalid sequence becomes U+FFFD. Text without any of these is copied in one piece.
void append_json_string(std::string& out, std::string_view utf8, Escape mode);
// The same without the quotes, to put a string together from pieces. Each piece is a text of its own: a character must
// not be cut in two between them.
void append_json_escaped(std::string& out, std::string_view utf8, Escape mode);

}  // namespace trainer::core
