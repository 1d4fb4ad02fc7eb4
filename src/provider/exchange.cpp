#include "provider/exchange.h"

#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string_view>

#ifdef TRAINER_VERSION
#define TRAINER_USER_AGENT "trainer/" TRAINER_VERSION
#else
#define TRAINER_USER_AGENT "trainer"
#endif

namespace trainer::provider {
namespace {

constexpr std::size_t kMaxHeaderBytes = 64 * 1024;
constexpr std::size_t kMaxHeaderLines = 200;
constexpr std::int64_t kUploadBytesPerSecond = 64 * 1024;
// What is shorter is no secret but a word ("none", "lm-studio"), which any answer may hold.
constexpr std::size_t kShortestSecret = 12;

void append(curl_slist*& list, const std::string& line) {
  // On failure the list is what it was.
  if (curl_slist* longer = curl_slist_append(list, line.c_str())) list = longer;
}

void wipe(curl_slist* list) {
  for (curl_slist* item = list; item != nullptr; item = item->next) explicit_bzero(item->data, std::strlen(item->data));
  curl_slist_free_all(list);
}

// Into a new string: in its place it would take hours for an answer of nothing but keys.
void take_out(const std::string& secret, std::string& text) {
  std::size_t from = 0;
  std::string out;
  for (std::size_t at; (at = text.find(secret, from)) != std::string::npos; from = at + secret.size()) {
    out.append(text, from, at - from).append("[redacted]");
  }
  if (from > 0) text = out.append(text, from);
}

bool is_header(std::string_view name, std::string_view expected) {
  return name.size() == expected.size() && strncasecmp(name.data(), expected.data(), name.size()) == 0;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::int64_t unix_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Null where libcurl has no file of its own.
const char* system_ca_file() {
  const curl_version_info_data* info = curl_version_info(CURLVERSION_NOW);
  return info->age >= CURLVERSION_SEVENTH ? info->cainfo : nullptr;
}

}  // namespace

Headers::Headers(const std::vector<std::string>& lines) {
  for (curl_slist** list : {&json_, &plain_}) {
    append(*list, "Accept: */*");
    append(*list, "Expect:");  // no waiting for a 100 that may never come
    for (const std::string& line : lines) append(*list, line);
  }
  append(json_, "Content-Type: application/json");
}

Headers::Headers(const Profile& profile, const std::string& api_key) : Headers(std::vector<std::string>()) {
  api_key_ = api_key;
  if (api_key.empty()) return;
  std::string authentication;
  authentication.reserve(profile.auth_header.size() + profile.auth_prefix.size() + api_key.size() + 2);
  authentication.append(profile.auth_header).append(": ").append(profile.auth_prefix).append(api_key);
  for (curl_slist** list : {&json_, &plain_}) append(*list, authentication);
  explicit_bzero(authentication.data(), authentication.size());
}

Headers::~Headers() {
  wipe(json_);
  wipe(plain_);
  explicit_bzero(api_key_.data(), api_key_.size());
}

void Headers::redact(HttpReply& reply) const {
  if (api_key_.size() < kShortestSecret) return;
  for (std::string* text : {&reply.body, &reply.request_id, &reply.retry_after_ms, &reply.should_retry, &reply.error}) {
    take_out(api_key_, *text);
  }
  for (std::string& value : reply.retry_after) take_out(api_key_, value);
}

Exchange::Exchange() : easy_(curl_easy_init()) {
  usable_ = easy_ != nullptr && set_constants();
}

Exchange::~Exchange() {
  reset();
}

bool Exchange::set_constants() {
  return set(CURLOPT_PRIVATE, this) && set(CURLOPT_ERRORBUFFER, error_) &&  //
         set(CURLOPT_NOSIGNAL, 1L) &&
         set(CURLOPT_QUICK_EXIT, 1L) &&         // a slow resolver thread is left alone, not waited for
         set(CURLOPT_DNS_CACHE_TIMEOUT, 5L) &&  // a provider that has moved is found by the next retry but one
         set(CURLOPT_FOLLOWLOCATION, 0L) && set(CURLOPT_REDIR_PROTOCOLS_STR, "https") &&
         set(CURLOPT_DEFAULT_PROTOCOL, "https") && set(CURLOPT_PROXY, "") &&
         set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED)) && set(CURLOPT_SSL_VERIFYPEER, 1L) &&
         set(CURLOPT_SSL_VERIFYHOST, 2L) && set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2)) &&
         set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1)) && set(CURLOPT_HTTP09_ALLOWED, 0L) &&
         set(CURLOPT_PATH_AS_IS, 1L) && set(CURLOPT_TCP_KEEPALIVE, 1L) &&
         set(CURLOPT_USERAGENT, TRAINER_USER_AGENT) &&  //
         set(CURLOPT_WRITEFUNCTION, &Exchange::on_body) && set(CURLOPT_WRITEDATA, this) &&
         set(CURLOPT_HEADERFUNCTION, &Exchange::on_header) && set(CURLOPT_HEADERDATA, this) &&
         set(CURLOPT_OPENSOCKETFUNCTION, &Exchange::on_socket) && set(CURLOPT_OPENSOCKETDATA, this);
}

