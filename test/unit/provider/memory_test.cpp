// Memory that runs out where libcurl calls us back: neither an exception nor a half answer comes out.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "driver.h"
#include "raw_server.h"

namespace {

// The next allocation of this thread that is as large fails, once. 0: none does.
thread_local std::size_t fail_from = 0;

void* allocate(std::size_t size) {
  if (fail_from == 0 || size < fail_from) return std::malloc(size == 0 ? 1 : size);
  fail_from = 0;
  return nullptr;
}

void* allocate_or_throw(std::size_t size) {
  void* memory = allocate(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

// All of them: what one has allocated another one frees.
void* operator new(std::size_t size) {
  return allocate_or_throw(size);
}
void* operator new[](std::size_t size) {
  return allocate_or_throw(size);
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return allocate(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return allocate(size);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, const std::nothrow_t&) noexcept {
  std::free(memory);
}

namespace trainer::provider {
namespace {

using End = HttpReply::End;

// What comes of a request during which memory of that size is not to be had; the next one is as any other.
void expect_out_of_memory(const std::string& body, const std::string& headers, std::size_t size) {
  RawServer server(RawServer::always([&](RawConnection& c, const RawRequest&) { c.reply(body, headers); }));
  Driver driver(server.base());
  ASSERT_EQ(driver.ask(get_request("/models")).end, End::answered);
  fail_from = size;
  const HttpReply reply = driver.ask(get_request("/models"));
  EXPECT_EQ(std::exchange(fail_from, 0U), 0U) << "no such allocation was made";
  EXPECT_EQ(reply.end, End::broken) << "the provider may have carried it out";
  EXPECT_NE(reply.error.find("out of memory"), std::string::npos) << reply.error;
  const HttpReply next = driver.ask(get_request("/models"));
  EXPECT_EQ(next.end, End::answered);
  EXPECT_EQ(next.body, body);
}

TEST(OutOfMemory, InABody) {
  expect_out_of_memory(std::string(300'000, 'x'), "", 100'000);
}

TEST(OutOfMemory, InAHeader) {
  expect_out_of_memory("{}", "X-Request-Id: " + std::string(20'000, 'r') + "\r\n", 15'000);
}

}  // namespace
}  // namespace trainer::provider
