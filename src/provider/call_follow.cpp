// What is read while a job runs and when it has succeeded: the job, its events, its checkpoints, its result file.
#include <algorithm>
#include <unordered_set>
#include <utility>
#include <vector>

#include "provider/call_steps.h"
#include "provider/classify.h"
#include "provider/jobs_of_token.h"

namespace trainer::provider {
namespace {

using core::Delivery;
using core::Outcome;

// Events newer than a known one, from pages that begin with the newest.
class Events {
 public:
  Events(const std::string& job_id, std::string known)
      : known_(std::move(known)), pages_(job_path(job_id) + "/events?limit=100") {}

  HttpRequest request() const { return pages_.request(); }

  // True when another page is to be requested. Precondition: `page` is the answer to the last request.
  bool take(Page<core::RemoteEvent> page) {
    for (core::RemoteEvent& event : page.items) {
      if (!known_.empty() && event.id == known_) return false;
      if (seen_.insert(event.id).second) newest_first_.push_back(std::move(event));
    }
    return pages_.turn(page) == Pages::Turn::next;
  }

  std::vector<core::RemoteEvent> oldest_first() {
    std::reverse(newest_first_.begin(), newest_first_.end());
    return std::move(newest_first_);
  }

 private:
  std::string known_;
  Pages pages_;
  std::unordered_set<std::string> seen_;
  std::vector<core::RemoteEvent> newest_first_;
};

// Nothing has happened yet that the status does not say.
bool is_before_start(std::string_view status) {
  return status == "validating_files" || status == "queued" || status == "pending";
}

class Poll : public Call {
 public:
  explicit Poll(const core::Work& work)
      : job_id_(work.model.provider_job_id),
        token_(work.model.job_token),
        cancel_requested_(work.model.cancel_requested),
        events_(job_id_, work.model.last_event_id),
        listed_(token_) {}

  Step start() override {
    if (!is_object_id(job_id_)) return invalid_work("The model has no job at the provider.");
    return get(job_path(job_id_));
  }

  Step advance(const HttpReply& reply) override {
    switch (phase_) {
      case Phase::job:
        return seen(reply);
      case Phase::listing:
        if (auto step = listed_.take(reply)) return std::move(*step);
        return chosen();
      case Phase::asking_heirs:
        if (auto found = heirs_.take(reply)) return std::move(*found);
        return next_heir();
      case Phase::events:
        return events(reply);
    }
    return std::move(outcome_);
  }

 private:
  enum class Phase { job, listing, asking_heirs, events };

  Step seen(const HttpReply& reply) {
    outcome_ = job_outcome(reply, job_id_);
    if (outcome_.delivery != Delivery::ok || is_before_start(outcome_.job->status)) return std::move(outcome_);
    // Another server with our rows may have found it to be one too many, beside one that goes on.
    if (outcome_.job->status == "cancelled" && !cancel_requested_ && is_object_id(token_)) {
      phase_ = Phase::listing;
      return listed_.request();
    }
    return first_events();
  }

  Step chosen() {
    std::vector<core::RemoteJob> others = listed_.jobs();
    std::erase_if(others, [&](const core::RemoteJob& job) { return job.id == job_id_; });
    heirs_ = Heirs(std::move(others));
    return next_heir();
  }

  Step next_heir() {
    if (heirs_.empty()) return first_events();
    phase_ = Phase::asking_heirs;
    return heirs_.request();
  }

  Step first_events() {
    phase_ = Phase::events;
    return events_.request();
  }

  // Events that cannot be had now come with the next poll: all of them or none, so that no gap is left behind.
  Step events(const HttpReply& reply) {
    if (classify(reply).delivery != Delivery::ok) return std::move(outcome_);
    auto page = read_events(reply.body);
    if (!page) return std::move(outcome_);
    if (events_.take(std::move(*page))) return events_.request();
    outcome_.events = events_.oldest_first();
    return std::move(outcome_);
  }

  std::string job_id_;
  std::string token_;
  bool cancel_requested_;
  Events events_;
  JobsOfToken listed_;
  Heirs heirs_;
  Phase phase_ = Phase::job;
  Outcome outcome_;
};

class Fetch : public Call {
 public:
  explicit Fetch(const core::Work& work)
      : job_id_(work.model.provider_job_id),
        events_(job_id_, work.model.last_event_id),
        checkpoints_(job_path(job_id_) + "/checkpoints?limit=100") {
    if (!work.model.result_files.empty()) result_file_ = work.model.result_files.front();
    outcome_.delivery = Delivery::ok;
  }

  Step start() override {
    if (!is_object_id(job_id_)) return invalid_work("The model has no job at the provider.");
    if (!result_file_.empty() && !is_object_id(result_file_)) return invalid_work("The result file has no usable id.");
    return events_.request();
  }

  Step advance(const HttpReply& reply) override {
    Outcome part = classify(reply);
    // What is refused for good is missing for good: the rest is still worth having.
    if (part.delivery != Delivery::ok && part.delivery != Delivery::rejected) return failed(std::move(part));
    const bool refused = part.delivery == Delivery::rejected;
    switch (phase_) {
      case Phase::events:
        return refused ? after_events() : events(reply);
      case Phase::checkpoints:
        return refused ? after_checkpoints() : checkpoints(reply);
      case Phase::result:
        if (!refused) outcome_.result = read_result_file(reply.body);
        break;
    }
    return std::move(outcome_);
  }

 private:
  enum class Phase { events, checkpoints, result };

  Step events(const HttpReply& reply) {
    auto page = read_events(reply.body);
    if (!page) return failed(unreadable(reply, "a list of events"));
    if (events_.take(std::move(*page))) return events_.request();
    return after_events();
  }

  Step after_events() {
    outcome_.events = events_.oldest_first();
    phase_ = Phase::checkpoints;
    return checkpoints_.request();
  }

  Step checkpoints(const HttpReply& reply) {
    auto page = read_checkpoints(reply.body);
    if (!page) return failed(unreadable(reply, "a list of checkpoints"));
    for (core::Checkpoint& checkpoint : page->items) {
      if (known_checkpoints_.insert(checkpoint.id).second) outcome_.checkpoints.push_back(std::move(checkpoint));
    }
    if (checkpoints_.turn(*page) == Pages::Turn::next) return checkpoints_.request();
    return after_checkpoints();
  }

  Step after_checkpoints() {
    phase_ = Phase::result;
    if (result_file_.empty()) return std::move(outcome_);
    return get(file_path(result_file_) + "/content");
  }

  // The parts that came stay in the outcome.
  Step failed(Outcome part) {
    outcome_.delivery = part.delivery;
    outcome_.failure = std::move(part.failure);
    return std::move(outcome_);
  }

  std::string job_id_;
  Events events_;
  Pages checkpoints_;
  std::unordered_set<std::string> known_checkpoints_;
  std::string result_file_;
  Phase phase_ = Phase::events;
  Outcome outcome_;
};

}  // namespace

std::unique_ptr<Call> make_poll(const core::Work& work) {
  return std::make_unique<Poll>(work);
}

std::unique_ptr<Call> make_fetch(const core::Work& work) {
  return std::make_unique<Fetch>(work);
}

}  // namespace trainer::provider
