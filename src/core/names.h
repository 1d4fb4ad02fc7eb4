// The names of an enumeration's values, as tables and messages have them: one list for both ways.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <utility>

namespace trainer::core::detail {

template <class E, std::size_t N>
using Names = std::array<std::pair<E, std::string_view>, N>;

template <class E, std::size_t N>
std::string_view name_in(const Names<E, N>& names, E value) {
  for (const auto& [known, text] : names) {
    if (known == value) return text;
  }
  return "unknown";
}

template <class E, std::size_t N>
std::optional<E> value_in(const Names<E, N>& names, std::string_view text) {
  for (const auto& [known, its_name] : names) {
    if (its_name == text) return known;
  }
  return std::nullopt;
}

}  // namespace trainer::core::detail
