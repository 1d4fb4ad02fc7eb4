// Any body as a model, a list of models, a completion.
#include "fuzz.h"
#include "provider/wire.h"

namespace trainer::fuzz {

void target(std::string_view input) {
  (void)provider::is_completion(input);
  (void)provider::is_model_list(input);
  if (auto id = provider::read_model_id(input)) require(id->size() <= provider::kMaxModelName);
}

}  // namespace trainer::fuzz
