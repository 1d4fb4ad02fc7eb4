// Any text as a suffix, a status, a token's file name: what is made of it is valid.
#include "core/job.h"
#include "core/operation.h"
#include "fuzz.h"
#include "provider/wire.h"

namespace trainer::fuzz {

void target(std::string_view input) {
  for (std::size_t most : {std::size_t{5}, std::size_t{40}, core::kMaxSuffix}) {
    require(!core::check_suffix(core::suffix_from(input, most), most));
  }
  if (auto status = core::model_status(input)) require(!status->empty());
  if (auto kind = core::operation_kind(input)) require(core::name(*kind) == input);
  (void)core::is_terminal(input);
  (void)core::failure_is_final(input, input);
  if (provider::is_object_id(input)) require(provider::is_id(input) && provider::is_model_name(input));
}

}  // namespace trainer::fuzz
