// multipart/form-data, strictly: a body that is not exactly that is refused whole.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace trainer::sandbox {

struct Part {
  std::string name;
  std::optional<std::string> filename;
  std::string_view content;  // of the body that was parsed
};

// nullopt: the content type is another, or the body is not well formed.
std::optional<std::vector<Part>> parse_multipart(std::string_view content_type, std::string_view body);

}  // namespace trainer::sandbox
