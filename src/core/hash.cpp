#include "core/hash.h"

#include <array>
#include <bit>
#include <cstring>

#include "core/bytes.h"

namespace trainer::core {
namespace {

// Odd multipliers: the golden ratio and the silver one as 64-bit fractions.
constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15u;
constexpr std::uint64_t kSilver = 0x6a09e667f3bcc909u;

// For a given state both steps are one to one in the word, and for a given word in the state: nothing is lost.
void take(Hash128& state, std::uint64_t word) {
  state.low = (state.low ^ word) * kGolden;
  state.low ^= state.low >> 32;
  state.high = std::rotl(state.high + word, 29) * kSilver;
  state.high ^= state.high >> 29;
}

}  // namespace

Hash128 hash128(std::string_view bytes, Hash128 seed) {
  Hash128 state = seed;
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) take(state, load_word(bytes.data() + at));
  if (at < bytes.size()) {
    std::array<char, 8> last{};
    std::memcpy(last.data(), bytes.data() + at, bytes.size() - at);
    take(state, load_word(last.data()));
  }
  take(state, bytes.size());
  const std::uint64_t low = mix64(state.low);
  const std::uint64_t high = mix64(state.high + kGolden);
  return {mix64(low + high), mix64(high ^ std::rotl(low, 32))};
}

Hash128 hash128(std::string_view bytes, std::uint64_t seed) {
  return hash128(bytes, Hash128{mix64(seed + kGolden), mix64(seed + kSilver)});
}

}  // namespace trainer::core
