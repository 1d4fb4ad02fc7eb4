// The server on a real port, spoken to by libcurl: what only a socket can show.
#include <curl/curl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "fixture.h"
#include "sandbox/http_server.h"

namespace trainer::sandbox {
namespace {

using nlohmann::json;

struct CloseEasy {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using Easy = std::unique_ptr<CURL, CloseEasy>;

std::size_t append(char* data, std::size_t size, std::size_t count, void* into) {
  static_cast<std::string*>(into)->append(data, size * count);
  return size * count;
}

class Http : public testing::Test {
 protected:
  static void SetUpTestSuite() { curl_global_init(CURL_GLOBAL_DEFAULT); }

  Http() : sandbox_(Api::default_options()), server_(HttpServer::start(sandbox_, 0)) {
    base_ = "http://127.0.0.1:" + std::to_string(server_->port());
  }
  struct Got {
    CURLcode result;
    long status = 0;
    std::string body, headers;
  };
  Easy prepare(const std::string& url, Got& got) {
    Easy easy(curl_easy_init());
    curl_easy_setopt(easy.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT, 20L);
    curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, append);
    curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &got.body);
    curl_easy_setopt(easy.get(), CURLOPT_HEADERFUNCTION, append);
    curl_easy_setopt(easy.get(), CURLOPT_HEADERDATA, &got.headers);
    return easy;
  }
  Got run(CURL* easy, Got& got) {
    got.result = curl_easy_perform(easy);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &got.status);
    return got;
  }
  Got get(const std::string& path) {
    Got got;
    return run(prepare(base_ + path, got).get(), got);
  }
  Got post(const std::string& path, const std::string& body) {
    Got got;
    Easy easy = prepare(base_ + path, got);
    curl_easy_setopt(easy.get(), CURLOPT_COPYPOSTFIELDS, body.c_str());
    return run(easy.get(), got);
  }
  Got upload(const std::string& content) {
    Got got;
    Easy easy = prepare(base_ + "/v1/files", got);
    curl_mime* form = curl_mime_init(easy.get());
    curl_mimepart* file = curl_mime_addpart(form);
    curl_mime_name(file, "file");
    curl_mime_filename(file, "train \"1\".jsonl");
    curl_mime_data(file, content.data(), content.size());
    curl_mimepart* purpose = curl_mime_addpart(form);
    curl_mime_name(purpose, "purpose");
    curl_mime_data(purpose, "fine-tune", CURL_ZERO_TERMINATED);
    curl_easy_setopt(easy.get(), CURLOPT_MIMEPOST, form);
    run(easy.get(), got);
    curl_mime_free(form);
    return got;
  }

  Sandbox sandbox_;
  std::unique_ptr<HttpServer> server_;
  std::string base_;
};

TEST_F(Http, CarriesAnUploadUnchanged) {
  std::string content = greetings(10);
  for (int i = 0; i < 200000; ++i) content += static_cast<char>(i * 7);
  const Got made = upload(content);
  ASSERT_EQ(made.status, 200) << made.body;
  const json file = json::parse(made.body);
  EXPECT_EQ(file["bytes"], content.size());
  EXPECT_NE(made.headers.find("x-request-id: req_"), std::string::npos);
  EXPECT_EQ(get("/v1/files/" + file["id"].get<std::string>() + "/content").body, content);
}

TEST_F(Http, DecodesPathsAndQueries) {
  const std::string id = json::parse(upload(greetings(10)).body)["id"];
  post("/v1/fine_tuning/jobs",
       json{{"model", "gpt-4o"}, {"training_file", id}, {"metadata", {{"trainer_key", "a b&c"}}}}.dump());
  EXPECT_EQ(json::parse(get("/v1/fine_tuning/jobs?metadata%5Btrainer_key%5D=a%20b%26c").body)["data"].size(), 1u);
  EXPECT_TRUE(json::parse(get("/v1/fine_tuning/jobs?metadata%5Btrainer_key%5D=a").body)["data"].empty());
  EXPECT_EQ(get("/v1/models/ft:gpt-4o:x::y").status, 404);
}

