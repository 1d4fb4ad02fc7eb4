#include "worker/worker.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/decide.h"
#include "pg/fault_point.h"
#include "pg/generation.h"
#include "pg/installation.h"
#include "pg/notifications.h"
#include "pg/operations.h"
#include "pg/replies.h"
#include "pg/settings.h"
#include "pg/spool.h"
#include "pg/transaction.h"
#include "worker/calls.h"
#include "worker/counters.h"
#include "worker/experiments.h"
#include "worker/feedback.h"
#include "worker/gate.h"
#include "worker/own_slot.h"
#include "worker/process.h"
#include "worker/recorder.h"
#include "worker/replies.h"
#include "worker/webhooks.h"

extern "C" {
#include <access/xact.h>
#include <postmaster/bgworker.h>
#include <storage/ipc.h>
#include <utils/timestamp.h>
}

namespace trainer::worker {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// The longest sleep: work that came without waking us (a restored dump, a clock that was set) is found after it, and
// the heartbeat is never older.
constexpr milliseconds kNap{10000};
// After an error of our own (a lock that was not to be had, a full disk), and while there is no key.
constexpr milliseconds kPause{5000};
constexpr milliseconds kBreath{100};
// While polls end by the dozen, their results are gathered for so long, to be written and followed by new claims
// together: what a transaction costs is shared, and the calls that wait inside the transport keep the connections busy
// meanwhile. A poll whose result is lost is simply made again; of any other call it is written down at once.
constexpr milliseconds kGather{20};

class Worker {
 public:
  Worker() : engine_(std::random_device{}()), random_([this] { return unit_(engine_); }) {}

  // Takes the database over; or tells why there is nothing to do here. Where the extension is of another version than
  // the library, it is not taken over yet: epoch_ stays 0, and every claim tries again.
  std::optional<Exit> take_over() {
    std::string version;
    auto problem = pg::in_transaction([&] {
      database_ = pg::current_database_name();
      version = pg::installed_version();
      if (version != TRAINER_VERSION) return;
      epoch_ = pg::begin_incarnation(settings_.instance_name).epoch;
      pg::take_over_operations(epoch_);
      pg::take_over_replies(epoch_);
      pg::take_over_webhooks(epoch_);
      TRAINER_FAULT_POINT("taking-over");
      pg::release_refused_operations();
      pg::release_replies();
    });
    if (problem) {
      log_problem("trainer worker could not take its database over", *problem);
      return Exit::failed;
    }
    if (version.empty()) return Exit::not_installed;
    note_version(version);
    return std::nullopt;
  }

  // Turns until the extension is gone, another worker has taken over or the database is to have none. Why it ended.
  Exit run() {
    look_at_key();
    while (true) {
      if (take_reload()) {
        if (!pg::database_is_wanted(database_)) return Exit::failed;  // until the launcher finds it wanted again
        settings_ = pg::current_settings();
        look_at_key();
      }
      if (!calls_.problem().empty() || gate_.key_is_refused()) mind_key();
      recorder_.write_kept();
      gather();
      if (is_time_for_turn()) {
        if (auto exit = turn()) return *exit;
      }
      if (recorder_.take_lost()) next_claim_ = Clock::now();
      if (Clock::now() >= next_fold_) fold();
      if (epoch_ != 0) feedback_.mind();
      if (epoch_ != 0 && experiments_.is_due()) experiments_.step(settings_.experiment_interval);
      if (epoch_ != 0 && webhooks_.is_due()) webhooks_.step(epoch_);
      show_turn(calls_.under_way(), answered_at_);
      rest();
    }
  }

 private:
  void gather() {
    for (auto& finished : calls_.step()) {
      urgent_ = urgent_ || finished.work.operation.kind != core::OperationKind::poll_job;
      ended_.push_back(std::move(finished));
    }
  }

