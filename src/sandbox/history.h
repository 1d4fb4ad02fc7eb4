// The append-only record of every request under /v1, which tests check the promises of the other side against.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace trainer::sandbox {

struct Record {
  std::uint64_t seq = 0;
  std::int64_t time_ms = 0;
  std::string method;
  std::string path;
  std::string query;
  int status = 0;  // 0: dropped
  std::string fault;
  std::string request_id;
  std::string trainer_key;  // from the metadata of a job's creation
  std::string model;        // of a completion, with the sha256 of its messages without white space
  std::string filename;     // of an upload, with bytes and sha256
  std::int64_t bytes = -1;
  std::string sha256;
  std::string created;  // id of the object that the request made
};

std::string record_json(const Record& record);

class History {
 public:
  // `path` empty: no file. Not being able to open it is told by ok().
  History(bool keep, const std::string& path);
  bool ok() const { return ok_; }
  bool wanted() const { return keep_ || file_; }

  void add(Record record);
  std::string json() const;

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  bool keep_;
  bool ok_ = true;
  std::unique_ptr<std::FILE, Close> file_;
  std::uint64_t last_seq_ = 0;
  std::vector<Record> records_;
};

}  // namespace trainer::sandbox
