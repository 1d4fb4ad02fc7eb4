#include "provider/transport.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <unordered_map>
#include <utility>

#include "core/api_key.h"
#include "core/url.h"
#include "provider/exchange.h"

namespace trainer::provider {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kLongestTimeout = std::chrono::minutes(1);
// Bounds one run(), so that its owner is never kept from its other duties.
constexpr int kMaxRounds = 16;

// The app's answer to a notification is a status, soon.
TransportLimits limits_elsewhere(TransportLimits limits) {
  limits.request_timeout = std::chrono::seconds(10);
  limits.connect_timeout = std::min(limits.connect_timeout, limits.request_timeout);
  limits.max_response_bytes = 64 * 1024;
  return limits;
}

// A resolver thread that libcurl starts inherits the mask: without this, a signal meant for the owner could be handled
// there.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

void wipe(std::string& secret) {
  explicit_bzero(secret.data(), secret.size());
  secret.clear();
}

bool is_path(const std::string& path) {
  return path.starts_with('/') && path.size() <= 4096 &&
         std::all_of(path.begin(), path.end(), [](char c) { return c > ' ' && c < 0x7F && c != '#'; });
}

bool is_filename(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' ||
           c == '-';
  });
}

HttpReply not_sent(std::string error) {
  HttpReply reply;
  reply.end = HttpReply::End::not_sent;
  reply.error = std::move(error);
  return reply;
}

}  // namespace

struct Transport::Impl {
  int epoll = -1;
  CURLM* multi = nullptr;
  std::optional<Clock::time_point> deadline;  // when libcurl wants to be called without an event

  Profile profile;
  std::string api_key;
  Setting setting;
  std::string refusal;  // why nothing can be sent; empty when all is well

  // A request waits here, not inside libcurl, while there are as many as there may be connections: its time runs from
  // when it can be sent.
  std::deque<std::pair<std::uint64_t, HttpRequest>> waiting;
  std::unordered_map<std::uint64_t, std::unique_ptr<Exchange>> active;
  std::size_t elsewhere = 0;  // of those that are active
  std::vector<std::unique_ptr<Exchange>> idle;
  std::vector<Finished> finished;

  Impl() : epoll(epoll_create1(EPOLL_CLOEXEC)) {
    // Once in the process that uses it, never when the library is loaded. Not undone: others may use libcurl, too.
    static const CURLcode initialized = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (initialized == CURLE_OK) multi = curl_multi_init();
    if (multi == nullptr) return;
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &Impl::on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &Impl::on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
  }

  ~Impl() {
    for (auto& [id, exchange] : active) curl_multi_remove_handle(multi, exchange->easy());
    active.clear();
    idle.clear();
    if (multi != nullptr) curl_multi_cleanup(multi);
    if (epoll >= 0) close(epoll);
    wipe(api_key);
  }

  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  static int on_socket(CURL*, curl_socket_t socket, int what, void* self, void* known) noexcept {
    auto* impl = static_cast<Impl*>(self);
    if (what == CURL_POLL_REMOVE) {
      epoll_ctl(impl->epoll, EPOLL_CTL_DEL, socket, nullptr);
      return 0;
    }
    epoll_event event{};
    event.data.fd = socket;
    if (what & CURL_POLL_IN) event.events |= EPOLLIN;
    if (what & CURL_POLL_OUT) event.events |= EPOLLOUT;
    const int likely = known == nullptr ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    const int other = known == nullptr ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    // The kernel forgets a socket that was closed, and may see its number again before libcurl says so.
    if (epoll_ctl(impl->epoll, likely, socket, &event) != 0 && epoll_ctl(impl->epoll, other, socket, &event) != 0) {
      return -1;
    }
    if (known == nullptr) curl_multi_assign(impl->multi, socket, impl);
    return 0;
  }

  static int on_timer(CURLM*, long timeout_ms, void* self) noexcept {
    auto* impl = static_cast<Impl*>(self);
    impl->deadline = timeout_ms < 0 ? std::nullopt : std::optional(Clock::now() + milliseconds(timeout_ms));
    return 0;
  }

  bool is_due() const { return deadline && *deadline <= Clock::now(); }

  void configure() {
    setting.api_base = profile.api_base;
    setting.ca_file = profile.ca_file;
    refusal.clear();
    setting.headers.reset();
    if (const auto error = core::check_api_base(profile.api_base)) refusal = "invalid base URL: " + error->detail;
    // No key at all is fine: there are services that ask for none.
    if (!api_key.empty() && core::check_key(api_key)) refusal = "the API key holds characters that cannot be sent";
    if (multi == nullptr || epoll < 0) refusal = "libcurl could not be initialized";
    if (!refusal.empty()) return;
    setting.reach = reach_of(profile.api_base);
    setting.headers = std::make_shared<const Headers>(profile, api_key);
  }

  std::optional<std::string> objection(const HttpRequest& request) const {
    if (request.origin.empty() && !refusal.empty()) return refusal;
    if (!request.origin.empty() && !core::read_url(request.origin).ok()) return "the URL of the request is malformed";
    if (!is_path(request.path)) return "the path of the request is malformed";
    if (request.multipart && (!is_filename(request.form.filename) || request.form.fd < 0 || request.form.bytes < 0)) {
      return "the file that is to be sent has no usable name, descriptor or size";
    }
    return std::nullopt;
  }

