#include "core/operation.h"

#include <array>
#include <utility>

namespace trainer::core {
namespace {

template <class E, std::size_t N>
using Names = std::array<std::pair<E, std::string_view>, N>;

constexpr Names<OperationKind, 11> kKinds{{
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
}};

constexpr Names<OperationState, 7> kStates{{
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

template <class E, std::size_t N>
std::string_view name_in(const Names<E, N>& names, E value) {
  for (const auto& [known, text] : names) {
    if (known == value) return text;
  }
  return "unknown";
}

template <class E, std::size_t N>
std::optional<E> value_in(const Names<E, N>& names, std::string_view text) {
  for (const auto& [known, its_name] : names) {
    if (its_name == text) return known;
  }
  return std::nullopt;
}

}  // namespace

std::string_view name(OperationKind kind) {
  return name_in(kKinds, kind);
}
std::string_view name(OperationState state) {
  return name_in(kStates, state);
}
std::string_view name(Delivery delivery) {
  return name_in(kDeliveries, delivery);
}
std::optional<OperationKind> operation_kind(std::string_view name) {
  return value_in(kKinds, name);
}
std::optional<OperationState> operation_state(std::string_view name) {
  return value_in(kStates, name);
}

bool is_paid(OperationKind kind) {
  return kind == OperationKind::upload_training_file || kind == OperationKind::upload_validation_file ||
         kind == OperationKind::create_job;
}

}  // namespace trainer::core