  // What sessions have counted is added up: nobody waits for it.
  void fold() {
    next_fold_ = Clock::now() + kNap;
    if (epoch_ == 0) return;
    auto problem = store([] { pg::fold_usage(); });
    if (problem) log_problem("trainer worker could not add up what models have done", *problem);
    problem = store([] { pg::sum_up_spending(); });
    if (problem) log_problem("trainer worker could not add up what was spent", *problem);
  }

  // The first result after a quiet time is not kept waiting, nor are so many that the transport's reserve is half
  // spent.
  bool is_time_for_turn() const {
    return woken_ || urgent_ || replies_.has_unwritten() || Clock::now() >= next_turn_ ||
           static_cast<int>(ended_.size()) * 2 >= calls_.reserve();
  }

  // Writes down what has ended and claims what is due. Why the worker ends, if it does.
  std::optional<Exit> turn() {
    bool idle = ended_.empty();
    urgent_ = false;
    record(std::exchange(ended_, {}));
    replies_.write_some();
    gather();  // keeps the connections busy in between
    if (woken_ || Clock::now() >= next_claim_) {
      if (woken_) feedback_.look();
      if (woken_) webhooks_.look();
      idle = woken_ = false;
      if (auto exit = claim()) return exit;
      gather();  // starts what was claimed before the wait
    }
    if (!idle) next_turn_ = Clock::now() + kGather;
    return std::nullopt;
  }

  milliseconds until_next_turn() const {
    if (urgent_ || replies_.has_unwritten()) return milliseconds{0};
    auto next = ended_.empty() ? std::max(next_turn_, next_claim_) : next_turn_;
    auto until_next = std::chrono::ceil<milliseconds>(next - Clock::now());
    milliseconds longest = calls_.problem().empty() && !gate_.key_is_refused() ? kNap : kPause;
    if (recorder_.has_kept()) longest = Recorder::kPause;
    if (epoch_ != 0) {
      longest = std::min({longest, feedback_.until_due(), experiments_.until_due(), webhooks_.until_due()});
    }
    return std::clamp(std::min(until_next, calls_.timeout()), milliseconds{0}, std::max(longest, milliseconds{0}));
  }

  void rest() {
    try {
      if (wait(until_next_turn(), calls_.fd())) woken_ = true;
    } catch (const pg::Error& error) {
      // pg_cancel_backend() ends the statement that runs; here none does.
      report(error.what());
      woken_ = true;
    }
  }

  // A key that is missing or refused is looked at now and then: whoever puts it right should not have to tell us.
  void mind_key() {
    if (Clock::now() < next_key_look_) return;
    next_key_look_ = Clock::now() + kPause;
    look_at_key();
    if (!calls_.problem().empty()) report(calls_.problem());
  }

  void look_at_key() {
    if (!calls_.configure(settings_)) return;
    gate_.open();
    next_claim_ = Clock::now();
    if (epoch_ == 0) return;
    auto problem = store([] {
      pg::release_refused_operations();
      pg::release_replies();
    });
    if (problem) log_problem("trainer worker could not go on with a new key", *problem);
  }

