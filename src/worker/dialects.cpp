#include "worker/dialects.h"

#include <map>

namespace trainer::worker {

// A dialect takes a few bytes, and models are few: none is forgotten.
provider::Dialect& dialect_of(const std::string& model) {
  static std::map<std::string, provider::Dialect> dialects;
  return dialects[model];
}

}  // namespace trainer::worker
