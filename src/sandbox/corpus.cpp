// Numbering, counting and finding n-grams.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>

#include "sandbox/ngram.h"
#include "sandbox/random.h"
#include "sandbox/tokens.h"

namespace trainer::sandbox {
namespace {

constexpr std::size_t kSuccessors = 24;  // considered of one context when a text is sampled

std::uint64_t pair_key(std::int32_t context, std::int32_t word) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(context)) << 32 | static_cast<std::uint32_t>(word);
}

std::int32_t find_key(const std::vector<std::uint64_t>& keys, std::int32_t context, std::int32_t word) {
  if (context < 0 || word < 0) return -1;
  const std::uint64_t key = pair_key(context, word);
  const auto found = std::lower_bound(keys.begin(), keys.end(), key);
  return found != keys.end() && *found == key ? static_cast<std::int32_t>(found - keys.begin()) : -1;
}

void sort_unique(std::vector<std::uint64_t>& keys) {
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  keys.shrink_to_fit();
}

// Calls visit(previous, word) for each token of an answer, then for its end.
template <class Visit>
void walk(std::string_view answer, const Corpus& corpus, Visit visit) {
  std::int32_t previous = corpus.find_word(kBegin);
  for (const std::string_view token : tokens(answer)) {
    const std::int32_t word = corpus.find_word(token);
    visit(previous, word);
    previous = word;
  }
  visit(previous, corpus.find_word(kEnd));
}

// The words of three letters or more, in lower case, as hashes.
std::vector<std::uint64_t> telling_words(std::string_view text) {
  std::vector<std::uint64_t> found;
  std::string word;
  const auto finish = [&] {
    if (word.size() >= 3) found.push_back(stable_hash(word));
    word.clear();
  };
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || byte >= 0x80) {
      word += static_cast<char>(std::tolower(byte));
    } else {
      finish();
    }
  }
  finish();
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

}  // namespace

Corpus::Corpus(std::shared_ptr<const Dataset> dataset) : dataset_(std::move(dataset)) {
  number_the_words();
  number_the_ngrams();
  counts_ = empty_counts();
  for (const Example& example : dataset_->examples) {
    for (const std::string& answer : example.answers) {
      for (const Position& at : positions(answer)) add(counts_, at, 1);
    }
  }
}

void Corpus::number_the_words() {
  std::unordered_map<std::string_view, std::int32_t> seen;  // views of the dataset
  std::vector<std::string_view> order = {kBegin, kEnd};
  for (std::size_t i = 0; i < order.size(); ++i) seen.emplace(order[i], static_cast<std::int32_t>(i));
  for (const Example& example : dataset_->examples) {
    for (const std::string& answer : example.answers) {
      for (const std::string_view token : tokens(answer)) {
        if (seen.emplace(token, static_cast<std::int32_t>(order.size())).second) order.push_back(token);
      }
    }
  }
  words_.assign(order.begin(), order.end());
  word_ids_.reserve(words_.size());
  for (std::size_t i = 0; i < words_.size(); ++i) word_ids_.emplace(words_[i], static_cast<std::int32_t>(i));
}

void Corpus::number_the_ngrams() {
  const std::int32_t begin = find_word(kBegin);
  // The pair of nothings is the trigram's context of every first word.
  bigrams_.push_back(pair_key(begin, begin));
  for (const Example& example : dataset_->examples) {
    for (const std::string& answer : example.answers) {
      walk(answer, *this,
           [&](std::int32_t previous, std::int32_t word) { bigrams_.push_back(pair_key(previous, word)); });
    }
  }
  sort_unique(bigrams_);
  for (const Example& example : dataset_->examples) {
    for (const std::string& answer : example.answers) {
      std::int32_t pair = find_bigram(begin, begin);
      walk(answer, *this, [&](std::int32_t previous, std::int32_t word) {
        trigrams_.push_back(pair_key(pair, word));
        pair = find_bigram(previous, word);
      });
    }
  }
  sort_unique(trigrams_);
}

std::int32_t Corpus::find_word(std::string_view token) const {
  const auto found = word_ids_.find(token);
  return found == word_ids_.end() ? -1 : found->second;
}
std::int32_t Corpus::find_bigram(std::int32_t previous, std::int32_t word) const {
  return find_key(bigrams_, previous, word);
}
std::int32_t Corpus::find_trigram(std::int32_t previous_pair, std::int32_t word) const {
  return find_key(trigrams_, previous_pair, word);
}

