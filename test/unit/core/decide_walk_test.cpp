// Random walks: one training, from its submission to its end, against a provider that loses answers, refuses, lags and
// takes its time, a worker that dies at any moment, and a user who changes their mind. The table, the claim and the
// record are those of src/pg in miniature; everything that is decided is decided by core/decide.h.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/job.h"
#include "decide_fixture.h"

namespace trainer::core {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

using Kind = OperationKind;
using State = OperationState;

constexpr std::uint64_t kSeed = 20261122;
constexpr int kWalks = 3000;
constexpr int kLongestWalk = 20000;
const milliseconds kLease = minutes(4) + seconds(30);
const milliseconds kTimeout = seconds(60);
// What a list may lag behind the end of a request is less than the quiet period: the promise ends there.
const milliseconds kLongestLag = kPolicy.quiet_period - seconds(1);

bool is_live(State state) {
  return state == State::ready || state == State::sending || state == State::reconcile || state == State::checking;
}

struct Row {
  Operation operation;
  milliseconds due{0};
  milliseconds created{0};
  milliseconds sent{0};
  bool in_doubt = false;  // a request of it may have arrived whose answer nobody has recorded
  int empty_lists = 0;    // since then
};

struct ProviderJob {
  RemoteJob job;
  std::string token;
  milliseconds listed_from{0};
  std::optional<milliseconds> cancelled_from;
};

struct ProviderFile {
  std::string id;
  std::string token;
  milliseconds listed_from{0};
};

struct Flight {
  std::size_t row = 0;
  Work work;
  milliseconds claimed{0};
  std::optional<Outcome> outcome;  // once the provider has done its part
};

class Walk {
 public:
  explicit Walk(std::uint64_t seed) : engine_(seed) {
    fault_ = unit() * 0.5;
    slow_cancel_ = chance(0.3);
    wishes_ = chance(0.5) ? 0.01 : 0.0;
    model_.id = "model";
    model_.status = "pending";
    model_.has_validation = chance(0.5);
    model_.learning_rate_multiplier = chance(0.8) ? 0.1 : 0.0;
    add(Kind::upload_training_file, "", milliseconds(0));
  }

  void run() {
    for (int step = 0; step < kLongestWalk && !testing::Test::HasFailure(); ++step) {
      if (!live_rows()) return check_end();
      act();
    }
    if (!testing::Test::HasFailure()) ADD_FAILURE() << "the training does not end: " << model_.status;
  }

 private:
  // --- chance ---

  double unit() { return unit_(engine_); }
  bool chance(double p) { return unit() < p; }
  milliseconds within(milliseconds most) {
    return milliseconds(static_cast<std::int64_t>(unit() * static_cast<double>(most.count())));
  }

  // --- one step of the world ---

  void act() {
    now_ += within(chance(0.02) ? minutes(10) : seconds(2));
    if (chance(wishes_)) return wish();
    if (chance(0.01)) return crash();
    if (!flights_.empty() && chance(0.7)) return advance(static_cast<std::size_t>(unit() * double(flights_.size())));
    if (claim()) return;
    if (flights_.empty()) now_ = std::max(now_, next_due());
  }

  bool live_rows() const {
    return std::any_of(rows_.begin(), rows_.end(), [](const Row& row) { return is_live(row.operation.state); });
  }

  milliseconds next_due() const {
    milliseconds next = milliseconds::max();
    for (const Row& row : rows_) {
      if (is_live(row.operation.state)) next = std::min(next, row.due);
    }
    return next;
  }

  // The server dies: what is under way may or may not arrive, and nobody hears of it.
  void crash() {
    for (Flight& flight : flights_) {
      if (!flight.outcome && chance(0.5)) execute(flight);
    }
    flights_.clear();
    for (Row& row : rows_) {
      Operation& operation = row.operation;
      if (operation.state == State::sending && is_paid(operation.kind)) doubt(row);
      if (operation.state == State::sending) row.sent = now_;
      if (operation.state == State::sending || operation.state == State::checking) row.due = now_;
    }
  }

  void wish() {
    if (model_.provider_job_id.empty() || chance(0.5)) return cancel();
    if (model_.status == "running") add(Kind::pause_job, "", milliseconds(0));
    if (model_.status == "paused") add(Kind::resume_job, "", milliseconds(0));
  }

