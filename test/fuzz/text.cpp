// Any bytes as text: repaired once is repaired for good, and what goes into a row or a log is one clean line.
#include "core/text.h"

#include "fuzz.h"

namespace trainer::fuzz {

static bool has_control(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    auto c = core::decode_utf8(text, at);
    if (core::is_control(c.value)) return true;
    at += c.bytes;
  }
  return false;
}

void target(std::string_view input) {
  const std::string valid = core::to_valid_utf8(input);
  require(core::is_valid_utf8(valid));
  require(core::to_valid_utf8(valid) == valid);
  require(core::utf8_length(input) == core::utf8_length(valid));
  require(core::is_valid_utf8(input) == (valid == input));
  for (std::size_t most : {std::size_t{1}, std::size_t{7}, std::size_t{100}}) {
    std::string_view cut = core::cut_utf8(valid, most);
    require(cut.size() <= most && core::is_valid_utf8(cut));
    const std::string line = core::one_line(input, most);
    require(line.size() <= most && core::is_valid_utf8(line) && !has_control(line));
  }
  const std::string clean = core::clean_message(input);
  require(clean.size() <= 2048 && core::is_valid_utf8(clean) && !has_control(clean));
  (void)core::is_uuid(input);
}

}  // namespace trainer::fuzz
