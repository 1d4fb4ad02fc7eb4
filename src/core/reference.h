// Reference roasts: examples of comment and reply that an app has collected by hand, as they come in a file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace trainer::core {

struct ReferenceRoast {
  std::string comment;  // empty: a reply without one
  std::string roast;
  std::string category;  // empty: none
};

// A header of `comment,roast`, or of `text`, with or without `category`; in any order and case. Other columns are
// refused: a file that is another one should be noticed. An error names the line.
Result<std::vector<ReferenceRoast>> read_reference_roasts(std::string_view csv);

}  // namespace trainer::core