  // As trainer_cancel_training() does it.
  void cancel() {
    static const std::set<std::string> kCancellable{"pending", "uploading", "validating",
                                                    "queued",  "running",   "paused"};
    if (kCancellable.count(model_.status) == 0) return;
    model_.cancel_requested = true;
    bool unsent = false;
    for (Row& row : rows_) {
      if (row.operation.state == State::ready && is_paid(row.operation.kind)) {
        row.operation.state = State::cancelled;
        unsent = true;
      }
    }
    if (unsent) {
      set_status("cancelled");
      for (const auto& file : {model_.training_file_id, model_.validation_file_id}) {
        if (!file.empty()) add(Kind::delete_file, file, milliseconds(0));
      }
    } else if (!model_.provider_job_id.empty()) {
      add(Kind::cancel_job, "", milliseconds(0));
    }
  }

  // --- the outbox ---

  void add(Kind kind, const std::string& argument, milliseconds wait) {
    for (Row& row : rows_) {
      const Operation& old = row.operation;
      if (old.kind != kind || old.argument != argument || !is_live(old.state)) continue;
      if (kind == Kind::poll_job) row.due = std::min(row.due, now_ + wait);
      return;
    }
    Row row;
    row.operation.id = "operation-" + std::to_string(rows_.size());
    row.operation.kind = kind;
    row.operation.state = State::ready;
    row.operation.argument = argument;
    row.created = now_;
    row.due = now_ + wait;
    rows_.push_back(row);
  }

  void doubt(Row& row) {
    row.in_doubt = true;
    row.empty_lists = 0;
  }

  bool claim() {
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      Row& row = rows_[i];
      if (!is_live(row.operation.state) || row.due > now_) continue;
      Operation& operation = row.operation;
      const bool was_ready = operation.state == State::ready;
      const bool was_sending = operation.state == State::sending;
      const bool is_poll = operation.kind == Kind::poll_job;
      if (was_sending && is_paid(operation.kind)) doubt(row);
      if (!is_poll) {
        operation.state = was_ready || !is_paid(operation.kind) ? State::sending : State::checking;
        if (was_ready || was_sending) row.sent = now_;
      }
      row.due = now_ + (is_poll ? kPolicy.poll_interval : kLease);
      ++operation.attempt;
      operation.age = now_ - row.created;
      operation.since_sent = now_ - row.sent;
      begin(i);
      return true;
    }
    return false;
  }

  void begin(std::size_t index) {
    for (Flight& flight : flights_) {
      if (flight.row != index) continue;
      flight.work.operation = rows_[index].operation;  // its lease is renewed
      return;
    }
    Flight flight;
    flight.row = index;
    flight.work.operation = rows_[index].operation;
    flight.work.model = model_;
    flight.claimed = now_;
    if (auto decision = decide_before_call(flight.work, Policy())) return record(flight, *decision);
    flights_.push_back(std::move(flight));
  }

  void advance(std::size_t index) {
    Flight& flight = flights_[index];
    if (!flight.outcome) return execute(flight);
    Flight done = std::move(flight);
    flights_.erase(flights_.begin() + static_cast<std::ptrdiff_t>(index));
    const Outcome& outcome = *done.outcome;
    Row& row = rows_[done.row];
    if (is_paid(row.operation.kind) && outcome.delivery == Delivery::unknown) {
      row.sent = now_;
      if (!row.in_doubt) doubt(row);
    }
    if (outcome.delivery == Delivery::ok && outcome.absent) ++row.empty_lists;
    record(done, decide(done.work, outcome, kPolicy, [this] { return unit(); }));
  }

  void record(const Flight& flight, const Decision& decision) {
    Row& row = rows_[flight.row];
    ASSERT_TRUE(is_live(row.operation.state) || row.operation.attempt != flight.work.operation.attempt ||
                row.operation.state == State::cancelled)
        << "an operation that is over was carried out";
    if (!is_live(row.operation.state) || row.operation.attempt != flight.work.operation.attempt) return;
    if (decision.state == State::ready && row.in_doubt) {
      ASSERT_GE(row.empty_lists, kEmptyListings) << name(row.operation.kind);
      ASSERT_GE(now_ - row.sent, kPolicy.quiet_period) << name(row.operation.kind);
      row.in_doubt = false;
    }
    ASSERT_GE(decision.due_in, milliseconds(0));
    row.operation.state = decision.state;
    row.operation.misses = decision.misses;
    row.due = now_ + decision.due_in;
    change_model(decision.model);
    for (const auto& next : decision.next) add(next.kind, next.argument, next.due_in);
  }

  void set_status(const std::string& status) {
    const bool over = model_.status == "failed" || model_.status == "cancelled" || model_.status == "deployed";
    ASSERT_FALSE(over && status != model_.status) << model_.status << " becomes " << status;
    model_.status = status;
  }

