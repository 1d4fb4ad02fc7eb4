// What a reply means for the question that costs money: may this be sent again? By status and error code together
// (OpenAI's contract, section 4).
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "core/operation.h"
#include "provider/http.h"

namespace trainer::provider {

// delivery and failure; ok for every 2xx, whose body is still to be judged.
core::Outcome classify(const HttpReply& reply);

// A 2xx whose body is not what was asked for: `what` says what it should have been.
core::Outcome unreadable(const HttpReply& reply, std::string_view what);

// The longest wait that the headers ask for, in [0, 1 h]; nullopt when they ask for none that makes sense.
std::optional<std::chrono::milliseconds> retry_after(const HttpReply& reply);

}  // namespace trainer::provider
