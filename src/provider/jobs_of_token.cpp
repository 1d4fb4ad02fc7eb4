#include "provider/jobs_of_token.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <tuple>
#include <utility>

#include "core/job.h"
#include "provider/classify.h"

namespace trainer::provider {
namespace {

using core::Delivery;
using core::Outcome;
using core::RemoteJob;

}  // namespace

bool is_older(const RemoteJob& a, const RemoteJob& b) {
  const auto key = [](const RemoteJob& job) {
    return std::tuple(job.created_at.value_or(std::numeric_limits<std::int64_t>::max()), std::string_view(job.id));
  };
  return key(a) < key(b);
}

bool is_of_use(const RemoteJob& job) {
  return !core::is_terminal(job.status) || job.status == "succeeded";
}

JobsOfToken::JobsOfToken(std::string token) : token_(std::move(token)), pages_(jobs_with_token(token_)) {}

std::optional<Step> JobsOfToken::take(const HttpReply& reply) {
  Outcome outcome = classify(reply);
  if (outcome.delivery != Delivery::ok) return outcome;
  auto page = read_jobs(reply.body);
  if (!page) return unreadable(reply, "a list of jobs");
  for (TaggedJob& tagged : page->items) {
    const bool ours = tagged.token == token_ && !tagged.job.id.empty();
    if (ours && known_.insert(tagged.job.id).second) jobs_.push_back(std::move(tagged.job));
  }
  // What a list that does not end still hides is found by the next look.
  if (pages_.turn(*page) == Pages::Turn::next) return pages_.request();
  return std::nullopt;
}

Heirs::Heirs(std::vector<RemoteJob> jobs) : youngest_first_(std::move(jobs)) {
  std::erase_if(youngest_first_, [](const RemoteJob& job) { return !is_of_use(job); });
  std::sort(youngest_first_.begin(), youngest_first_.end(),
            [](const RemoteJob& a, const RemoteJob& b) { return is_older(b, a); });
}

std::optional<Outcome> Heirs::take(const HttpReply& reply) {
  Outcome look = job_outcome(reply, youngest_first_.back().id);
  const bool gone = look.delivery == Delivery::rejected && reply.status == 404;
  if (look.delivery != Delivery::ok && !gone) return look;
  if (!gone && is_of_use(*look.job)) return look;
  youngest_first_.pop_back();
  return std::nullopt;
}

}  // namespace trainer::provider
