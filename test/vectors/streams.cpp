#include "streams.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

namespace vectors {
namespace {

// A recursive descent over the grammar of the header, which computes while it reads.
class Formula {
 public:
  Formula(std::string_view text, double i) : text_(text), i_(i) {}

  double sum() {
    double value = product();
    while (const char sign = take("+-")) value += sign == '+' ? product() : -product();
    return value;
  }
  bool is_good() const { return is_good_; }

 private:
  void skip_space() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }
  char take(std::string_view any) {
    skip_space();
    if (at_ >= text_.size() || any.find(text_[at_]) == any.npos) return 0;
    return text_[at_++];
  }
  double product() {
    double value = power();
    while (const char sign = take("*/")) value = sign == '*' ? value * power() : value / power();
    return value;
  }
  double power() {
    const double base = factor();
    return take("^") ? std::pow(base, power()) : base;
  }
  double factor() {
    if (take("-")) return -factor();
    if (take("(")) {
      const double value = sum();
      is_good_ &= take(")") != 0;
      return value;
    }
    skip_space();
    double value = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error == std::errc()) {
      at_ = static_cast<std::size_t>(end - text_.data());
      return value;
    }
    return named();
  }
  double named() {
    std::string name;
    while (at_ < text_.size() && text_[at_] >= 'a' && text_[at_] <= 'z') name += text_[at_++];
    if (name == "i" || name == "j") return i_;
    std::vector<double> arguments;
    is_good_ &= !name.empty() && take("(") != 0;
    while (is_good_) {
      arguments.push_back(sum());
      if (take(",")) continue;
      is_good_ &= take(")") != 0;
      break;
    }
    return is_good_ ? call(name, arguments) : 0;
  }
  double call(std::string_view name, const std::vector<double>& arguments) {
    const double x = arguments[0];
    if (name == "frac") return x - std::floor(x);
    if (name == "floor") return std::floor(x);
    if (name == "abs") return std::fabs(x);
    if (name == "sqrt") return std::sqrt(x);
    if (name == "exp") return std::exp(x);
    if (name == "log") return std::log(x);
    if (name == "min") return *std::min_element(arguments.begin(), arguments.end());
    if (name == "max") return *std::max_element(arguments.begin(), arguments.end());
    if (name == "round") return rounded(x, arguments.size() > 1 ? static_cast<int>(arguments[1]) : 0);
    is_good_ = false;
    return 0;
  }

  std::string_view text_;
  double i_;
  std::size_t at_ = 0;
  bool is_good_ = true;
};

}  // namespace

double weyl(int i, double step) {
  const double x = (i + 1) * step;
  return x - std::floor(x);
}

double rounded(double x, int places) {
  const double scale = std::pow(10.0, places);
  return std::nearbyint(x * scale) / scale;
}

std::optional<std::vector<double>> stream(std::string_view text, std::string_view name, int n) {
  const std::size_t at = text.find(std::string(name) + "=");
  if (at == text.npos || n < 0) return std::nullopt;
  std::vector<double> values;
  for (int i = 0; i < n; ++i) {
    Formula formula(text.substr(at + name.size() + 1), i);
    values.push_back(formula.sum());
    if (!formula.is_good()) return std::nullopt;
  }
  return values;
}

std::optional<int> number_after(std::string_view text, std::string_view before) {
  const std::size_t at = text.find(before);
  if (at == text.npos) return std::nullopt;
  int number = 0;
  const char* begin = text.data() + at + before.size();
  if (std::from_chars(begin, text.data() + text.size(), number).ec != std::errc()) return std::nullopt;
  return number;
}

MersenneTwister::MersenneTwister(std::uint32_t seed) {
  state_[0] = seed;
  for (std::uint32_t i = 1; i < state_.size(); ++i) {
    state_[i] = 1812433253u * (state_[i - 1] ^ state_[i - 1] >> 30) + i;
  }
}

MersenneTwister MersenneTwister::numpy(std::uint32_t seed) {
  return MersenneTwister(seed);
}

// init_by_array of Matsumoto and Nishimura, for a key of one word.
MersenneTwister MersenneTwister::python(std::uint32_t seed) {
  MersenneTwister twister(19650218u);
  auto& state = twister.state_;
  std::size_t i = 1;
  const auto step = [&] {
    if (++i < state.size()) return;
    state[0] = state.back();
    i = 1;
  };
  for (std::size_t k = 0; k < state.size(); ++k) {
    state[i] = (state[i] ^ (state[i - 1] ^ state[i - 1] >> 30) * 1664525u) + seed;
    step();
  }
  for (std::size_t k = 0; k + 1 < state.size(); ++k) {
    state[i] = (state[i] ^ (state[i - 1] ^ state[i - 1] >> 30) * 1566083941u) - static_cast<std::uint32_t>(i);
    step();
  }
  state[0] = 0x80000000u;
  return twister;
}

std::uint32_t MersenneTwister::next() {
  if (at_ == state_.size()) {
    for (std::size_t i = 0; i < state_.size(); ++i) {
      const std::uint32_t joined = (state_[i] & 0x80000000u) | (state_[(i + 1) % state_.size()] & 0x7fffffffu);
      state_[i] = state_[(i + 397) % state_.size()] ^ joined >> 1 ^ (joined & 1 ? 0x9908b0dfu : 0);
    }
    at_ = 0;
  }
  std::uint32_t y = state_[at_++];
  y ^= y >> 11;
  y ^= y << 7 & 0x9d2c5680u;
  y ^= y << 15 & 0xefc60000u;
  return y ^ y >> 18;
}

int MersenneTwister::choice(int n) {
  const std::uint32_t high = next() >> 5;
  const std::uint32_t low = next() >> 6;
  return static_cast<int>(std::floor((high * 67108864.0 + low) / 9007199254740992.0 * n));
}

}  // namespace vectors
