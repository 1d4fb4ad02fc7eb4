// Any text as a base URL: what is taken has a reach, and plain http reaches loopback alone.
#include "core/url.h"

#include "fuzz.h"
#include "provider/address.h"

namespace trainer::fuzz {

void target(std::string_view input) {
  const std::string url(input);
  if (core::check_api_base(url)) return;
  if (url.empty()) return;
  auto reach = provider::reach_of(url);
  if (url.starts_with("http://")) require(reach == provider::Reach::loopback);
  for (char c : url) require(c > 0x20 && c < 0x7f);
  require(url.find('@') == std::string::npos && url.find('#') == std::string::npos);
}

}  // namespace trainer::fuzz
