// The creation of a job, the call that costs: a look for its token comes before every POST.
#include <utility>

#include "provider/call_steps.h"
#include "provider/classify.h"
#include "provider/jobs_of_token.h"

namespace trainer::provider {
namespace {

using core::Delivery;
using core::Outcome;

class Create : public Call {
 public:
  Create(const Profile& profile, const core::Work& work)
      : profile_(profile),
        work_(work),
        may_send_(work.operation.state == core::OperationState::sending),
        pages_(jobs_with_token(work.operation.id)) {}

  Step start() override {
    const core::Model& model = work_.model;
    if (!is_object_id(work_.operation.id)) return invalid_work("The operation has no usable token.");
    if (may_send_) {
      if (model.base_model.empty()) return invalid_work("The model has no base model.");
      if (!is_object_id(model.training_file_id)) return invalid_work("The training file was not uploaded.");
      if (model.has_validation && !is_object_id(model.validation_file_id)) {
        return invalid_work("The validation file was not uploaded.");
      }
    }
    return pages_.request();
  }

  Step advance(const HttpReply& reply) override { return sent_ ? created(reply) : listed(reply); }

 private:
  Step listed(const HttpReply& reply) {
    Outcome outcome = classify(reply);
    if (outcome.delivery != Delivery::ok) return doubtful(std::move(outcome));
    auto page = read_jobs(reply.body);
    if (!page) return doubtful(unreadable(reply, "a list of jobs"));
    for (TaggedJob& tagged : page->items) {
      if (tagged.token != work_.operation.id) continue;
      if (tagged.job.id.empty()) return doubtful(unreadable(reply, "a list in which our job has an id"));
      if (!found_ || is_older(tagged.job, *found_)) found_ = std::move(tagged.job);
    }
    const Pages::Turn turn = pages_.turn(*page);
    if (turn == Pages::Turn::next) return pages_.request();
    outcome.job = std::move(found_);
    outcome.found = outcome.job.has_value();
    if (outcome.found) return outcome;
    if (turn == Pages::Turn::incomplete) return doubtful(unreadable(reply, "a list of jobs that ends"));
    if (may_send_) return send();
    outcome.absent = true;
    return outcome;
  }

  Step send() {
    sent_ = true;
    HttpRequest request = post("/fine_tuning/jobs", job_request(profile_, work_));
    request.once = true;
    return request;
  }

  // A look that failed never leads to a POST. Nothing was sent this time; that nothing arrived earlier it does not
  // prove.
  static Step doubtful(Outcome outcome) {
    outcome.delivery = Delivery::not_sent;
    return outcome;
  }

  Step created(const HttpReply& reply) {
    Outcome outcome = classify(reply);
    if (outcome.delivery != Delivery::ok) return outcome;
    auto tagged = read_job(reply.body);
    // Some services do not echo metadata; a token that is not ours belongs to another job.
    const bool ours = tagged && (tagged->token.empty() || tagged->token == work_.operation.id);
    if (!ours) return unreadable(reply, "the job that was created");
    outcome.job = std::move(tagged->job);
    return outcome;
  }

  Profile profile_;
  core::Work work_;
  bool may_send_;
  bool sent_ = false;
  Pages pages_;
  std::optional<core::RemoteJob> found_;
};

}  // namespace

std::unique_ptr<Call> make_create(const Profile& profile, const core::Work& work) {
  return std::make_unique<Create>(profile, work);
}

}  // namespace trainer::provider
