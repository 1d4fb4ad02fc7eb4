// What a request is about: noted in the history before anything happens to it, and what fault rules may ask for.
#include <nlohmann/json.hpp>

#include "sandbox/digest.h"
#include "sandbox/multipart.h"
#include "sandbox/state.h"

namespace trainer::sandbox {
namespace {

using nlohmann::json;

std::string text_member(const json& object, const char* member) {
  const auto found = object.find(member);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

void describe_upload(const Request& request, Subject& subject, Record& record) {
  const auto parts = parse_multipart(request.content_type, request.body);
  if (!parts) return;
  for (const Part& part : *parts) {
    if (!part.filename) continue;
    subject.filename = record.filename = *part.filename;
    record.bytes = static_cast<std::int64_t>(part.content.size());
    record.sha256 = sha256_hex(part.content);
  }
}

void describe_creation(State& state, const Request& request, Subject& subject, Record& record) {
  const json body = json::parse(request.body, nullptr, false);
  if (!body.is_object()) return;
  const std::string model = text_member(body, "model");
  subject.model = model + " " + snapshot_of(model) + " " + text_member(body, "suffix");
  const File* file = state.find_file(text_member(body, "training_file"));
  if (file) subject.filename = file->filename;
  const auto metadata = body.find("metadata");
  if (metadata != body.end() && metadata->is_object()) record.trainer_key = text_member(*metadata, "trainer_key");
}

void describe_job(const Job& job, Subject& subject) {
  subject.model = job.request.model + " " + job.request.base + " " + job.request.suffix + " " + job.fine_tuned_model;
  subject.filename = job.training_filename;
}

void describe_model(State& state, const std::string& model, Subject& subject) {
  subject.model = model + " " + snapshot_of(model);
  const auto found = state.model_jobs.find(model);
  if (found != state.model_jobs.end()) subject.filename = state.jobs.at(found->second).training_filename;
}

void describe_chat(State& state, const Request& request, Subject& subject, Record& record) {
  if (state.faults.empty() && !state.history.wanted()) return;
  const auto body = nlohmann::ordered_json::parse(request.body, nullptr, false);
  if (!body.is_object()) return;
  record.model = body.value("model", nlohmann::ordered_json()).is_string() ? body["model"].get<std::string>() : "";
  const auto messages = body.find("messages");
  if (messages != body.end())
    record.sha256 = sha256_hex(messages->dump(-1, ' ', false, json::error_handler_t::replace));
  describe_model(state, record.model, subject);
}

}  // namespace

Subject describe(State& state, const Request& request, const Route& route, Record& record) {
  Subject subject;
  switch (route.endpoint) {
    case Endpoint::create_file:
      describe_upload(request, subject, record);
      break;
    case Endpoint::create_job:
      describe_creation(state, request, subject, record);
      break;
    case Endpoint::chat:
      describe_chat(state, request, subject, record);
      break;
    case Endpoint::get_model:
    case Endpoint::delete_model:
      describe_model(state, route.id, subject);
      break;
    default:
      if (const Job* job = state.find_job(route.id)) describe_job(*job, subject);
      if (const File* file = state.find_file(route.id)) subject.filename = file->filename;
  }
  return subject;
}

}  // namespace trainer::sandbox
