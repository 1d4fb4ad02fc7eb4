// The jobs that share a token, since a creation arrived twice or two servers work on the same rows: which of them is
// the model's, and how they are found. Whoever asks comes to the same choice, without a word to the others.
#pragma once

#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "provider/call_steps.h"

namespace trainer::provider {

// The oldest is the one that is kept. No two jobs are equally old.
bool is_older(const core::RemoteJob& a, const core::RemoteJob& b);

// It goes on, or has succeeded: a model can have it.
bool is_of_use(const core::RemoteJob& job);

// All of them, each once, as far as the provider lists them.
class JobsOfToken {
 public:
  explicit JobsOfToken(std::string token);

  HttpRequest request() const { return pages_.request(); }
  // The next request, or the failure; nullopt once the list has been read. Precondition: `reply` answers request().
  std::optional<Step> take(const HttpReply& reply);
  const std::vector<core::RemoteJob>& jobs() const { return jobs_; }

 private:
  std::string token_;
  Pages pages_;
  std::unordered_set<std::string> known_;
  std::vector<core::RemoteJob> jobs_;
};

// Jobs that a model could have instead of its own. A list may be out of date, so each is asked for itself, the oldest
// first, until one of them is of use.
class Heirs {
 public:
  Heirs() = default;
  explicit Heirs(std::vector<core::RemoteJob> jobs);

  bool empty() const { return youngest_first_.empty(); }
  // Precondition of both: !empty(). `reply` answers request().
  HttpRequest request() const { return get(job_path(youngest_first_.back().id)); }
  // The outcome with the job, or the failure; nullopt when that one is of no use any more.
  std::optional<core::Outcome> take(const HttpReply& reply);

 private:
  std::vector<core::RemoteJob> youngest_first_;
};

}  // namespace trainer::provider
