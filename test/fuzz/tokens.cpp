// Any bytes as text: the tokens joined are the text as valid UTF-8, and the count is how many they are.
#include <string>
#include <vector>

#include "core/text.h"
#include "core/tokens/counter.h"
#include "fuzz.h"

namespace trainer::fuzz {

using namespace core::tokens;

static const Encoding& encoding(EncodingName name) {
  static const auto tables = Tables::open(TRAINER_TOKENS);
  require(tables.ok());
  return tables->encoding(name);
}

void target(std::string_view input) {
  const std::string valid = core::to_valid_utf8(input);
  for (const auto name : {EncodingName::o200k_base, EncodingName::cl100k_base}) {
    static TokenCounter counters[] = {TokenCounter(encoding(EncodingName::o200k_base)),
                                      TokenCounter(encoding(EncodingName::cl100k_base))};
    TokenCounter& counter = counters[static_cast<std::size_t>(name)];
    std::vector<TokenId> ids;
    require(counter.encode(input, ids).ok());
    std::string joined;
    for (const TokenId id : ids) joined += encoding(name).token(id);
    require(joined == valid);
    require(*counter.count(input) == static_cast<std::int64_t>(ids.size()));
    require(counter.count_valid(input).ok());  // whatever it is: within its bounds
  }
}

}  // namespace trainer::fuzz
