// The provider's bodies as values: what the wire calls things is known here and in wire_*.cpp alone. Readers give
// nullopt for what is no such object (not JSON, another `object`, no usable id), and take what is missing, null, of
// another type or out of its range for absent. Ids are checked, every other text is cleaned and cut: a row can hold
// whatever comes out of here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/operation.h"
#include "provider/profile.h"

namespace trainer::provider {

struct RemoteFile {
  std::string id;  // empty when it has no usable one; only inside lists
  std::string filename;
  std::optional<std::int64_t> bytes;
  std::optional<std::int64_t> created_at;
};

// A job with the token that its creator left in the metadata; empty when there is none.
struct TaggedJob {
  core::RemoteJob job;  // id empty when it has no usable one; only inside lists
  std::string token;
};

template <class T>
struct Page {
  std::vector<T> items;
  std::size_t elements = 0;      // of the page, those that could not be read too
  std::string last_id;           // of the last element, where the next page begins; empty when there is none
  std::optional<bool> has_more;  // some servers leave it out
};

std::optional<RemoteFile> read_file(std::string_view body);
std::optional<Page<RemoteFile>> read_files(std::string_view body);
std::optional<TaggedJob> read_job(std::string_view body);
std::optional<Page<TaggedJob>> read_jobs(std::string_view body);
std::optional<Page<core::RemoteEvent>> read_events(std::string_view body);
std::optional<Page<core::Checkpoint>> read_checkpoints(std::string_view body);
std::optional<std::string> read_model_id(std::string_view body);
bool is_model_list(std::string_view body);
// A completion that holds at least one choice with a message.
bool is_completion(std::string_view body);
// What its first choice says, and what was used.
std::optional<core::Completion> read_completion(std::string_view body);
// An object that does not say `deleted: false`.
bool is_deletion(std::string_view body);

// The rows of a result file: CSV, or base64 of it, or either inside a JSON string; columns are found by their names.
// Empty for anything else.
std::vector<core::StepMetrics> read_result_file(std::string_view content);

struct WireError {
  std::string code;  // what names the error best: code, else type; empty when the body has neither
  std::string message;
  std::string param;
};
// Never fails: a body of another form gives what can be made out of it.
WireError read_error(std::string_view body);

// Metadata of a job: the token of the operation that created it, and the installation that it came from.
inline constexpr const char* kTokenKey = "trainer_key";
inline constexpr const char* kInstallationKey = "trainer_inst";

// Bodies of requests.
std::string job_request(const Profile& profile, const core::Work& work);
enum class TokenLimit { max_completion_tokens, max_tokens };
std::string_view name(TokenLimit limit);
std::string short_completion_request(std::string_view model, TokenLimit limit);
// What a model has been found to take: the parameters of chat completions differ from one to the next.
struct Dialect {
  TokenLimit limit = TokenLimit::max_completion_tokens;
  bool temperature = true;
};
// The messages stand in it byte for byte.
std::string chat_request(const core::ChatRequest& request, const Dialect& dialect);

// [A-Za-z0-9_-]{1,128}: files and jobs. What it lets through can stand in a path and in a row.
bool is_object_id(std::string_view id);
// [A-Za-z0-9_.:-]{1,256}: events and checkpoints.
bool is_id(std::string_view id);
// As custom_models.fine_tuned_model_id takes it, a varchar(255).
inline constexpr std::size_t kMaxModelName = 255;
// An id of at most kMaxModelName bytes that may hold [/@+], too: at some services the names of models do. Escaped, it
// can stand in a path.
bool is_model_name(std::string_view name);

}  // namespace trainer::provider
