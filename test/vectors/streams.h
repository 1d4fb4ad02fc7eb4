// The streams that vectors give by a formula or by a generator of another language.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace vectors {

constexpr double kGolden = 0.6180339887498949;
constexpr double kPlastic = 0.7548776662466927;

// The fractional part of (i + 1) x step.
double weyl(int i, double step = kGolden);
// To that many decimal places, halves to even.
double rounded(double x, int places);

// The formula that follows `name` and an equals sign in a text, such as "x_i=round(0.5+0.5*frac((i+1)*0.618),6), i<60",
// for i = 0 .. n - 1. Knows + - * / ^, parentheses, numbers, i, j, frac, round, floor, abs, sqrt, exp, log, min and
// max, and ends where what follows is none of it. nullopt without such a formula.
std::optional<std::vector<double>> stream(std::string_view text, std::string_view name, int n);
// The whole number that follows `before` in a text.
std::optional<int> number_after(std::string_view text, std::string_view before);

// The Mersenne twister MT19937, as numpy's legacy generator (init_genrand) and Python's random.Random seed it
// (init_by_array of the one word of a small seed).
class MersenneTwister {
 public:
  static MersenneTwister numpy(std::uint32_t seed);
  static MersenneTwister python(std::uint32_t seed);

  std::uint32_t next();
  // numpy: randint(n), of n a power of two.
  int masked(int n) { return static_cast<int>(next() & static_cast<std::uint32_t>(n - 1)); }
  // Python: an index of choices() from n.
  int choice(int n);

 private:
  explicit MersenneTwister(std::uint32_t seed);

  std::array<std::uint32_t, 624> state_{};
  std::size_t at_ = 624;
};

}  // namespace vectors
