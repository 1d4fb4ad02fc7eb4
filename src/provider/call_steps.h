// What the calls are built from: requests, the outcomes that several of them share, and a walk over pages that ends.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "core/operation.h"
#include "provider/call.h"
#include "provider/http.h"
#include "provider/wire.h"

namespace trainer::provider {

HttpRequest get(std::string path);
HttpRequest post(std::string path, std::string json);
HttpRequest del(std::string path);

// Everything but unreserved characters and the colon as %XX: one segment of a path, or the value of a query.
std::string escaped(std::string_view text);

std::string job_path(std::string_view job_id);
std::string file_path(std::string_view file_id);
std::string model_path(std::string_view model);
// Jobs whose metadata holds the token; a server may ignore the filter.
std::string jobs_with_token(std::string_view token);

// The row cannot be worked on, whatever the provider says.
core::Outcome invalid_work(std::string_view reason);

// A 400 that is about the parameter and not about the model.
bool refuses(const HttpReply& reply, std::string_view parameter);

// The outcome of a job's own request: the job, when it is the one that was asked for.
core::Outcome job_outcome(const HttpReply& reply, std::string_view job_id);

// A refusal that the state of the job may explain.
bool is_refused(const HttpReply& reply, const core::Outcome& outcome);

// One walk over a list. The walk is bounded, and a server that repeats itself is noticed.
class Pages {
 public:
  static constexpr std::size_t kSize = 100;
  // Enough for a server that ignores the filter and has 5,000 newer jobs.
  static constexpr int kMaxPages = 50;

  Pages() = default;
  // `query` holds the path and its parameters, at least one of them; `size` is the limit that it asks for.
  explicit Pages(std::string query, std::size_t size = kSize) : query_(std::move(query)), size_(size) {}

  HttpRequest request() const { return get(after_.empty() ? query_ : query_ + "&after=" + escaped(after_)); }

  enum class Turn {
    next,        // request() is the next page
    complete,    // this was the last one
    incomplete,  // there is more, but it cannot be had
  };
  template <class T>
  Turn turn(const Page<T>& page) {
    // Without has_more a full page may have a successor; the one behind the last is empty then.
    return turn(page.has_more.value_or(page.elements >= size_) && page.elements > 0, page.last_id);
  }

 private:
  Turn turn(bool has_more, const std::string& last_id);

  std::string query_;
  std::size_t size_ = 0;
  int pages_left_ = kMaxPages;
  std::string after_;
  std::unordered_set<std::string> seen_;
};

// Makers of the single calls; make_call chooses.
std::unique_ptr<Call> make_upload(const core::Work& work);
std::unique_ptr<Call> make_create(const Profile& profile, const core::Work& work);
std::unique_ptr<Call> make_poll(const core::Work& work);
std::unique_ptr<Call> make_fetch(const core::Work& work);
std::unique_ptr<Call> make_verify(const core::Work& work);
std::unique_ptr<Call> make_control(const core::Work& work);
std::unique_ptr<Call> make_sweep(const core::Work& work);
std::unique_ptr<Call> make_delete(const core::Work& work);

}  // namespace trainer::provider
