// What may be repeated without harm: cancel, pause, resume, the sweep of duplicates, the deletion of a file.
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/job.h"
#include "provider/call_steps.h"
#include "provider/classify.h"

namespace trainer::provider {
namespace {

using core::Delivery;
using core::OperationKind;
using core::Outcome;

constexpr std::size_t kPageSize = 100;
constexpr int kMaxPages = 50;

// A refusal that the state of the job may explain.
bool is_refused(const HttpReply& reply, const Outcome& outcome) {
  return outcome.delivery == Delivery::rejected || (reply.end == HttpReply::End::answered && reply.status == 409);
}

std::string_view verb(OperationKind kind) {
  switch (kind) {
    case OperationKind::pause_job:
      return "/pause";
    case OperationKind::resume_job:
      return "/resume";
    default:
      return "/cancel";
  }
}

// Is the job where the verb would have brought it, or past the point where it could?
bool is_reached(OperationKind kind, std::string_view status) {
  const bool paused = status == "paused" || status == "pausing";
  if (kind == OperationKind::pause_job) return paused || core::is_terminal(status);
  if (kind == OperationKind::resume_job) return !paused;
  return core::is_terminal(status);
}

class Control : public Call {
 public:
  explicit Control(const core::Work& work) : kind_(work.operation.kind), job_id_(work.model.provider_job_id) {}

  Step start() override {
    if (!is_object_id(job_id_)) return invalid_work("The model has no job at the provider.");
    return post(job_path(job_id_) + std::string(verb(kind_)), "");
  }

  Step advance(const HttpReply& reply) override {
    if (looking_) return looked(reply);
    Outcome outcome = job_outcome(reply, job_id_);
    if (!is_refused(reply, outcome)) return outcome;
    looking_ = true;
    refusal_ = std::move(outcome);
    return get(job_path(job_id_));
  }

 private:
  Step looked(const HttpReply& reply) {
    Outcome look = job_outcome(reply, job_id_);
    if (look.delivery != Delivery::ok) return look;
    if (is_reached(kind_, look.job->status)) return look;
    refusal_.job = std::move(look.job);
    return std::move(refusal_);
  }

  OperationKind kind_;
  std::string job_id_;
  bool looking_ = false;
  Outcome refusal_;
};

class Sweep : public Call {
 public:
  explicit Sweep(const core::Work& work)
      : token_(work.operation.argument),
        adopted_(work.model.provider_job_id),
        pages_(jobs_with_token(token_), kPageSize, kMaxPages) {
    outcome_.delivery = Delivery::ok;
  }

  // A model that was given up while the creation of its job was in doubt has adopted none: every job is one too many.
  Step start() override {
    if (!is_object_id(token_)) return invalid_work("The sweep has no token to look for.");
    if (!adopted_.empty() && !is_object_id(adopted_)) return invalid_work("The model's job has no usable id.");
    return pages_.request();
  }

  Step advance(const HttpReply& reply) override {
    switch (phase_) {
      case Phase::listing:
        return listed(reply);
      case Phase::cancelling:
        return cancelled(reply);
      case Phase::looking:
        return looked(reply);
    }
    return std::move(outcome_);
  }

 private:
  enum class Phase { listing, cancelling, looking };

  Step listed(const HttpReply& reply) {
    Outcome outcome = classify(reply);
    if (outcome.delivery != Delivery::ok) return outcome;
    const auto page = read_jobs(reply.body);
    if (!page) return unreadable(reply, "a list of jobs");
    for (const auto& [job, token] : page->items) {
      const bool surplus = token == token_ && job.id != adopted_ && !job.id.empty() && !core::is_terminal(job.status);
      if (surplus && known_.insert(job.id).second) to_cancel_.push_back(job.id);
    }
    // What a list that does not end still hides is found by the next sweep.
    if (pages_.turn(*page) == Pages::Turn::next) return pages_.request();
    return next();
  }

  Step next() {
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
    return next();
  }

  // The duplicate may have come to its end in the meantime, or be gone.
  Step looked(const HttpReply& reply) {
    Outcome look = job_outcome(reply, to_cancel_.back());
    const bool gone = look.delivery == Delivery::rejected && reply.status == 404;
    if (look.delivery != Delivery::ok && !gone) return failed(std::move(look));
    if (!gone && !core::is_terminal(look.job->status)) return failed(std::move(refusal_));
    to_cancel_.pop_back();
    return next();
  }

  // What was cancelled so far stays in the outcome.
  Step failed(Outcome outcome) {
    outcome.surplus_ids = std::move(outcome_.surplus_ids);
    return outcome;
  }

  std::string token_;
  std::string adopted_;  // empty: none was
  Pages pages_;
  Phase phase_ = Phase::listing;
  std::unordered_set<std::string> known_;
  std::vector<std::string> to_cancel_;
  Outcome refusal_;
  Outcome outcome_;
};

class Delete : public Call {
 public:
  explicit Delete(const core::Work& work) : file_id_(work.operation.argument) {}

  Step start() override {
    if (!is_object_id(file_id_)) return invalid_work("There is no usable id of a file to delete.");
    return del(file_path(file_id_));
  }

  Step advance(const HttpReply& reply) override {
    Outcome outcome = classify(reply);
    const bool answered = reply.end == HttpReply::End::answered;
    if (answered && reply.status == 404) {
      outcome = Outcome();
      outcome.delivery = Delivery::ok;
    } else if (outcome.delivery == Delivery::ok && reply.status != 204 && !is_deletion(reply.body)) {
      return unreadable(reply, "a confirmation that the file is deleted");
    }
    return outcome;
  }

 private:
  std::string file_id_;
};

}  // namespace

std::unique_ptr<Call> make_control(const core::Work& work) {
  return std::make_unique<Control>(work);
}

std::unique_ptr<Call> make_sweep(const core::Work& work) {
  return std::make_unique<Sweep>(work);
}

std::unique_ptr<Call> make_delete(const core::Work& work) {
  return std::make_unique<Delete>(work);
}

}  // namespace trainer::provider
