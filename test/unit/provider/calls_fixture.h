// What the tests of the calls are about: work, and the bodies that a provider answers with.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "chain.h"
#include "provider/wire.h"

namespace trainer::provider {

inline constexpr const char* kToken = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
inline const std::string kList = std::string("/fine_tuning/jobs?limit=100&metadata%5Btrainer_key%5D=") + kToken;
inline constexpr const char* kFilename = "trainer-i-7c9e6679-0123456789ab.jsonl";

inline core::Work work_of(core::OperationKind kind, core::OperationState state = core::OperationState::sending,
                          int attempt = 1) {
  core::Work work;
  work.operation.id = kToken;
  work.operation.kind = kind;
  work.operation.state = state;
  work.operation.attempt = attempt;
  work.installation = "inst";
  work.model.base_model = "gpt-4o-mini-2024-07-18";
  work.model.training_file_id = "file-t";
  work.model.provider_job_id = "ftjob-1";
  work.model.fine_tuned_model_id = "ft:gpt-4o:org:s:id";
  work.spool = {.fd = 5, .bytes = 100, .filename = kFilename};
  return work;
}

inline std::string list_of(const std::vector<std::string>& items, const std::string& has_more = "false") {
  std::string data;
  for (const std::string& item : items) data += (data.empty() ? "" : ",") + item;
  return R"({"object":"list","data":[)" + data + R"(],"has_more":)" + has_more + "}";
}

inline std::string job(const std::string& id, const std::string& status = "queued", const std::string& token = kToken,
                       const std::string& created_at = "100") {
  return R"({"id":")" + id + R"(","object":"fine_tuning.job","status":")" + status + R"(","created_at":)" + created_at +
         R"(,"metadata":{"trainer_key":")" + token + R"("}})";
}

inline std::string untagged_job(const std::string& id) {
  return R"({"id":")" + id + R"(","object":"fine_tuning.job","status":"queued","metadata":null})";
}

inline std::string file(const std::string& id, const std::string& bytes = "100", const std::string& created_at = "100",
                        const std::string& name = kFilename) {
  return R"({"id":")" + id + R"(","object":"file","bytes":)" + bytes + R"(,"created_at":)" + created_at +
         R"(,"filename":")" + name + R"(","purpose":"fine-tune"})";
}

inline std::string event(int n) {
  const std::string number = std::to_string(n);
  return R"({"id":"ftevent-)" + number + R"(","message":")" + number + R"(","created_at":5})";
}

inline std::vector<std::string> ids(const std::vector<core::RemoteEvent>& events) {
  std::vector<std::string> result;
  for (const auto& e : events) result.push_back(e.message);
  return result;
}

inline const std::vector<HttpReply>& failures() {
  static const std::vector<HttpReply> all = {lost(),
                                             unreachable(),
                                             answered(500, ""),
                                             answered(503, ""),
                                             answered(302, ""),
                                             answered(401, error_body("invalid_api_key")),
                                             answered(403, error_body("training_not_available")),
                                             answered(429, error_body("rate_limit_exceeded")),
                                             answered(404, ""),
                                             answered(400, error_body("")),
                                             answered(200, ""),
                                             answered(200, "null"),
                                             answered(200, "[]"),
                                             answered(200, "{}"),
                                             answered(200, "<html></html>"),
                                             answered(200, R"({"object":"list","data":null})"),
                                             answered(200, R"({"object":"list","data":[)")};
  return all;
}

}  // namespace trainer::provider