bool Exchange::prepare(std::uint64_t id, HttpRequest request, const Setting& setting) {
  id_ = id;
  request_ = std::move(request);
  headers_ = setting.headers;
  reach_ = setting.reach;
  // The handle is used again: what an earlier profile has set must not stay.
  const char* ca_file = setting.ca_file.empty() ? system_ca_file() : setting.ca_file.c_str();
  return usable_ && set(CURLOPT_CAINFO, ca_file) &&
         set(CURLOPT_PROTOCOLS_STR, reach_ == Reach::loopback ? "http" : "https") &&
         set(CURLOPT_URL, (setting.api_base + request_.path).c_str()) &&
         set(CURLOPT_FRESH_CONNECT, request_.once ? 1L : 0L) && set_request() && set_limits(setting.limits);
}

bool Exchange::set_request() {
  const bool has_json = request_.method == Method::post && !request_.multipart && !request_.json.empty();
  bool ok = set(CURLOPT_HTTPHEADER, has_json ? headers_->json() : headers_->plain()) &&
            set(CURLOPT_CUSTOMREQUEST, request_.method == Method::del ? "DELETE" : static_cast<const char*>(nullptr));
  if (request_.method != Method::post) return ok && set(CURLOPT_HTTPGET, 1L);
  if (request_.multipart) return ok && set_multipart();
  return ok && set(CURLOPT_POST, 1L) &&
         set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.json.size())) &&
         set(CURLOPT_POSTFIELDS, request_.json.c_str());
}

bool Exchange::set_multipart() {
  mime_.reset(curl_mime_init(easy_.get()));
  if (mime_ == nullptr) return false;
  for (const auto& [name, value] : request_.form.fields) {
    curl_mimepart* part = curl_mime_addpart(mime_.get());
    if (part == nullptr || curl_mime_name(part, name.c_str()) != CURLE_OK ||
        curl_mime_data(part, value.data(), value.size()) != CURLE_OK) {
      return false;
    }
  }
  curl_mimepart* file = curl_mime_addpart(mime_.get());
  return file != nullptr && curl_mime_name(file, request_.form.file_field.c_str()) == CURLE_OK &&
         curl_mime_filename(file, request_.form.filename.c_str()) == CURLE_OK &&
         curl_mime_type(file, "application/octet-stream") == CURLE_OK &&
         curl_mime_data_cb(file, request_.form.bytes, &Exchange::on_upload, &Exchange::on_seek, nullptr, this) ==
             CURLE_OK &&
         set(CURLOPT_MIMEPOST, mime_.get());
}

bool Exchange::set_limits(const TransportLimits& limits) {
  max_body_ = limits.max_response_bytes;
  const long own = static_cast<long>(limits.request_timeout.count());
  const long transfer =
      request_.multipart ? static_cast<long>(request_.form.bytes / kUploadBytesPerSecond) * 1000L : 0L;
  // An answer may take its whole time to begin, so a stall is what lasts longer than that; it ends uploads, whose total
  // is longer.
  const long stall_seconds = std::max(1L, (own + 999) / 1000);
  return set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(limits.connect_timeout.count())) &&
         set(CURLOPT_TIMEOUT_MS, own + transfer) && set(CURLOPT_LOW_SPEED_LIMIT, 64L) &&
         set(CURLOPT_LOW_SPEED_TIME, stall_seconds) &&
         set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(max_body_));
}

HttpReply Exchange::finish(CURLcode result) {
  long status = 0;
  long request_bytes = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(easy_.get(), CURLINFO_REQUEST_SIZE, &request_bytes);
  HttpReply reply = std::move(reply_);
  reply.received_at = unix_seconds();
  reply.status = static_cast<int>(status);
  // libcurl is content with headers that break off.
  if (result == CURLE_OK && status >= 200 && headers_complete_) {
    reply.end = HttpReply::End::answered;
  } else {
    reply.end = request_bytes == 0 ? HttpReply::End::not_sent : HttpReply::End::broken;
    const char* own = abort_reason_ != nullptr ? abort_reason_ : error_;
    reply.error = result == CURLE_OK ? "the answer breaks off" : *own != '\0' ? own : curl_easy_strerror(result);
  }
  headers_->redact(reply);
  return reply;
}