  std::optional<Exit> claim() {
    if (epoch_ == 0) {
      if (auto exit = take_over()) return exit;
      next_claim_ = Clock::now() + kNap;
      if (epoch_ == 0) return std::nullopt;
    }
    int room = std::max(0, capacity() - calls_.under_way());
    if (!calls_.can_call()) room = 0;
    if (gate_.is_shut()) room = 0;
    std::vector<core::Work> claimed;
    int replies = 0;
    std::optional<milliseconds> next_due;
    pg::Installation installation;
    std::string version;
    auto problem = pg::in_transaction([&] {
      version = pg::installed_version();
      if (version != TRAINER_VERSION) return;
      installation = pg::read_installation();
      if (installation.paused || installation.epoch != epoch_) return;
      if (room > 0) {
        claimed = pg::claim_operations({epoch_, room, lease(), settings_.poll_interval}, cursor_);
      }
      replies = replies_.claim(epoch_, replies_.room(room - static_cast<int>(claimed.size()), capacity()), lease());
      if (static_cast<int>(claimed.size()) + replies < room) next_due = pg::until_next_operation();
    });
    if (problem) {
      // A DROP EXTENSION that went by in the middle is no problem, nor is an update.
      pg::in_transaction([&] { version = pg::installed_version(); });
      if (version.empty()) return Exit::not_installed;
      if (version != TRAINER_VERSION) return Exit::failed;
      log_problem("trainer worker could not claim operations", *problem);
      next_claim_ = Clock::now() + kPause;
      return std::nullopt;
    }
    if (version.empty()) return Exit::not_installed;
    // Begins anew, and waits: of calls that are under way the next incarnation knows what to do, as after a crash.
    if (version != TRAINER_VERSION) return Exit::failed;
    if (installation.epoch != epoch_) return Exit::failed;
    show_pause(installation.paused, installation.paused_reason);
    if (auto due = replies_.until_next()) next_due = std::min(next_due.value_or(kNap), *due);
    next_claim_ = next_claim_after(room, claimed.empty() && replies == 0, next_due);
    for (auto& work : claimed) begin(std::move(work));
    replies_.begin();
    // Not every operation that is claimed becomes a new call.
    if (room > 0 && static_cast<int>(claimed.size()) + replies == room && calls_.under_way() < capacity()) {
      next_claim_ = Clock::now();
    }
    return std::nullopt;
  }

  Clock::time_point next_claim_after(int room, bool came_empty, std::optional<milliseconds> next_due) const {
    Clock::time_point now = Clock::now();
    milliseconds wait = std::min(next_due.value_or(kNap), kNap);
    // What is due and could not be had is locked by somebody: asking without a pause would not free it.
    if (came_empty) wait = std::max(wait, kBreath);
    // Shut: the next claim follows the gate. Full: it follows the next call that ends.
    if (gate_.is_shut()) return std::min(gate_.opens(), now + kNap);
    if (room == 0) wait = kNap;
    return now + wait;
  }

  // Long enough for every request of a chain; an upload that takes longer is renewed, since its call is known.
  milliseconds lease() const { return 4 * settings_.request_timeout + milliseconds{30000}; }

  void begin(core::Work work) {
    TRAINER_FAULT_POINT("claimed", core::name(work.operation.kind));
    if (calls_.renew(work)) return;
    if (auto decision = core::decide_before_call(work, policy())) {
      core::Outcome nothing;
      nothing.delivery = core::Delivery::ok;
      recorder_.write({{std::move(work), std::move(nothing), std::move(*decision)}});
      return;
    }
    pg::SpoolFile spool;
    bool is_upload = work.operation.kind == core::OperationKind::upload_training_file ||
                     work.operation.kind == core::OperationKind::upload_validation_file;
    if (is_upload) {
      auto problem = store([&] { spool = pg::spool_dataset(work); });
      if (problem) {
        recorder_.postpone(work.operation, false, *problem);
        return;
      }
    }
    calls_.begin(std::move(work), std::move(spool));
  }

  void record(std::vector<Finished> finished) {
    if (finished.empty()) return;
    next_claim_ = std::min(next_claim_, std::max(gate_.opens(), Clock::now()));  // there is room again
    std::vector<pg::Recorded> outcomes;
    outcomes.reserve(finished.size());
    for (auto& end : finished) {
      if (end.webhook) {
        webhooks_.record(*end.webhook, end.outcome);
        continue;
      }
      if (!end.reply) TRAINER_FAULT_POINT("answered", core::name(end.work.operation.kind));
      // The refusal of a key that has been replaced meanwhile says nothing about the one that is used now.
      if (end.outcome.failure.http_status == 401 && end.replaced_key) {
        end.outcome.failure.retry_after = milliseconds{0};
      } else {
        note_answer(end.outcome);
      }
      if (end.reply) {
        replies_.record(std::move(end));
        continue;
      }
      core::Decision decision = core::decide(end.work, end.outcome, policy(), random_);
      if (core::is_retry(end.outcome, decision)) count_retry(call_kind(end.work.operation.kind));
      if (core::is_progress(end.work, end.outcome, decision) && decision.model.empty() && end.outcome.events.empty()) {
        continue;
      }
      outcomes.push_back({std::move(end.work), std::move(end.outcome), std::move(decision)});
    }
    recorder_.write(std::move(outcomes));
  }

