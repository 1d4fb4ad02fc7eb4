// Every SQLSTATE of ours, in one table.
#pragma once

#include <string>

#include "core/error.h"

namespace trainer::pg {

// As the server's packed integer.
int sqlstate_of(core::Condition condition);
// As five characters, e.g. "TR001".
std::string sqlstate_text(core::Condition condition);

}  // namespace trainer::pg
