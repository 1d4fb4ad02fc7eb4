#include "pg/token_counter.h"

#include <dlfcn.h>

#include <array>
#include <optional>
#include <string>

#include "core/tokens/models.h"
#include "pg/guard.h"

namespace trainer::pg {
namespace {

using core::tokens::EncodingName;

// Beside the library, wherever the server has found it.
std::string tables_path() {
  Dl_info info;
  const int found = dladdr(reinterpret_cast<const void*>(&check_for_interrupts), &info);
  const std::string library = found != 0 && info.dli_fname != nullptr ? info.dli_fname : "";
  return library.substr(0, library.rfind('/') + 1) + "trainer_tokens.bin";
}

const core::tokens::Tables& tables() {
  static std::optional<core::tokens::Tables> mapped;
  if (!mapped) {
    auto opened = core::tokens::Tables::open(tables_path());
    if (!opened) fail(opened.error());
    mapped.emplace(std::move(opened).value());
  }
  return *mapped;
}

}  // namespace

core::tokens::TokenCounter& token_counter(EncodingName encoding) {
  static std::array<std::optional<core::tokens::TokenCounter>, core::tokens::kMaxEncodings> counters;
  auto& counter = counters[static_cast<std::size_t>(encoding)];
  if (!counter) counter.emplace(tables().encoding(encoding));
  return *counter;
}

core::tokens::TokenCounter& token_counter(std::string_view model) {
  return token_counter(core::tokens::encoding_of_model(model).value_or(EncodingName::o200k_base));
}

void check_for_interrupts() {
  guarded([] { CHECK_FOR_INTERRUPTS(); });
}

}  // namespace trainer::pg
