// What the tests of the rules say outcomes with, and how they read decisions.
#pragma once

#include <string>
#include <utility>

#include "core/decide.h"

namespace trainer::core {

inline RemoteJob remote_job(std::string status) {
  RemoteJob job;
  job.id = "ftjob-1";
  job.status = std::move(status);
  if (job.status == "succeeded") job.fine_tuned_model = "ft:gpt:1";
  return job;
}

inline Outcome saw(RemoteJob job) {
  Outcome outcome;
  outcome.delivery = Delivery::ok;
  outcome.job = std::move(job);
  return outcome;
}

inline Outcome not_listed() {
  Outcome outcome;
  outcome.delivery = Delivery::ok;
  outcome.absent = true;
  return outcome;
}

inline Outcome failed_by(Delivery delivery, std::string code = "some_code") {
  Outcome outcome;
  outcome.delivery = delivery;
  outcome.failure.http_status = 400;
  outcome.failure.code = std::move(code);
  outcome.failure.message = "Some message.";
  return outcome;
}

inline Decision decided(const Work& work, const Outcome& outcome, const Policy& policy = Policy()) {
  return decide(work, outcome, policy, [] { return 0.5; });
}

inline std::string next_of(const Decision& decision) {
  std::string text;
  for (const auto& next : decision.next) {
    if (!text.empty()) text += ' ';
    text += name(next.kind);
    if (!next.argument.empty()) text += '(' + next.argument + ')';
  }
  return text;
}

inline std::string notices_of(const Decision& decision) {
  std::string text;
  for (const auto& notice : decision.notices) text += (text.empty() ? "" : " ") + notice.kind;
  return text;
}

}  // namespace trainer::core
