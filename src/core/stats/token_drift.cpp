#include <bit>
#include <cmath>
#include <string>
#include <utility>

#include "core/hash.h"
#include "core/stats/check.h"
#include "core/stats/drift.h"

namespace trainer::core::stats {
namespace {

constexpr std::size_t kBits = 256;
constexpr std::uint64_t kTokenSeed = 0x746f6b656e;  // any constant; frozen, since references are stored

using Frequencies = std::array<double, kBits>;

bool is_separator(char c) {
  const auto byte = static_cast<unsigned char>(c);
  const bool is_word = byte >= 0x80 || (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                       (byte >= 'A' && byte <= 'Z') || byte == '_';
  return !is_word;
}

void add(TokenSet& set, std::string_view word) {
  std::string lower(word);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  const std::uint64_t at = hash128(lower, kTokenSeed).low % kBits;
  set[at / 64] |= std::uint64_t{1} << at % 64;
}

void count(Frequencies& frequencies, const TokenSet& set) {
  for (std::size_t word = 0; word < set.size(); ++word) {
    for (std::uint64_t left = set[word]; left != 0; left &= left - 1) {
      frequencies[word * 64 + static_cast<std::size_t>(std::countr_zero(left))] += 1;
    }
  }
}

// The sum over buckets of the squared difference of two document frequencies in units of its variance, given how many
// of all documents have the bucket, and how many of the current ones.
double distance(const Frequencies& all, const Frequencies& current, double n, double m) {
  double found = 0;
  for (std::size_t i = 0; i < kBits; ++i) {
    const double rate = all[i] / (n + m);
    if (rate <= 0 || rate >= 1) continue;
    const double apart = current[i] / m - (all[i] - current[i]) / n;
    found += apart * apart / (rate * (1 - rate));
  }
  return found;
}

// splitmix64 (Sebastiano Vigna, public domain): the same sequence on every platform.
class Sequence {
 public:
  explicit Sequence(std::uint64_t seed) : state_(seed) {}

  // In [0, n), uniform to within n / 2^32.
  std::size_t below(std::size_t n) {
    state_ += 0x9e3779b97f4a7c15u;
    return static_cast<std::size_t>((mix64(state_) >> 32) * n >> 32);
  }

 private:
  std::uint64_t state_;
};

}  // namespace

TokenSet tokens_of(std::string_view text) {
  TokenSet set{};
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && !is_separator(text[i])) continue;
    if (i > begin) add(set, text.substr(begin, i - begin));
    begin = i + 1;
  }
  return set;
}

Result<double> token_permutation_p(std::span<const TokenSet> reference, std::span<const TokenSet> current,
                                   std::uint64_t seed, int permutations) {
  if (reference.empty() || current.empty()) return invalid("the number of documents in a window", "be 1 or more");
  if (permutations < 1) return invalid("the number of permutations", "be 1 or more");
  std::vector<TokenSet> documents(current.begin(), current.end());
  documents.insert(documents.end(), reference.begin(), reference.end());
  Frequencies all{};
  for (const TokenSet& document : documents) count(all, document);
  const auto n = static_cast<double>(reference.size());
  const auto m = static_cast<double>(current.size());
  const auto distance_of_first = [&] {
    Frequencies first{};
    for (std::size_t i = 0; i < current.size(); ++i) count(first, documents[i]);
    return distance(all, first, n, m);
  };
  const double observed = distance_of_first();
  Sequence random(seed);
  int as_far = 1;
  for (int permutation = 0; permutation < permutations; ++permutation) {
    for (std::size_t i = 0; i < current.size(); ++i) {
      std::swap(documents[i], documents[i + random.below(documents.size() - i)]);
    }
    // Rounding must not make what is equal by symmetry smaller.
    as_far += distance_of_first() >= observed * (1 - 1e-12);
  }
  return static_cast<double>(as_far) / (permutations + 1);
}

Result<double> vocabulary_p(std::span<const TokenSet> reference, std::span<const TokenSet> current, double alpha,
                            std::uint64_t seed) {
  if (!(alpha >= 0.0001 && alpha < 1)) return invalid("alpha", "lie between 0.0001 and 1");
  const auto found = token_permutation_p(reference, current, seed);
  const int enough = static_cast<int>(std::ceil(1 / alpha - 1e-6)) - 1;
  if (!found || enough <= kPermutations || *found * (kPermutations + 1) > 1.5) return found;
  return token_permutation_p(reference, current, seed, enough);
}

}  // namespace trainer::core::stats
