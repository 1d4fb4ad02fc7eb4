// What the fuzz targets share. A target is a function over bytes that must come back whatever they are, with its
// property held.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace trainer::fuzz {

// A property that does not hold is a crash, so that the input is kept.
inline void require(bool holds) {
  if (!holds) std::abort();
}

// The bytes up to the next line feed, which is taken away with them.
inline std::string_view take_line(std::string_view& rest) {
  auto end = rest.find('\n');
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return line;
}

void target(std::string_view input);

}  // namespace trainer::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  trainer::fuzz::target({reinterpret_cast<const char*>(data), size});
  return 0;
}
