// One exchange inside libcurl: an easy handle that is used again and again, with the request that it carries and the
// reply that it gathers. Knows every option that is set; the Transport knows when things happen.
#pragma once

#include <curl/curl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "provider/address.h"
#include "provider/http.h"
#include "provider/transport.h"

namespace trainer::provider {

// The headers of every request, with the key in them; wiped when the last exchange that uses them is over.
class Headers {
 public:
  Headers(const Profile& profile, const std::string& api_key);
  // Of a request that goes elsewhere: these lines, and no key.
  explicit Headers(const std::vector<std::string>& lines);
  ~Headers();
  Headers(const Headers&) = delete;
  Headers& operator=(const Headers&) = delete;

  curl_slist* json() const { return json_; }    // a JSON body
  curl_slist* plain() const { return plain_; }  // no body, or a multipart one
  // Takes the key out of what came back, whatever a key looks like at this provider.
  void redact(HttpReply& reply) const;

 private:
  std::string api_key_;
  curl_slist* json_ = nullptr;
  curl_slist* plain_ = nullptr;
};

// What a request takes from its transport when it starts.
struct Setting {
  std::string api_base;
  std::string ca_file;  // empty: the system's
  Reach reach = Reach::the_world;
  TransportLimits limits;
  std::shared_ptr<const Headers> headers;
};

class Exchange {
 public:
  Exchange();
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // False when libcurl cannot do what is asked; then the handle must not be used.
  [[nodiscard]] bool prepare(std::uint64_t id, HttpRequest request, const Setting& setting);
  // The reply of a transfer that ended so. Precondition: prepared.
  HttpReply finish(CURLcode result);
  // Lets go of the request and of what it referred to. Precondition: the handle is in no multi handle.
  void reset();

  CURL* easy() const { return easy_.get(); }
  std::uint64_t id() const { return id_; }
  bool is_elsewhere() const { return !request_.origin.empty(); }

 private:
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self) noexcept;
  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self) noexcept;
  static std::size_t on_upload(char* data, std::size_t size, std::size_t count, void* self) noexcept;
  static int on_seek(void* self, curl_off_t offset, int origin) noexcept;
  static curl_socket_t on_socket(void* self, curlsocktype purpose, curl_sockaddr* address) noexcept;

  bool set_constants();
  bool set_request();
  bool set_multipart();
  bool set_limits(const TransportLimits& limits);
  void take_header(std::string_view line);
  template <class T>
  bool set(CURLoption option, T value) {
    return curl_easy_setopt(easy_.get(), option, value) == CURLE_OK;
  }

  struct Cleanup {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
    void operator()(curl_mime* mime) const { curl_mime_free(mime); }
  };
  // The mime structure refers to the handle, and the handle's error buffer to this: destroyed in reverse order.
  char error_[CURL_ERROR_SIZE] = "";
  std::unique_ptr<CURL, Cleanup> easy_;
  std::unique_ptr<curl_mime, Cleanup> mime_;
  bool usable_ = false;

  std::uint64_t id_ = 0;
  HttpRequest request_;
  HttpReply reply_;
  std::shared_ptr<const Headers> headers_;
  Reach reach_ = Reach::the_world;
  std::size_t max_body_ = 0;
  std::size_t header_bytes_ = 0;
  std::size_t header_lines_ = 0;
  bool headers_complete_ = false;
  std::string content_length_;
  std::int64_t uploaded_ = 0;
  const char* abort_reason_ = nullptr;
};

}  // namespace trainer::provider
