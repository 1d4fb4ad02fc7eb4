// What the tests of replies say failures with.
#pragma once

#include <string>
#include <utility>

#include "core/operation.h"

namespace trainer::core {

inline Outcome failed(Delivery delivery, int status, std::string code = "") {
  Outcome outcome;
  outcome.delivery = delivery;
  outcome.failure.http_status = status;
  outcome.failure.code = std::move(code);
  return outcome;
}

}  // namespace trainer::core
