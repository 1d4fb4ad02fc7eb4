// The tokenizer in a server's process: its tables are mapped at the first count.
#pragma once

#include <string_view>

#include "core/tokens/counter.h"

namespace trainer::pg {

// This process' counter. A Failure when the tables, which are installed beside the library, are not there.
core::tokens::TokenCounter& token_counter(core::tokens::EncodingName encoding);
// Of a model that is not known: the newest encoding, since most others come near it.
core::tokens::TokenCounter& token_counter(std::string_view model);

// For core::tokens: lets a cancellation through.
void check_for_interrupts();

}  // namespace trainer::pg
