// The sweep: of all jobs with one token the model has one, and every other one is cancelled.
#include <algorithm>
#include <utility>
#include <vector>

#include "core/job.h"
#include "provider/classify.h"
#include "provider/jobs_of_token.h"

namespace trainer::provider {
namespace {

using core::Delivery;
using core::Outcome;
using core::RemoteJob;

class Sweep : public Call {
 public:
  explicit Sweep(const core::Work& work)
      : token_(work.operation.argument), own_(work.model.provider_job_id), keeps_(keeps(work)), listed_(token_) {
    outcome_.delivery = Delivery::ok;
  }

  // A model that was given up while the creation of its job was in doubt has adopted none: every job is one too many.
  Step start() override {
    if (!is_object_id(token_)) return invalid_work("The sweep has no token to look for.");
    if (!own_.empty() && !is_object_id(own_)) return invalid_work("The model's job has no usable id.");
    return listed_.request();
  }

  Step advance(const HttpReply& reply) override {
    switch (phase_) {
      case Phase::listing:
        if (auto step = listed_.take(reply)) return std::move(*step);
        return chosen();
      case Phase::asking_own:
        return own_seen(reply);
      case Phase::asking_heirs:
        if (auto found = heirs_.take(reply)) return std::move(*found);
        return next_heir();
      case Phase::cancelling:
        return cancelled(reply);
      case Phase::looking:
        return looked(reply);
    }
    return std::move(outcome_);
  }

 private:
  enum class Phase { listing, asking_own, asking_heirs, cancelling, looking };

  // What goes on beside the model's own job.
  enum class Keeps {
    nothing,  // the training is over, or was called off here, or had another job since
    older,    // its job was cancelled by somebody else, who may have an older one and says so to nobody
    oldest,   // the training goes on with the oldest of all
  };

  static Keeps keeps(const core::Work& work) {
    const core::Model& model = work.model;
    if (model.cancel_requested || model.provider_job_id.empty() || model.job_token != work.operation.argument) {
      return Keeps::nothing;
    }
    if (model.status == "cancelled") return Keeps::older;
    return core::training_is_over(model.status) ? Keeps::nothing : Keeps::oldest;
  }

  Step chosen() {
    if (keeps_ == Keeps::nothing) return cancel_if([](const RemoteJob&) { return true; });
    const auto& jobs = listed_.jobs();
    const bool alone =
        std::none_of(jobs.begin(), jobs.end(), [&](const RemoteJob& job) { return job.id != own_ && is_of_use(job); });
    if (alone) return std::move(outcome_);
    for (const RemoteJob& job : jobs) {
      if (job.id == own_) return compared(job);
    }
    phase_ = Phase::asking_own;  // a list that lags does not tell how old it is
    return get(job_path(own_));
  }

  Step own_seen(const HttpReply& reply) {
    Outcome look = job_outcome(reply, own_);
    // One that is gone is the poll's to tell, as any other end.
    if (look.delivery == Delivery::rejected && reply.status == 404) return std::move(outcome_);
    if (look.delivery != Delivery::ok) return look;
    return compared(*look.job);
  }

  Step compared(const RemoteJob& own) {
    const auto is_younger = [own](const RemoteJob& job) { return is_older(own, job); };
    if (keeps_ == Keeps::older) return cancel_if(is_younger);
    if (own.status == "succeeded") return cancel_if([](const RemoteJob&) { return true; });
    // The poll has yet to see its end, and says what comes next.
    if (core::is_terminal(own.status)) return std::move(outcome_);
    std::vector<RemoteJob> older;
    for (const RemoteJob& job : listed_.jobs()) {
      if (job.id != own_ && !is_younger(job)) older.push_back(job);
    }
    heirs_ = Heirs(std::move(older));
    set_aside(is_younger);
    return next_heir();
  }

  // An older one is adopted, and ours cancelled only after that was recorded, by the next sweep.
  Step next_heir() {
    if (heirs_.empty()) return next_cancellation();
    phase_ = Phase::asking_heirs;
    return heirs_.request();
  }

  template <class Condition>
  void set_aside(Condition is_surplus) {
    for (const RemoteJob& job : listed_.jobs()) {
      if (job.id != own_ && !core::is_terminal(job.status) && is_surplus(job)) to_cancel_.push_back(job.id);
    }
  }

  template <class Condition>
  Step cancel_if(Condition is_surplus) {
    set_aside(is_surplus);
    return next_cancellation();
  }

  Step next_cancellation() {
    phase_ = Phase::cancelling;
    if (to_cancel_.empty()) return std::move(outcome_);
    return post(job_path(to_cancel_.back()) + "/cancel", "");
  }

  Step cancelled(const HttpReply& reply) {
    Outcome outcome = classify(reply);
    if (outcome.delivery == Delivery::ok) {
      outcome_.surplus_ids.push_back(to_cancel_.back());
    } else if (is_refused(reply, outcome)) {
      phase_ = Phase::looking;
      refusal_ = std::move(outcome);
      return get(job_path(to_cancel_.back()));
    } else {
      return failed(std::move(outcome));
    }
    to_cancel_.pop_back();
    return next_cancellation();
  }

  // The duplicate may have come to its end in the meantime, or be gone.
  Step looked(const HttpReply& reply) {
    Outcome look = job_outcome(reply, to_cancel_.back());
    const bool gone = look.delivery == Delivery::rejected && reply.status == 404;
    if (look.delivery != Delivery::ok && !gone) return failed(std::move(look));
    if (!gone && !core::is_terminal(look.job->status)) return failed(std::move(refusal_));
    to_cancel_.pop_back();
    return next_cancellation();
  }

  // What was cancelled so far stays in the outcome.
  Step failed(Outcome outcome) {
    outcome.surplus_ids = std::move(outcome_.surplus_ids);
    return outcome;
  }

  std::string token_;
  std::string own_;  // empty: none was adopted
  Keeps keeps_;
  JobsOfToken listed_;
  Heirs heirs_;
  Phase phase_ = Phase::listing;
  std::vector<std::string> to_cancel_;
  Outcome refusal_;
  Outcome outcome_;
};

}  // namespace

std::unique_ptr<Call> make_sweep(const core::Work& work) {
  return std::make_unique<Sweep>(work);
}

}  // namespace trainer::provider
