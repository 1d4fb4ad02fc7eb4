// Any text as a key, or as the name of a variable: no error repeats it.
#include "core/api_key.h"
#include "core/url.h"
#include "fuzz.h"

namespace trainer::fuzz {

static void check(const std::optional<core::Error>& error, std::string_view input) {
  if (!error) return;
  for (const auto* text : {&error->message, &error->detail, &error->hint})
    require(text->find(input) == std::string::npos);
}

void target(std::string_view bytes) {
  // No message of ours has this in it, as one might have the rest.
  const std::string input = "@@" + std::string(bytes);
  auto error = core::check_key(input);
  check(error, input);
  if (!error) {
    for (char c : input) require(c > 0x20 && c < 0x7f);
  }
  check(core::check_environment_name(input), input);
}

}  // namespace trainer::fuzz
