// Any text as JSON: what is parsed can be walked, and every string that comes out is UTF-8.
#include "provider/json.h"

#include "core/text.h"
#include "fuzz.h"

namespace trainer::fuzz {

static void walk(const provider::JsonView& node, int depth) {
  require(depth <= 65);
  require(core::is_valid_utf8(node.text()));
  (void)node.integer();
  (void)node.boolean();
  if (auto number = node.number()) require(*number == *number && *number - *number == 0);
  (void)node["id"].text();
  for (std::size_t i = 0; i < node.size(); ++i) walk(node.at(i), depth + 1);
}

void target(std::string_view input) {
  if (auto document = provider::JsonDocument::parse(input)) walk(document->root(), 0);
}

}  // namespace trainer::fuzz
