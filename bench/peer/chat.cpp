// What a reply costs without us: one libcurl handle, kept open, that sends the same request again and again.
//
//   chat URL BODY-FILE KEY    then on standard input a number of calls a line; answered by a line of their microseconds
#include <curl/curl.h>

#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>

namespace {

using Clock = std::chrono::steady_clock;

std::size_t take(char* data, std::size_t size, std::size_t count, void* reply) {
  static_cast<std::string*>(reply)->append(data, size * count);
  return size * count;
}

// Microseconds, or -1 when it was not answered.
double call(CURL* handle, std::string& reply) {
  const auto began = Clock::now();
  reply.clear();
  long status = 0;
  const bool sent = curl_easy_perform(handle) == CURLE_OK;
  const std::chrono::duration<double, std::micro> took = Clock::now() - began;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  return sent && status == 200 && !reply.empty() ? took.count() : -1;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) return 2;
  std::ifstream file(arguments[2], std::ios::binary);
  const std::string body{std::istreambuf_iterator<char>(file), {}};
  const std::string authorization = std::string("Authorization: Bearer ") + arguments[3];
  std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> handle(curl_easy_init(), &curl_easy_cleanup);
  curl_slist* headers = curl_slist_append(nullptr, "Content-Type: application/json");
  headers = curl_slist_append(headers, authorization.c_str());
  std::string reply;
  curl_easy_setopt(handle.get(), CURLOPT_URL, arguments[1]);
  curl_easy_setopt(handle.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle.get(), CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(handle.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
  curl_easy_setopt(handle.get(), CURLOPT_POSTFIELDS, body.data());
  curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, &take);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, &reply);
  for (int calls = 0; std::cin >> calls;) {
    for (int i = 0; i < calls; ++i) std::cout << call(handle.get(), reply) << ' ';
    std::cout << std::endl;
  }
  curl_slist_free_all(headers);
  return 0;
}