  void change_model(const ModelChange& change) {
    if (change.status) set_status(*change.status);
    if (change.provider_status) model_.provider_status = *change.provider_status;
    if (change.provider_job_id) {
      const bool replaces = !change.provider_job_id->empty() && !model_.provider_job_id.empty();
      ASSERT_FALSE(replaces && *change.provider_job_id != model_.provider_job_id) << "a second job was adopted";
      if (!change.provider_job_id->empty()) ++adopted_;
      model_.provider_job_id = *change.provider_job_id;
    }
    if (change.training_file_id) model_.training_file_id = *change.training_file_id;
    if (change.validation_file_id) model_.validation_file_id = *change.validation_file_id;
    if (change.fine_tuned_model_id) model_.fine_tuned_model_id = *change.fine_tuned_model_id;
    if (change.learning_rate_multiplier) model_.learning_rate_multiplier = *change.learning_rate_multiplier;
    if (change.retried) ++model_.retries;
    if (change.deploy) set_status("deployed");
  }

  // --- the provider ---

  Outcome failure(Delivery delivery) {
    Outcome outcome;
    outcome.delivery = delivery;
    outcome.failure.code = "fault";
    if (delivery == Delivery::retry_later && chance(0.3)) outcome.failure.retry_after = within(minutes(5));
    return outcome;
  }

  static Outcome success() {
    Outcome outcome;
    outcome.delivery = Delivery::ok;
    return outcome;
  }

  // The provider does its part, or not, and answers, or not.
  void execute(Flight& flight) {
    if (flight.work.operation.kind == Kind::poll_job) ++polls_;
    const Operation& operation = rows_[flight.row].operation;
    const bool late = now_ - flight.claimed > kTimeout;
    const double luck = unit();
    if (late) {
      flight.outcome = failure(Delivery::unknown);
    } else if (luck < fault_ * 0.25) {
      flight.outcome = failure(Delivery::not_sent);
    } else if (luck < fault_ * 0.5) {
      flight.outcome = failure(Delivery::retry_later);
    } else if (luck < fault_ * 0.75) {
      flight.outcome = failure(Delivery::unknown);
    } else if (luck < fault_ * 0.8 && operation.kind != Kind::delete_file) {
      flight.outcome = failure(Delivery::rejected);
    } else {
      flight.outcome = carry_out(flight.work);
      if (luck < fault_) flight.outcome = failure(Delivery::unknown);  // done, and the answer is lost
    }
  }

  Outcome carry_out(const Work& work) {
    const Operation& operation = work.operation;
    switch (operation.kind) {
      case Kind::upload_training_file:
      case Kind::upload_validation_file:
        return upload(operation);
      case Kind::create_job:
        return create(operation);
      case Kind::delete_file:
        std::erase_if(files_, [&](const ProviderFile& file) { return file.id == operation.argument; });
        return success();
      case Kind::sweep_duplicates:
        return sweep(work);
      case Kind::fetch_result:
      case Kind::verify_model:
        return success();
      default:
        return visit(operation.kind, work.model.provider_job_id);
    }
  }

  Outcome upload(const Operation& operation) {
    Outcome outcome = success();
    const bool looks = operation.state == State::checking || operation.attempt > 1;
    for (const ProviderFile& file : files_) {
      if (looks && file.token == operation.id && file.listed_from <= now_) outcome.remote_id = file.id;
    }
    if (!outcome.remote_id.empty()) return outcome;
    if (operation.state == State::checking) {
      outcome.absent = true;
      return outcome;
    }
    for (const ProviderFile& file : files_) EXPECT_NE(file.token, operation.id) << "a file is uploaded twice";
    files_.push_back({"file-" + std::to_string(++last_id_), operation.id, now_ + within(kLongestLag)});
    outcome.remote_id = files_.back().id;
    return outcome;
  }

  Outcome create(const Operation& operation) {
    Outcome outcome = success();
    for (ProviderJob& job : jobs_) {
      if (job.token != operation.id || job.listed_from > now_) continue;
      train(job);
      outcome.job = job.job;
      return outcome;
    }
    if (operation.state == State::checking) {
      outcome.absent = true;
      return outcome;
    }
    for (const ProviderJob& job : jobs_) EXPECT_NE(job.token, operation.id) << "a job is paid for twice";
    EXPECT_EQ(files_.size(), model_.has_validation ? 2U : 1U) << "the files of a job are still there";
    ProviderJob job;
    job.job.id = "ftjob-" + std::to_string(++last_id_);
    job.job.status = "validating_files";
    job.token = operation.id;
    job.listed_from = now_ + within(kLongestLag);
    jobs_.push_back(job);
    outcome.job = job.job;
    // The request arrived twice, or another server has our rows, and this one is listed late.
    if (chance(0.2)) {
      job.job.id = "ftjob-" + std::to_string(++last_id_);
      job.listed_from = now_ + within(5 * kPolicy.quiet_period);
      jobs_.push_back(job);
    }
    return outcome;
  }