  core::Policy policy() const {
    return {settings_.poll_interval, settings_.quiet_period, settings_.model_grace_period,
            settings_.retry_learning_rate_factor, settings_.auto_deploy};
  }

  int capacity() const { return std::min(calls_.capacity(), gate_.limit()); }

  void note_answer(const core::Outcome& outcome) {
    gate_.note(outcome);
    if (outcome.delivery == core::Delivery::ok) {
      answered_at_ = GetCurrentTimestamp();
    } else {
      const core::Failure& failure = outcome.failure;
      report(std::to_string(failure.http_status) + " " + failure.code + ": " + failure.message);
    }
  }

  // Told once in the log; the status shows it for as long as it lasts.
  void note_version(const std::string& installed) {
    if (installed == std::exchange(version_, installed)) return;
    std::string problem = pg::version_problem(installed);
    report(problem.empty() ? problem : problem + ". " + pg::kVersionHint);
    if (problem.empty()) return;
    const char* text = problem.c_str();
    const char* name = database_.c_str();
    pg::guarded([&] {
      ereport(WARNING,
              (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
               errmsg("trainer worker of database \"%s\" waits: %s", name, text), errhint("%s", pg::kVersionHint)));
    });
  }

  pg::Settings settings_ = pg::current_settings();
  Calls calls_;
  std::string database_;
  std::string version_ = TRAINER_VERSION;  // of the extension, as last seen
  std::int64_t epoch_ = 0;                 // 0: not taken over
  std::string cursor_;
  bool woken_ = true;
  Clock::time_point next_claim_ = Clock::now();
  Clock::time_point next_turn_ = Clock::now();
  Clock::time_point next_fold_ = Clock::now();
  std::vector<Finished> ended_;  // not yet written down
  bool urgent_ = false;          // one of them at least is no poll
  Clock::time_point next_key_look_ = Clock::now();
  Gate gate_;
  TimestampTz answered_at_ = 0;
  std::mt19937_64 engine_;
  std::uniform_real_distribution<double> unit_{0.0, 1.0};
  core::Random random_;
  Recorder recorder_{[this] { return policy(); }, random_};
  Replies replies_{calls_, settings_, random_};
  Webhooks webhooks_{calls_, settings_, random_};
  Feedback feedback_;
  Experiments experiments_;
};

// Why the process ends, for the launcher. An extension that was created while we were looking must not be missed.
void set_exit(Exit exit) {
  with_lock(LW_EXCLUSIVE, [&](Shared&) { slot().exit = slot().woken ? Exit::failed : exit; });
}

// The exit status: 0 is the quiet end of a dynamic worker that has nothing to do.
int run_worker(int index) {
  Oid database = enter_slot(index);
  if (!OidIsValid(database)) return 1;
  TRAINER_FAULT_POINT("connecting");
  pg::guarded([&] { BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0); });
  override_settings();
  with_lock(LW_EXCLUSIVE, [](Shared&) { slot().woken = false; });
  Worker worker;
  auto nothing_to_do = worker.take_over();
  if (!nothing_to_do) with_lock(LW_EXCLUSIVE, [](Shared&) { slot().settled = true; });
  Exit exit = nothing_to_do ? *nothing_to_do : worker.run();
  set_exit(exit);
  return exit == Exit::not_installed ? 0 : 1;
}

}  // namespace
}  // namespace trainer::worker

extern "C" void trainer_worker_main(Datum argument) {
  trainer::worker::install_signal_handlers();
  int index = DatumGetInt32(argument);
  trainer::worker::run_process([index] { return trainer::worker::run_worker(index); });
}
