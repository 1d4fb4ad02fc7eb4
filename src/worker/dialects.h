// How each chat model wants to be asked, as this process has found out.
#pragma once

#include <string>

#include "provider/wire.h"

namespace trainer::worker {

// Valid for the life of the process.
provider::Dialect& dialect_of(const std::string& model);

}  // namespace trainer::worker
