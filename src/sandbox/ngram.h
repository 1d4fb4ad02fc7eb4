// The small language model that the sandbox really trains: token trigrams, each order smoothed towards the one below
// (hierarchical Dirichlet prior), the lowest towards the parent model, and at the root a byte bigram model. So every
// text has a probability, and probabilities sum to one.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sandbox/training_file.h"

namespace trainer::sandbox {

inline constexpr std::string_view kBegin = "";    // no token of a text is empty
inline constexpr std::string_view kEnd = "\xFF";  // no token of a UTF-8 text

// Pseudo-counts of the prior of each order: how much evidence it takes to leave the order below.
inline constexpr double kUnigramPrior = 3000;
inline constexpr double kBigramPrior = 12;
inline constexpr double kTrigramPrior = 12;

// Where a token stands among the n-grams of a Corpus; -1 where the corpus does not have it.
struct Position {
  std::int32_t word = -1;
  std::int32_t previous = -1;       // context of the bigram
  std::int32_t bigram = -1;         // (previous, word)
  std::int32_t previous_pair = -1;  // context of the trigram: the bigram before
  std::int32_t trigram = -1;
};

// The distinct n-grams of a dataset's answers, numbered in the order of (context, word), so that the successors of a
// context are neighbours. Immutable.
class Corpus {
 public:
  explicit Corpus(std::shared_ptr<const Dataset> dataset);
  Corpus(const Corpus&) = delete;
  Corpus& operator=(const Corpus&) = delete;

  const Dataset& dataset() const { return *dataset_; }
  std::size_t words() const { return words_.size(); }
  std::size_t bigrams() const { return bigrams_.size(); }
  std::size_t trigrams() const { return trigrams_.size(); }
  std::string_view word(std::int32_t id) const { return words_[static_cast<std::size_t>(id)]; }
  std::int32_t find_word(std::string_view token) const;
  std::int32_t find_bigram(std::int32_t previous, std::int32_t word) const;
  std::int32_t find_trigram(std::int32_t previous_pair, std::int32_t word) const;

  // The positions of every token of a text, its end included.
  std::vector<Position> positions(std::string_view text) const;
  Position position(std::string_view before_previous, std::string_view previous, std::string_view word) const;

  struct Counts {
    std::vector<float> word, bigram, trigram;
    std::vector<float> after_word, after_bigram;  // sums over the successors of a context
    float total = 0;
  };
  Counts empty_counts() const;
  static void add(Counts& counts, const Position& position, float amount);
  const Counts& counts() const { return counts_; }

  // The commonest words that follow the last two tokens, and the last one alone.
  std::vector<std::string_view> successors(std::string_view before_previous, std::string_view previous) const;

  // The examples whose prompts share the most telling words with `prompt`; at most `limit`.
  std::vector<std::size_t> nearest_examples(std::string_view prompt, std::size_t limit) const;

 private:
  void number_the_words();
  void number_the_ngrams();
  void index_the_prompts() const;

  std::shared_ptr<const Dataset> dataset_;
  std::vector<std::string> words_;  // the views in word_ids_ point here: never grows after construction
  std::unordered_map<std::string_view, std::int32_t> word_ids_;
  std::vector<std::uint64_t> bigrams_;   // previous << 32 | word, ascending
  std::vector<std::uint64_t> trigrams_;  // bigram << 32 | word, ascending
  Counts counts_;                        // one sighting of every example

  mutable std::once_flag indexed_;
  mutable std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> prompt_index_;  // word's hash -> examples
};

// P(word | two before) of the counts as they stand, given the parent's probability of the word.
double probability(const Corpus::Counts& counts, const Position& position, double parent, double mass);

// A corpus with a mass: how often each of its examples counts (epochs x learning rate).
class Model {
 public:
  Model(std::shared_ptr<const Corpus> corpus, double mass, std::shared_ptr<const Model> parent);

  double probability(std::string_view before_previous, std::string_view previous, std::string_view word) const;
  // Probability of each token of a text, its end included.
  std::vector<double> probabilities(std::string_view text) const;

  struct Sampling {
    double temperature = 1;
    int max_tokens = 64;
    std::uint64_t seed = 0;
  };
  struct Sample {
    std::string text;
    int tokens = 0;
    bool cut = false;  // max_tokens came before the end
  };
  // An answer to the prompt: the examples nearest to it (for the built-in model: the prompt itself) count once more.
  static Sample answer(const std::shared_ptr<const Model>& model, std::string_view prompt, const Sampling& sampling);

  const Corpus& corpus() const { return *corpus_; }

 private:
  std::vector<std::string_view> candidates(std::string_view before_previous, std::string_view previous) const;
  Sample sample(const Sampling& sampling) const;

  std::shared_ptr<const Corpus> corpus_;
  double mass_;
  std::shared_ptr<const Model> parent_;
};

// The root of every other model: a little plain English of the sandbox's own.
std::shared_ptr<const Model> built_in_model();

}  // namespace trainer::sandbox