  void admit() {
    while (!waiting.empty() &&
           active.size() - elsewhere < static_cast<std::size_t>(std::max(1, setting.limits.max_connections))) {
      auto [id, request] = std::move(waiting.front());
      waiting.pop_front();
      begin(id, std::move(request));
    }
  }

  void begin(std::uint64_t id, HttpRequest request) {
    if (const auto reason = objection(request)) {
      finished.push_back({id, not_sent(*reason)});
      return;
    }
    if (idle.empty()) idle.push_back(std::make_unique<Exchange>());
    std::unique_ptr<Exchange> exchange = std::move(idle.back());
    idle.pop_back();
    const bool goes_elsewhere = !request.origin.empty();
    const Setting own = goes_elsewhere ? setting_elsewhere(request) : Setting();
    if (!exchange->prepare(id, std::move(request), goes_elsewhere ? own : setting) ||
        curl_multi_add_handle(multi, exchange->easy()) != CURLM_OK) {
      finished.push_back({id, not_sent("this libcurl lacks what a safe request needs")});
      return;
    }
    if (goes_elsewhere) ++elsewhere;
    active.emplace(id, std::move(exchange));
  }

  // The system's certificates, whatever the provider's are checked against.
  Setting setting_elsewhere(const HttpRequest& request) const {
    Setting own;
    own.api_base = request.origin;
    own.reach = reach_of(request.origin);
    own.limits = limits_elsewhere(setting.limits);
    own.headers = std::make_shared<const Headers>(request.headers);
    return own;
  }

  void collect() {
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode result = message->data.result;
      Exchange* exchange = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &exchange);
      finished.push_back({exchange->id(), exchange->finish(result)});
      retire(exchange->id());
    }
  }

  void retire(std::uint64_t id) {
    const auto found = active.find(id);
    std::unique_ptr<Exchange> exchange = std::move(found->second);
    active.erase(found);
    if (exchange->is_elsewhere()) --elsewhere;
    curl_multi_remove_handle(multi, exchange->easy());
    exchange->reset();
    idle.push_back(std::move(exchange));
  }

  // False when there is nothing more to do without waiting.
  bool round() {
    std::array<epoll_event, 64> events;
    const int ready = epoll_wait(epoll, events.data(), static_cast<int>(events.size()), 0);
    int running = 0;
    for (int i = 0; i < ready; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      int mask = 0;
      if (event.events & EPOLLIN) mask |= CURL_CSELECT_IN;
      if (event.events & EPOLLOUT) mask |= CURL_CSELECT_OUT;
      if (event.events & (EPOLLERR | EPOLLHUP)) mask |= CURL_CSELECT_ERR;
      curl_multi_socket_action(multi, event.data.fd, mask, &running);
    }
    const bool due = is_due();
    if (due) {
      deadline.reset();
      curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    collect();
    admit();
    return ready > 0 || is_due();
  }
};

Transport::Transport(Profile profile, std::string api_key, TransportLimits limits) {
  const SignalsBlocked guard;
  impl_ = std::make_unique<Impl>();
  impl_->profile = std::move(profile);
  impl_->api_key = api_key;
  wipe(api_key);
  impl_->configure();
  set_limits(limits);
}

Transport::~Transport() {
  const SignalsBlocked guard;
  impl_.reset();
}

void Transport::set_profile(Profile profile) {
  impl_->profile = std::move(profile);
  impl_->configure();
}

void Transport::set_api_key(std::string api_key) {
  wipe(impl_->api_key);
  impl_->api_key = api_key;
  wipe(api_key);
  impl_->configure();
}

void Transport::set_limits(TransportLimits limits) {
  const SignalsBlocked guard;
  impl_->setting.limits = limits;
  if (impl_->multi == nullptr) return;
  const long connections = std::max(1, limits.max_connections) + kElsewhere;
  curl_multi_setopt(impl_->multi, CURLMOPT_MAXCONNECTS, connections);
  curl_multi_setopt(impl_->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections);
}

void Transport::start(std::uint64_t id, HttpRequest request) {
  const SignalsBlocked guard;
  if (!request.origin.empty()) return impl_->begin(id, std::move(request));
  impl_->waiting.emplace_back(id, std::move(request));
  impl_->admit();
}

void Transport::abandon(std::uint64_t id) {
  const SignalsBlocked guard;
  std::erase_if(impl_->waiting, [&](const auto& entry) { return entry.first == id; });
  std::erase_if(impl_->finished, [&](const Finished& entry) { return entry.id == id; });
  if (impl_->active.count(id) != 0) impl_->retire(id);
  impl_->admit();
}

int Transport::fd() const {
  return impl_->epoll;
}

milliseconds Transport::timeout() const {
  if (!impl_->finished.empty()) return milliseconds(0);
  if (!impl_->deadline) return kLongestTimeout;
  const auto left = std::chrono::ceil<milliseconds>(*impl_->deadline - Clock::now());
  return std::clamp(left, milliseconds(0), kLongestTimeout);
}

void Transport::run() {
  const SignalsBlocked guard;
  if (impl_->multi == nullptr) return;
  for (int i = 0; i < kMaxRounds && impl_->round(); ++i) {
  }
}

std::vector<Finished> Transport::take_finished() {
  return std::exchange(impl_->finished, {});
}

std::size_t Transport::in_flight() const {
  return impl_->active.size() + impl_->waiting.size();
}

}  // namespace trainer::provider
