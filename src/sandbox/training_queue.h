// The thread that trains, so that requests are answered meanwhile: one job after the other, in the order of creation.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>

#include "sandbox/training.h"

namespace trainer::sandbox {

struct TrainingOrder {
  std::shared_ptr<const std::string> training_content;
  std::string training_sha256;
  std::shared_ptr<const std::string> validation_content;  // null: none
  Method method = Method::supervised;
  Hyperparameters hyperparameters;
  std::shared_ptr<const Model> parent;
  std::uint64_t seed = 0;
};

struct TrainingProblem {
  FileProblem problem;
  std::string param;  // training_file | validation_file
};

// Written once by the training thread, then read by everybody: `ready` is set last.
struct Training {
  std::variant<std::monostate, TrainingProblem, TrainingRun> outcome;
  std::int64_t ready_ms = 0;
  std::atomic<bool> ready = false;
};

class TrainingQueue {
 public:
  explicit TrainingQueue(std::function<std::int64_t()> clock);
  ~TrainingQueue();  // what has not been trained is forgotten
  TrainingQueue(const TrainingQueue&) = delete;
  TrainingQueue& operator=(const TrainingQueue&) = delete;

  std::shared_ptr<const Training> add(TrainingOrder order);
  void settle();

 private:
  struct Entry {
    TrainingOrder order;
    std::shared_ptr<Training> training;
  };
  void work();
  std::variant<std::monostate, TrainingProblem, TrainingRun> run(const TrainingOrder& order);

  std::function<std::int64_t()> clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Entry> entries_;
  bool busy_ = false;
  bool stopping_ = false;
  // Jobs on the same file share its n-grams. Touched by the thread alone.
  std::unordered_map<std::string, std::weak_ptr<const Corpus>> corpora_;
  std::thread thread_;
};

}  // namespace trainer::sandbox
