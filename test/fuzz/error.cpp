// Any body as an error: what is made out of it is short, one line, UTF-8, and holds no key.
#include "core/text.h"
#include "fuzz.h"
#include "provider/wire.h"

namespace trainer::fuzz {

void target(std::string_view input) {
  auto error = provider::read_error(input);
  for (const auto* text : {&error.code, &error.message, &error.param}) {
    require(core::is_valid_utf8(*text) && text->size() <= 2048);
    for (char c : *text) require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  }
}

}  // namespace trainer::fuzz