void Exchange::reset() {
  if (easy_ != nullptr) {
    // The handle must not keep pointers to what is let go.
    if (mime_ != nullptr) set(CURLOPT_MIMEPOST, static_cast<curl_mime*>(nullptr));
    set(CURLOPT_HTTPHEADER, static_cast<curl_slist*>(nullptr));
    set(CURLOPT_POSTFIELDS, static_cast<const char*>(nullptr));
  }
  mime_.reset();
  headers_.reset();
  request_ = HttpRequest();
  reply_ = HttpReply();
  header_bytes_ = 0;
  header_lines_ = 0;
  headers_complete_ = false;
  content_length_.clear();
  uploaded_ = 0;
  abort_reason_ = nullptr;
  error_[0] = '\0';
}

// Returning less than was given aborts the transfer. The size counts here, after decoding: libcurl's own limit does not
// bound a chunked body.
std::size_t Exchange::on_body(char* data, std::size_t size, std::size_t count, void* self) noexcept {
  auto* exchange = static_cast<Exchange*>(self);
  const std::size_t bytes = size * count;
  if (bytes > exchange->max_body_ - exchange->reply_.body.size()) {
    exchange->abort_reason_ = "the answer is too large";
    return 0;
  }
  try {
    exchange->reply_.body.append(data, bytes);
  } catch (...) {
    exchange->abort_reason_ = "out of memory";
    return 0;
  }
  return bytes;
}

std::size_t Exchange::on_header(char* data, std::size_t size, std::size_t count, void* self) noexcept {
  auto* exchange = static_cast<Exchange*>(self);
  const std::size_t bytes = size * count;
  exchange->header_bytes_ += bytes;
  if (exchange->header_bytes_ > kMaxHeaderBytes || ++exchange->header_lines_ > kMaxHeaderLines) {
    exchange->abort_reason_ = "the answer has too many headers";
    return 0;
  }
  try {
    exchange->take_header({data, bytes});
  } catch (...) {
    exchange->abort_reason_ = "out of memory";
    return 0;
  }
  return exchange->abort_reason_ == nullptr ? bytes : 0;
}

void Exchange::take_header(std::string_view line) {
  if (line.starts_with("HTTP/")) {
    // What came with an interim answer (100, 103) says nothing of the final one.
    headers_complete_ = false;
    content_length_.clear();
    reply_ = HttpReply();
    return;
  }
  if (trimmed(line).empty()) headers_complete_ = true;
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (is_header(name, "content-length")) {
    // Where such an answer ends is anybody's guess, and what follows it would be taken for the next one.
    if (!content_length_.empty() && content_length_ != value) abort_reason_ = "the answer has two lengths";
    content_length_ = value;
  } else if (is_header(name, "x-request-id")) {
    reply_.request_id = value;
  } else if (is_header(name, "retry-after")) {
    reply_.retry_after.emplace_back(value);
  } else if (is_header(name, "retry-after-ms")) {
    reply_.retry_after_ms = value;
  } else if (is_header(name, "x-should-retry")) {
    reply_.should_retry = value;
  }
}

std::size_t Exchange::on_upload(char* data, std::size_t size, std::size_t count, void* self) noexcept {
  auto* exchange = static_cast<Exchange*>(self);
  const Multipart& form = exchange->request_.form;
  const auto wanted =
      static_cast<std::size_t>(std::min(static_cast<std::int64_t>(size * count), form.bytes - exchange->uploaded_));
  if (wanted == 0) return 0;
  const ssize_t got = pread(form.fd, data, wanted, exchange->uploaded_);
  if (got <= 0) {
    exchange->abort_reason_ = "the file that was to be sent could not be read to its end";
    return CURL_READFUNC_ABORT;
  }
  exchange->uploaded_ += got;
  return static_cast<std::size_t>(got);
}

int Exchange::on_seek(void* self, curl_off_t offset, int origin) noexcept {
  auto* exchange = static_cast<Exchange*>(self);
  if (origin != SEEK_SET || offset < 0 || offset > exchange->request_.form.bytes) return CURL_SEEKFUNC_FAIL;
  exchange->uploaded_ = offset;
  return CURL_SEEKFUNC_OK;
}

curl_socket_t Exchange::on_socket(void* self, curlsocktype, curl_sockaddr* address) noexcept {
  auto* exchange = static_cast<Exchange*>(self);
  if (!is_reachable(exchange->reach_, &address->addr)) {
    exchange->abort_reason_ = "the host of the URL resolves to a private address";
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

}  // namespace trainer::provider
