// What may be repeated without harm: cancel, pause, resume, the deletion of a file or a model.
#include <utility>

#include "core/job.h"
#include "provider/call_steps.h"
#include "provider/classify.h"

namespace trainer::provider {
namespace {

using core::Delivery;
using core::OperationKind;
using core::Outcome;

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

class Delete : public Call {
 public:
  explicit Delete(const core::Work& work)
      : is_model_(work.operation.kind == OperationKind::delete_model), id_(work.operation.argument) {}

  Step start() override {
    if (is_model_ ? !is_model_name(id_) : !is_object_id(id_)) {
      return invalid_work(std::string("There is no usable id of a ") + what() + " to delete.");
    }
    return del(is_model_ ? model_path(id_) : file_path(id_));
  }

  Step advance(const HttpReply& reply) override {
    Outcome outcome = classify(reply);
    const bool answered = reply.end == HttpReply::End::answered;
    if (answered && reply.status == 404) {
      outcome = Outcome();
      outcome.delivery = Delivery::ok;
    } else if (outcome.delivery == Delivery::ok && reply.status != 204 && !is_deletion(reply.body)) {
      return unreadable(reply, std::string("a confirmation that the ") + what() + " is deleted");
    }
    return outcome;
  }

 private:
  const char* what() const { return is_model_ ? "model" : "file"; }

  bool is_model_;
  std::string id_;
};

}  // namespace

std::unique_ptr<Call> make_control(const core::Work& work) {
  return std::make_unique<Control>(work);
}

std::unique_ptr<Call> make_delete(const core::Work& work) {
  return std::make_unique<Delete>(work);
}

}  // namespace trainer::provider
