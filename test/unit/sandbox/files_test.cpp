// /v1/files, and the multipart form that fills it.
#include <gtest/gtest.h>

#include "fixture.h"
#include "sandbox/digest.h"
#include "sandbox/multipart.h"

namespace trainer::sandbox {
namespace {

std::string part(const std::string& name, const std::string& value) {
  return "--xyz\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n";
}

TEST(Multipart, ReadsNamesFilenamesAndExactBytes) {
  const std::string content("a\r\n--xy\0z\r\n", 11);
  const std::string body =
      "--xyz\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a \\\"b\\\".jsonl\"\r\n"
      "Content-Type: text/plain\r\n\r\n" +
      content + "\r\n" + part("purpose", "x") + "--xyz--\r\n";
  const auto parts = parse_multipart("Multipart/Form-Data; boundary=\"xyz\"", body);
  ASSERT_TRUE(parts);
  ASSERT_EQ(parts->size(), 2u);
  EXPECT_EQ((*parts)[0].filename, "a \"b\".jsonl");
  EXPECT_EQ((*parts)[0].content, content);
  EXPECT_EQ((*parts)[1].name, "purpose");
  EXPECT_FALSE((*parts)[1].filename);
}

TEST(Multipart, RefusesWhatIsNotWellFormed) {
  const std::string good = part("a", "b") + "--xyz--\r\n";
  const std::string type = "multipart/form-data; boundary=xyz";
  EXPECT_TRUE(parse_multipart(type, good));
  EXPECT_FALSE(parse_multipart("application/json", good));
  EXPECT_FALSE(parse_multipart("multipart/form-data", good));
  EXPECT_FALSE(parse_multipart("multipart/form-data; boundary=other", good));
  EXPECT_FALSE(parse_multipart(type, part("a", "b")));
  EXPECT_FALSE(parse_multipart(type, ""));
  EXPECT_FALSE(parse_multipart(type, "--xyz\r\nno headers"));
  EXPECT_FALSE(parse_multipart(type, "--xyz\r\nContent-Type: text/plain\r\n\r\nx\r\n--xyz--"));
}

TEST(Digest, IsSha256AndBase64) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(base64("Man"), "TWFu");
  EXPECT_EQ(base64("Ma"), "TWE=");
  EXPECT_EQ(base64(""), "");
}

TEST(Files, AreKeptAsTheyCame) {
  Api api;
  const std::string content = greetings(10);
  const Answer made = api.upload(content, "mine.jsonl");
  EXPECT_EQ(made.status, 200);
  EXPECT_TRUE(made.body["id"].get<std::string>().starts_with("file-"));
  EXPECT_EQ(made.body["object"], "file");
  EXPECT_EQ(made.body["bytes"], content.size());
  EXPECT_EQ(made.body["created_at"], api.now() / 1000);
  EXPECT_EQ(made.body["filename"], "mine.jsonl");
  EXPECT_EQ(made.body["purpose"], "fine-tune");
  EXPECT_EQ(made.body["status"], "processed");
  const std::string path = "/v1/files/" + made.body["id"].get<std::string>();
  EXPECT_EQ(api.get(path).body, made.body);
  EXPECT_EQ(api.get(path + "/content").reply.body, content);
}

TEST(Files, AreRefusedByTheRules) {
  Api api;
  Request no_form;
  no_form.method = "POST";
  no_form.path = "/v1/files";
  no_form.body = "{}";
  EXPECT_EQ(api.send(no_form).status, 400);
  EXPECT_EQ(api.upload("x", "a.txt").body["error"]["message"],
            "Invalid file format for Fine-Tuning API. Must be .jsonl");
  EXPECT_EQ(api.upload("x", "a.jsonl", "party").param(), "purpose");
  EXPECT_EQ(api.upload("", "a.jsonl").param(), "file");
  EXPECT_EQ(api.upload("x", "a.txt", "user_data").status, 200);
  EXPECT_EQ(api.upload("x", "a.jsonl", "fine-tune", part("colour", "red")).code(), "unknown_parameter");
  EXPECT_EQ(api.upload("x", "a.jsonl", "fine-tune", part("expires_after[seconds]", "3600")).status, 400);
  EXPECT_EQ(api.upload("x", "a.jsonl", "fine-tune",
                       part("expires_after[anchor]", "created_at") + part("expires_after[seconds]", "3599"))
                .status,
            400);
}

TEST(Files, ExpireWhenAsked) {
  Api api;
  const Answer made = api.upload("x", "a.jsonl", "fine-tune",
                                 part("expires_after[anchor]", "created_at") + part("expires_after[seconds]", "3600"));
  EXPECT_EQ(made.body["expires_at"], api.now() / 1000 + 3600);
  const std::string path = "/v1/files/" + made.body["id"].get<std::string>();
  EXPECT_EQ(api.get(path).status, 200);
  api.pass(3600 * 1000);
  EXPECT_EQ(api.get(path).status, 404);
  EXPECT_TRUE(api.get("/v1/files").body["data"].empty());
}

TEST(Files, AreDeletedOnce) {
  Api api;
  const std::string path = "/v1/files/" + api.file("x");
  EXPECT_EQ(api.del(path).body["deleted"], true);
  const Answer again = api.del(path);
  EXPECT_EQ(again.status, 404);
  EXPECT_EQ(again.param(), "id");
  EXPECT_TRUE(again.body["error"]["message"].get<std::string>().starts_with("No such File object: "));
  EXPECT_EQ(api.get(path + "/content").status, 404);
}

TEST(Files, AreListedInPagesBothWays) {
  Api api;
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(api.file("x"));
  api.upload("x", "a.txt", "user_data");
  const Answer first = api.get("/v1/files", {{"purpose", "fine-tune"}, {"limit", "2"}});
  EXPECT_EQ(first.body["first_id"], ids[4]);
  EXPECT_EQ(first.body["last_id"], ids[3]);
  EXPECT_EQ(first.body["has_more"], true);
  const Answer rest = api.get("/v1/files", {{"purpose", "fine-tune"}, {"limit", "3"}, {"after", ids[3]}});
  EXPECT_EQ(rest.body["data"].size(), 3u);
  EXPECT_EQ(rest.body["last_id"], ids[0]);
  EXPECT_EQ(rest.body["has_more"], false);
  const Answer up = api.get("/v1/files", {{"order", "asc"}, {"after", ids[0]}, {"limit", "1"}});
  EXPECT_EQ(up.body["first_id"], ids[1]);
  EXPECT_EQ(api.get("/v1/files").body["data"].size(), 6u);
}

TEST(Files, ListRefusesBadQueries) {
  Api api;
  EXPECT_EQ(api.get("/v1/files", {{"limit", "0"}}).code(), "integer_below_min_value");
  EXPECT_EQ(api.get("/v1/files", {{"limit", "10001"}}).code(), "integer_above_max_value");
  EXPECT_EQ(api.get("/v1/files", {{"limit", "ten"}}).code(), "invalid_type");
  EXPECT_EQ(api.get("/v1/files", {{"order", "up"}}).param(), "order");
  EXPECT_EQ(api.get("/v1/files", {{"after", "file-nope"}}).status, 404);
}

}  // namespace
}  // namespace trainer::sandbox
