// One training run: passes over the examples in steps of a batch, with the loss measured before each step learns.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sandbox/ngram.h"

namespace trainer::sandbox {

// As asked for; nullopt is "auto".
struct Hyperparameters {
  std::optional<int> n_epochs;
  std::optional<int> batch_size;
  std::optional<double> learning_rate_multiplier;
  std::optional<double> beta;  // dpo only
};

// "auto" replaced by numbers, for a file of so many examples.
Hyperparameters resolve(const Hyperparameters& asked, std::size_t examples);

// Mean loss in nats per token, and the share of tokens that the model would have said itself.
struct Measure {
  double loss = 0;
  double accuracy = 0;
};

struct TrainingStep {
  Measure train;
  std::optional<Measure> valid;  // on one batch of the validation file
};

struct Epoch {
  int last_step = 0;                  // from 1
  std::optional<Measure> full_valid;  // on the whole validation file
  std::shared_ptr<const Model> model;
};

struct TrainingRun {
  Hyperparameters hyperparameters;  // resolved
  std::vector<TrainingStep> steps;
  std::vector<Epoch> epochs;
  std::int64_t trained_tokens = 0;  // billable tokens of the file x epochs

  // The last three, in order: those whose models can be asked for.
  std::span<const Epoch> kept() const { return std::span(epochs).last(std::min<std::size_t>(epochs.size(), 3)); }
};

// `hyperparameters` as asked for. `validation` may be null. The same arguments give the same run.
TrainingRun train(std::shared_ptr<const Corpus> corpus, const Dataset* validation, std::shared_ptr<const Model> parent,
                  const Hyperparameters& hyperparameters, std::uint64_t seed);

// The result file: one row a step.
std::string result_csv(const TrainingRun& run);

}  // namespace trainer::sandbox
