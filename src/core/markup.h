// Text of unknown origin as a part of HTML that is XML, too. Owns: what is escaped, and how.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace trainer::core {

// The text as content of an element or of an attribute in quotes, in ASCII: so it means the same in whatever encoding a
// page is stored, and no character is white space or direction to one reader and text to another. Line breaks and tabs
// are spaces. What XML cannot hold, what HTML reads as another character, what turns the direction of writing, and
// invalid sequences are U+FFFD.
void append_markup_text(std::string& out, std::string_view utf8);
std::string markup_text(std::string_view utf8);

// The pattern with each %t replaced by the next part as text, each %m by the next part as it is, %% by %. Text is the
// short way: whoever forgets that a part is markup sees it escaped twice. Errors: another sign after %, parts that are
// too many or too few.
Result<std::string> fill_markup(std::string_view pattern, const std::vector<std::string>& parts);

}  // namespace trainer::core
