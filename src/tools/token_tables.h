// Builds the tables of the tokenizer from the data of the repository: core/tokens/format.h says how they lie in the
// file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "core/tokens/tables.h"

namespace trainer::tools {

struct Vocabulary {
  core::tokens::EncodingName name{};
  std::vector<std::string> tokens;  // by id
};

// data/tokens/*.tokens: a byte with the length, and the bytes of each token in the order of the ids. Error: not this
// format, a token twice, or a byte that is none.
core::Result<Vocabulary> read_vocabulary(core::tokens::EncodingName name, std::string_view file);

// data/tokens/unicode-*.txt: "<first> <last> <property>" a line, hexadecimal. Error: not this format, or out of order.
core::Result<std::vector<core::tokens::CharClass>> read_classes(std::string_view file);

// The file. Precondition: one vocabulary of each name, in their order.
std::string token_tables(const std::vector<core::tokens::CharClass>& classes,
                         const std::vector<Vocabulary>& vocabularies);

}  // namespace trainer::tools
