// Any body as a list of events or checkpoints.
#include "core/text.h"
#include "fuzz.h"
#include "provider/wire.h"

namespace trainer::fuzz {

void target(std::string_view input) {
  if (auto page = provider::read_events(input)) {
    for (const auto& event : page->items) {
      require(event.id.empty() || provider::is_id(event.id));
      require(core::is_valid_utf8(event.message) && event.message.find('\n') == std::string::npos);
    }
  }
  if (auto page = provider::read_checkpoints(input)) {
    for (const auto& checkpoint : page->items) require(checkpoint.id.empty() || provider::is_id(checkpoint.id));
  }
}

}  // namespace trainer::fuzz
