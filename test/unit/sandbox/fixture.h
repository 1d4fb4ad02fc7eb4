// A sandbox without a socket and with a clock that stands still until it is moved; and training files to feed it.
#pragma once

#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "sandbox/sandbox.h"

namespace trainer::sandbox {

inline const std::string kJobs = "/v1/fine_tuning/jobs";

struct Answer {
  int status = 0;
  nlohmann::json body;
  Reply reply;

  std::string code() const { return body.at("error").at("code").is_null() ? "" : body["error"]["code"]; }
  std::string param() const { return body.at("error").at("param").is_null() ? "" : body["error"]["param"]; }
};

class Api {
 public:
  explicit Api(Options options = default_options())
      : now_(std::make_shared<std::atomic<std::int64_t>>(1795000000000)),
        sandbox_(std::make_unique<Sandbox>(std::move(options), [now = now_] { return now->load(); })) {}

  static Options default_options() {
    Options options;
    options.seed = 1;
    options.job_seconds = 10;
    return options;
  }

  void pass(std::int64_t ms) {
    sandbox_->settle();
    *now_ += ms;
  }
  std::int64_t now() const { return *now_; }
  Sandbox& sandbox() { return *sandbox_; }

  Answer send(const Request& request) {
    Answer answer;
    answer.reply = sandbox_->handle(request);
    answer.status = answer.reply.status;
    answer.body = nlohmann::json::parse(answer.reply.body, nullptr, false);
    return answer;
  }
  Answer get(const std::string& path, std::vector<std::pair<std::string, std::string>> query = {}) {
    Request request;
    request.method = "GET";
    request.path = path;
    request.query = std::move(query);
    return send(request);
  }
  Answer post(const std::string& path, const nlohmann::json& body) {
    Request request;
    request.method = "POST";
    request.path = path;
    request.content_type = "application/json";
    request.body = body.is_null() ? "" : body.dump();
    return send(request);
  }
  Answer del(const std::string& path) {
    Request request;
    request.method = "DELETE";
    request.path = path;
    return send(request);
  }
  Answer upload(const std::string& content, const std::string& filename = "train.jsonl",
                const std::string& purpose = "fine-tune", const std::string& more_parts = "") {
    Request request;
    request.method = "POST";
    request.path = "/v1/files";
    request.content_type = "multipart/form-data; boundary=xyz";
    request.body = "--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + filename +
                   "\"\r\nContent-Type: application/octet-stream\r\n\r\n" + content +
                   "\r\n--xyz\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n" + purpose + "\r\n" +
                   more_parts + "--xyz--\r\n";
    return send(request);
  }
  std::string file(const std::string& content, const std::string& filename = "train.jsonl") {
    return upload(content, filename).body.at("id");
  }
  std::string job(nlohmann::json body) {
    const Answer answer = post("/v1/fine_tuning/jobs", body);
    return answer.body.at("id");
  }
  nlohmann::json show(const std::string& job) { return get("/v1/fine_tuning/jobs/" + job).body; }
  // Trains to the end on a dozen greetings.
  std::string finished_job(nlohmann::json more = nlohmann::json::object());
  void fault(const nlohmann::json& rule) {
    if (post("/_sandbox/faults", rule).status != 200) throw std::invalid_argument("the rule was refused");
  }

 private:
  std::shared_ptr<std::atomic<std::int64_t>> now_;
  std::unique_ptr<Sandbox> sandbox_;
};

inline std::string line(const std::string& user, const std::string& assistant) {
  return nlohmann::json{{"messages",
                         {{{"role", "system"}, {"content", "You answer."}},
                          {{"role", "user"}, {"content", user}},
                          {{"role", "assistant"}, {"content", assistant}}}}}
             .dump() +
         "\n";
}

// Sentences of a small grammar: alike, and not the same. `from` shifts them.
inline std::string greetings(int count, int from = 0) {
  const std::vector<std::string> who = {"the baker", "my neighbour", "a sailor", "the doctor", "our teacher"};
  const std::vector<std::string> what = {"says hello to", "waves at", "writes a letter to", "sings for"};
  const std::vector<std::string> whom = {"the cat.", "the whole town.", "an old friend.", "nobody at all."};
  std::string text;
  for (int i = from; i < from + count; ++i) {
    const auto n = static_cast<std::size_t>(i);
    text += line("Greeting " + std::to_string(i), who[n % 5] + " " + what[n % 4] + " " + whom[n / 4 % 4]);
  }
  return text;
}

inline std::string Api::finished_job(nlohmann::json more) {
  nlohmann::json body = {{"model", "gpt-4o-mini"}, {"training_file", file(greetings(12))}};
  body.update(more);
  const std::string id = job(body);
  pass(20000);
  return id;
}

}  // namespace trainer::sandbox
