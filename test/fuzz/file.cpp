// Any body as a file, a list of files, a deletion.
#include "core/text.h"
#include "fuzz.h"
#include "provider/wire.h"

namespace trainer::fuzz {

void target(std::string_view input) {
  (void)provider::is_deletion(input);
  if (auto file = provider::read_file(input)) require(provider::is_object_id(file->id));
  if (auto page = provider::read_files(input)) {
    for (const auto& file : page->items) {
      require(file.id.empty() || provider::is_object_id(file.id));
      require(core::is_valid_utf8(file.filename));
    }
  }
}

}  // namespace trainer::fuzz