std::vector<Position> Corpus::positions(std::string_view text) const {
  std::vector<Position> found;
  std::int32_t pair = find_bigram(find_word(kBegin), find_word(kBegin));
  walk(text, *this, [&](std::int32_t previous, std::int32_t word) {
    const std::int32_t bigram = find_bigram(previous, word);
    found.push_back({word, previous, bigram, pair, find_trigram(pair, word)});
    pair = bigram;
  });
  return found;
}

Position Corpus::position(std::string_view before_previous, std::string_view previous, std::string_view word) const {
  Position at;
  at.word = find_word(word);
  at.previous = find_word(previous);
  at.bigram = find_bigram(at.previous, at.word);
  at.previous_pair = find_bigram(find_word(before_previous), at.previous);
  at.trigram = find_trigram(at.previous_pair, at.word);
  return at;
}

Corpus::Counts Corpus::empty_counts() const {
  Counts counts;
  counts.word.resize(words());
  counts.after_word.resize(words());
  counts.bigram.resize(bigrams());
  counts.after_bigram.resize(bigrams());
  counts.trigram.resize(trigrams());
  return counts;
}

void Corpus::add(Counts& counts, const Position& position, float amount) {
  const auto bump = [amount](std::vector<float>& list, std::int32_t at) {
    if (at >= 0) list[static_cast<std::size_t>(at)] += amount;
  };
  counts.total += amount;
  bump(counts.word, position.word);
  bump(counts.bigram, position.bigram);
  bump(counts.after_word, position.previous);
  bump(counts.trigram, position.trigram);
  bump(counts.after_bigram, position.previous_pair);
}

std::vector<std::string_view> Corpus::successors(std::string_view before_previous, std::string_view previous) const {
  const Position context = position(before_previous, previous, kEnd);
  std::vector<std::string_view> found;
  const auto collect = [&](const std::vector<std::uint64_t>& keys, const std::vector<float>& counts, std::int32_t of) {
    if (of < 0) return;
    const auto first = std::lower_bound(keys.begin(), keys.end(), pair_key(of, 0));
    const auto last = std::lower_bound(first, keys.end(), pair_key(of + 1, 0));
    std::vector<std::pair<float, std::int32_t>> ranked;
    for (auto at = first; at != last; ++at) {
      ranked.emplace_back(-counts[static_cast<std::size_t>(at - keys.begin())], static_cast<std::int32_t>(*at));
    }
    const std::size_t wanted = std::min(kSuccessors, ranked.size());
    std::partial_sort(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(wanted), ranked.end());
    for (std::size_t i = 0; i < wanted; ++i) {
      if (word(ranked[i].second) != kBegin) found.push_back(word(ranked[i].second));
    }
  };
  collect(trigrams_, counts_.trigram, context.previous_pair);
  collect(bigrams_, counts_.bigram, context.previous);
  return found;
}

void Corpus::index_the_prompts() const {
  for (std::size_t i = 0; i < dataset_->examples.size(); ++i) {
    for (const std::uint64_t word : telling_words(dataset_->examples[i].prompt)) {
      prompt_index_[word].push_back(static_cast<std::uint32_t>(i));
    }
  }
}

std::vector<std::size_t> Corpus::nearest_examples(std::string_view prompt, std::size_t limit) const {
  std::call_once(indexed_, [this] { index_the_prompts(); });
  std::map<std::size_t, double> score;
  const auto count = static_cast<double>(dataset_->examples.size());
  for (const std::uint64_t word : telling_words(prompt)) {
    const auto found = prompt_index_.find(word);
    if (found == prompt_index_.end()) continue;
    // A word that every prompt has tells nothing.
    const double weight = std::log(count / static_cast<double>(found->second.size()));
    if (weight <= 0) continue;
    for (const std::uint32_t example : found->second) score[example] += weight;
  }
  std::vector<std::pair<double, std::size_t>> ranked;
  for (const auto& [example, sum] : score) ranked.emplace_back(-sum, example);
  const std::size_t wanted = std::min(limit, ranked.size());
  std::partial_sort(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(wanted), ranked.end());
  std::vector<std::size_t> nearest;
  for (std::size_t i = 0; i < wanted; ++i) nearest.push_back(ranked[i].second);
  return nearest;
}

}  // namespace trainer::sandbox