  Outcome sweep(const Work& work) {
    Outcome outcome = success();
    for (ProviderJob& job : jobs_) {
      if (job.token != work.operation.argument || job.listed_from > now_) continue;
      if (job.job.id == work.model.provider_job_id || is_terminal(job.job.status)) continue;
      job.job.status = "cancelled";
      outcome.surplus_ids.push_back(job.job.id);
    }
    return outcome;
  }

  void train(ProviderJob& job) {
    std::string& status = job.job.status;
    if (is_terminal(status)) return;
    if (job.cancelled_from && *job.cancelled_from <= now_) {
      status = "cancelled";
    } else if (status == "validating_files" && chance(0.5)) {
      status = "queued";
    } else if (status == "queued" && chance(0.5)) {
      status = "running";
    } else if (status == "running" && chance(0.2)) {
      status = chance(0.3) ? "failed" : "succeeded";
      job.job.error_code = chance(0.3) ? "invalid_training_file" : "server_error";
      job.job.fine_tuned_model = status == "succeeded" ? "ft:model" : "";
    } else if (status == "running" && chance(0.05)) {
      status = "meditating";
    } else if (status == "meditating") {
      status = "running";
    } else if (status == "paused" && chance(0.1)) {
      status = "running";  // somebody resumed it by other means
    }
  }

  Outcome visit(Kind kind, const std::string& id) {
    for (ProviderJob& job : jobs_) {
      if (job.job.id != id) continue;
      train(job);
      std::string& status = job.job.status;
      if (kind == Kind::cancel_job && !is_terminal(status)) {
        if (!job.cancelled_from) job.cancelled_from = now_ + (slow_cancel_ ? within(minutes(30)) : milliseconds(0));
        if (*job.cancelled_from <= now_) status = "cancelled";
      }
      if (kind == Kind::pause_job && status == "running") status = "paused";
      if (kind == Kind::resume_job && status == "paused") status = "running";
      Outcome outcome = success();
      outcome.job = job.job;
      return outcome;
    }
    ADD_FAILURE() << "a job is visited that does not exist: " << name(kind);
    return failure(Delivery::rejected);
  }

  // --- the end ---

  void check_end() const {
    EXPECT_TRUE(model_.status == "deployed" || model_.status == "failed" || model_.status == "cancelled")
        << model_.status;
    EXPECT_LE(adopted_, 1 + model_.retries);
    EXPECT_LE(model_.retries, 1);
    for (const ProviderJob& job : jobs_)
      EXPECT_TRUE(is_terminal(job.job.status)) << "a job was lost: " << job.job.status;
    if (model_.fine_tuned_model_id.empty()) {
      EXPECT_TRUE(files_.empty()) << "files were left behind after " << model_.status;
    }
    const double turns = static_cast<double>(now_.count()) / static_cast<double>(kPolicy.poll_interval.count());
    EXPECT_LE(polls_, 40 + 4 * turns) << "polls hammer";
  }

  std::mt19937_64 engine_;
  std::uniform_real_distribution<double> unit_{0.0, 1.0};
  double fault_ = 0;
  bool slow_cancel_ = false;
  double wishes_ = 0;
  milliseconds now_{0};
  Model model_;
  std::vector<Row> rows_;
  std::vector<Flight> flights_;
  std::vector<ProviderJob> jobs_;
  std::vector<ProviderFile> files_;
  int last_id_ = 0;
  int adopted_ = 0;
  int polls_ = 0;

 public:
  std::string end() const { return model_.status; }
};

TEST(DecideWalk, WhateverHappensATrainingIsPaidForOnceAndComesToItsEnd) {
  std::printf("walks with the seeds %llu to %llu\n", static_cast<unsigned long long>(kSeed),
              static_cast<unsigned long long>(kSeed + kWalks - 1));
  std::map<std::string, int> ends;
  for (int i = 0; i < kWalks; ++i) {
    SCOPED_TRACE("seed " + std::to_string(kSeed + static_cast<std::uint64_t>(i)));
    Walk walk(kSeed + static_cast<std::uint64_t>(i));
    walk.run();
    ++ends[walk.end()];
    if (HasFailure()) return;
  }
  for (const char* end : {"deployed", "failed", "cancelled"}) {
    EXPECT_GT(ends[end], kWalks / 50) << end << ": the walks do not go everywhere";
  }
}

}  // namespace
}  // namespace trainer::core
