// What the tests of the rules say outcomes with, and how they read decisions.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/decide.h"

namespace trainer::core {

inline const Policy kPolicy;

inline const std::vector<OperationKind> kKinds{
    OperationKind::upload_training_file, OperationKind::upload_validation_file,
    OperationKind::create_job,           OperationKind::poll_job,
    OperationKind::fetch_result,         OperationKind::verify_model,
    OperationKind::cancel_job,           OperationKind::pause_job,
    OperationKind::resume_job,           OperationKind::sweep_duplicates,
    OperationKind::delete_file,          OperationKind::delete_model,
};

inline RemoteJob remote_job(std::string status) {
  RemoteJob job;
  job.id = "ftjob-1";
  job.status = std::move(status);
  if (job.status == "succeeded") job.fine_tuned_model = "ft:gpt:1";
  return job;
}

inline Outcome saw(RemoteJob job) {
  Outcome outcome;
  outcome.delivery = Delivery::ok;
  outcome.job = std::move(job);
  return outcome;
}

inline Outcome not_listed() {
  Outcome outcome;
  outcome.delivery = Delivery::ok;
  outcome.absent = true;
  return outcome;
}

inline Outcome failed_by(Delivery delivery, std::string code = "some_code") {
  Outcome outcome;
  outcome.delivery = delivery;
  outcome.failure.http_status = 400;
  outcome.failure.code = std::move(code);
  outcome.failure.message = "Some message.";
  return outcome;
}

inline Decision decided(const Work& work, const Outcome& outcome, const Policy& policy = Policy()) {
  return decide(work, outcome, policy, [] { return 0.5; });
}

// The kinds whose request costs money where it is sent twice.
inline constexpr OperationKind kPaid[] = {OperationKind::upload_training_file, OperationKind::upload_validation_file,
                                          OperationKind::create_job};

// The sweep that follows the operation of work_of(), as next_of() tells it.
inline constexpr const char* kToken = "sweep_duplicates(7a6e0b54-0000-4000-8000-000000000001)";

inline std::string next_of(const Decision& decision) {
  std::string text;
  for (const auto& next : decision.next) {
    if (!text.empty()) text += ' ';
    text += name(next.kind);
    if (!next.argument.empty()) text += '(' + next.argument + ')';
  }
  return text;
}

inline std::string notices_of(const Decision& decision) {
  std::string text;
  for (const auto& notice : decision.notices) text += (text.empty() ? "" : " ") + notice.kind;
  return text;
}

// An operation as the claim hands it out, of a model that has come as far as this kind of operation needs it.
inline Work work_of(OperationKind kind, OperationState state) {
  Work work;
  work.operation.id = "7a6e0b54-0000-4000-8000-000000000001";
  work.operation.kind = kind;
  work.operation.state = state;
  work.operation.attempt = 1;
  Model& model = work.model;
  model.id = "model";
  model.status = "pending";
  model.learning_rate_multiplier = 0.1;
  if (kind == OperationKind::upload_training_file) return work;
  model.training_file_id = "file-t";
  if (kind == OperationKind::upload_validation_file) return work;
  model.status = "uploading";
  if (kind == OperationKind::create_job) return work;
  model.provider_job_id = "ftjob-1";
  model.provider_status = "running";
  model.status = "running";
  if (kind == OperationKind::fetch_result || kind == OperationKind::verify_model) {
    model.provider_status = "succeeded";
    model.status = "evaluating";
    model.fine_tuned_model_id = "ft:gpt:1";
  }
  return work;
}

inline Work claimed(OperationKind kind) {
  return work_of(kind, kind == OperationKind::poll_job ? OperationState::ready : OperationState::sending);
}

inline Outcome fine(OperationKind kind) {
  Outcome outcome = saw(remote_job(kind == OperationKind::create_job ? "queued" : "running"));
  if (kind == OperationKind::upload_training_file || kind == OperationKind::upload_validation_file)
    outcome.remote_id = "file-new";
  if (kind == OperationKind::sweep_duplicates) outcome.job.reset();  // it is the model's own that goes on
  return outcome;
}

// Of a model whose job runs.
inline Work poll_of(std::string model_status = "running", std::string provider_status = "running") {
  Work work;
  work.operation.id = "poll";
  work.operation.kind = OperationKind::poll_job;
  work.operation.state = OperationState::ready;
  work.operation.attempt = 1;
  work.model.status = std::move(model_status);
  work.model.provider_status = std::move(provider_status);
  work.model.provider_job_id = "ftjob-1";
  work.model.training_file_id = "file-t";
  work.model.validation_file_id = "file-v";
  work.model.learning_rate_multiplier = 0.1;
  return work;
}

inline Work order_of(OperationKind kind) {
  Work work = poll_of();
  work.operation.kind = kind;
  work.operation.state = OperationState::sending;
  return work;
}

}  // namespace trainer::core
