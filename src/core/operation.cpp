#include "core/operation.h"

#include "core/names.h"

namespace trainer::core {
namespace {

using detail::name_in;
using detail::Names;
using detail::value_in;

constexpr Names<OperationKind, 12> kKinds{{
    {OperationKind::upload_training_file, "upload_training_file"},
    {OperationKind::upload_validation_file, "upload_validation_file"},
    {OperationKind::create_job, "create_job"},
    {OperationKind::poll_job, "poll_job"},
    {OperationKind::fetch_result, "fetch_result"},
    {OperationKind::verify_model, "verify_model"},
    {OperationKind::cancel_job, "cancel_job"},
    {OperationKind::pause_job, "pause_job"},
    {OperationKind::resume_job, "resume_job"},
    {OperationKind::sweep_duplicates, "sweep_duplicates"},
    {OperationKind::delete_file, "delete_file"},
    {OperationKind::delete_model, "delete_model"},
}};

constexpr Names<OperationState, 7> kOperationStates{{
    {OperationState::ready, "ready"},
    {OperationState::sending, "sending"},
    {OperationState::reconcile, "reconcile"},
    {OperationState::checking, "checking"},
    {OperationState::done, "done"},
    {OperationState::failed, "failed"},
    {OperationState::cancelled, "cancelled"},
}};

constexpr Names<Delivery, 5> kDeliveries{{
    {Delivery::ok, "ok"},
    {Delivery::not_sent, "not_sent"},
    {Delivery::rejected, "rejected"},
    {Delivery::retry_later, "retry_later"},
    {Delivery::unknown, "unknown"},
}};

}  // namespace

std::string_view name(OperationKind kind) {
  return name_in(kKinds, kind);
}
std::string_view name(OperationState state) {
  return name_in(kOperationStates, state);
}
std::string_view name(Delivery delivery) {
  return name_in(kDeliveries, delivery);
}
std::optional<OperationKind> operation_kind(std::string_view name) {
  return value_in(kKinds, name);
}
std::optional<OperationState> operation_state(std::string_view name) {
  return value_in(kOperationStates, name);
}

bool is_paid(OperationKind kind) {
  return kind == OperationKind::upload_training_file || kind == OperationKind::upload_validation_file ||
         kind == OperationKind::create_job;
}

}  // namespace trainer::core
