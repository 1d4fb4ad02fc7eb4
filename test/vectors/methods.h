// The methods that vectors name, by category.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace vectors {

using Json = nlohmann::json;

// Everything that is known of a vector's inputs, under the names that expected values have. Throws Json's exceptions
// when an input is missing or of another type, std::invalid_argument when a method refuses it; returns null when the
// category has no such method.
using Method = Json (*)(const Json& vector);

const std::map<std::string, Method>& methods();

// The parts of it.
const std::map<std::string, Method>& sequential_methods();
const std::map<std::string, Method>& fixed_methods();
const std::map<std::string, Method>& stream_methods();

// An input, and whether the vector's method is said in these words.
inline double number(const Json& inputs, const char* name) {
  return inputs.at(name).get<double>();
}

inline bool mentions(const Json& vector, std::string_view words) {
  return vector.at("method").get_ref<const std::string&>().find(words) != std::string::npos;
}

// The formula of the paired differences, which some vectors only call "the same stream": "d_i=..." in another one's
// method.
void set_paired_formula(const std::string& method);

// The value of a result, or std::invalid_argument with what it was refused for.
template <class Result>
auto need(const Result& result) {
  if (!result) throw std::invalid_argument(result.error().message);
  return result.value();
}

}  // namespace vectors
