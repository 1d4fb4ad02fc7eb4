#include "provider/call_steps.h"

namespace trainer::provider {
namespace {

// The row's kind is one that this version does not know.
class Impossible : public Call {
 public:
  Step start() override { return invalid_work("The operation is of no known kind."); }
  Step advance(const HttpReply&) override { return start(); }
};

}  // namespace

std::unique_ptr<Call> make_call(const Profile& profile, const core::Work& work) {
  using core::OperationKind;
  switch (work.operation.kind) {
    case OperationKind::upload_training_file:
    case OperationKind::upload_validation_file:
      return make_upload(work);
    case OperationKind::create_job:
      return make_create(profile, work);
    case OperationKind::poll_job:
      return make_poll(work);
    case OperationKind::fetch_result:
      return make_fetch(work);
    case OperationKind::verify_model:
      return make_verify(work);
    case OperationKind::cancel_job:
    case OperationKind::pause_job:
    case OperationKind::resume_job:
      return make_control(work);
    case OperationKind::sweep_duplicates:
      return make_sweep(work);
    case OperationKind::delete_file:
    case OperationKind::delete_model:
      return make_delete(work);
  }
  return std::make_unique<Impossible>();
}

}  // namespace trainer::provider