TEST_F(Http, TruncatesInTheMiddleOfTheBody) {
  post("/_sandbox/faults", R"({"kind": "truncate"})");
  const Got got = get("/v1/models");
  EXPECT_EQ(got.result, CURLE_PARTIAL_FILE);
  EXPECT_EQ(got.status, 200);
  EXPECT_FALSE(got.body.empty());
}

TEST_F(Http, DropsTheConnectionWithTheEffectDone) {
  const std::string id = json::parse(upload(greetings(10)).body)["id"];
  post("/_sandbox/faults", R"({"kind": "drop_after", "path": "/v1/fine_tuning/jobs", "method": "POST"})");
  const Got got = post("/v1/fine_tuning/jobs", json{{"model", "gpt-4o"}, {"training_file", id}}.dump());
  EXPECT_NE(got.result, CURLE_OK);
  EXPECT_EQ(got.status, 0);
  EXPECT_EQ(json::parse(get("/v1/fine_tuning/jobs").body)["data"].size(), 1u);
}

TEST_F(Http, KeepsAThousandSlowRequestsAtATime) {
  constexpr int kRequests = 1000;
  post("/_sandbox/settings", R"({"latency_ms": 300})");
  std::vector<Got> got(kRequests);
  std::vector<Easy> handles;
  CURLM* multi = curl_multi_init();
  const auto begin = std::chrono::steady_clock::now();
  for (Got& one : got) {
    handles.push_back(prepare(base_ + "/v1/models/gpt-4o", one));
    curl_multi_add_handle(multi, handles.back().get());
  }
  int running = 1;
  while (running > 0) {
    curl_multi_perform(multi, &running);
    curl_multi_poll(multi, nullptr, 0, 100, nullptr);
  }
  const auto took = std::chrono::steady_clock::now() - begin;
  int good = 0;
  for (const Easy& easy : handles) {
    long status = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
    good += status == 200;
    curl_multi_remove_handle(multi, easy.get());
  }
  curl_multi_cleanup(multi);
  EXPECT_EQ(good, kRequests);
  EXPECT_GE(took, std::chrono::milliseconds(300));
  EXPECT_LT(took, std::chrono::seconds(10));  // one after the other they would take five minutes
}

TEST_F(Http, EndsAtOnceThoughARequestWaits) {
  post("/_sandbox/settings", R"({"latency_ms": 60000})");
  Got got;
  Easy easy = prepare(base_ + "/v1/models", got);
  CURLM* multi = curl_multi_init();
  curl_multi_add_handle(multi, easy.get());
  int running = 1;
  for (int i = 0; i < 20; ++i) {
    curl_multi_perform(multi, &running);
    curl_multi_poll(multi, nullptr, 0, 10, nullptr);
  }
  EXPECT_EQ(running, 1);
  const auto begin = std::chrono::steady_clock::now();
  server_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  curl_multi_remove_handle(multi, easy.get());
  curl_multi_cleanup(multi);
}

TEST_F(Http, RefusesAPortThatIsTaken) {
  EXPECT_EQ(HttpServer::start(sandbox_, server_->port()), nullptr);
}

TEST(HistoryFile, HasALineForEveryRequest) {
  const std::string path = testing::TempDir() + "history-" + std::to_string(getpid()) + ".jsonl";
  Options options = Api::default_options();
  options.history_file = path;
  options.keep_history = false;
  Api api(options);
  api.get("/v1/models", {{"a", "b"}});
  api.get("/_sandbox/state");
  api.get("/v1/nothing");
  std::ifstream file(path);
  std::string line;
  std::vector<json> lines;
  while (std::getline(file, line)) lines.push_back(json::parse(line));
  std::remove(path.c_str());
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["query"], "a=b");
  EXPECT_EQ(lines[0]["seq"], 1);
  EXPECT_EQ(lines[0]["time_ms"], api.now());
  EXPECT_EQ(lines[1]["status"], 404);
  EXPECT_TRUE(api.get("/_sandbox/history").body.empty());
}

}  // namespace
}  // namespace trainer::sandbox
