// statistics-vectors FILE: computes every vector of a file (see README.md) with src/core/stats and compares. Names each
// vector that fails or is not known, counts the rest; exit status 1 when there is one, 2 when the file cannot be read.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "methods.h"

namespace vectors {
namespace {

// "inf" and "-inf" are numbers that JSON has no way to write.
bool is_number(const Json& value) {
  return value.is_number() || value.is_boolean() || value == "inf" || value == "-inf";
}

double as_number(const Json& value) {
  if (value.is_string()) return value == "inf" ? HUGE_VAL : -HUGE_VAL;
  return value.is_boolean() ? value.get<bool>() : value.get<double>();
}

bool agrees(double ours, double expected, double tolerance) {
  if (std::isinf(expected) || std::isinf(ours)) return ours == expected;
  return std::fabs(ours - expected) <= tolerance * std::max(1.0, std::fabs(expected));
}

std::string shown(const Json& value) {
  // Json writes an infinity as null.
  return value.is_number_float() && std::isinf(value.get<double>()) ? std::to_string(value.get<double>())
                                                                    : value.dump();
}

using Differences = std::vector<std::string>;

void compare(const Json& ours, const Json& expected, double tolerance, const std::string& path, Differences& found) {
  if (expected.is_object() && ours.is_object()) {
    for (const auto& [name, value] : expected.items()) {
      const std::string here = path.empty() ? name : path + "." + name;
      if (!ours.contains(name)) {
        found.push_back(here + ": not known");
      } else {
        compare(ours.at(name), value, tolerance, here, found);
      }
    }
    return;
  }
  if (expected.is_array() && ours.is_array() && ours.size() == expected.size()) {
    for (std::size_t i = 0; i < expected.size(); ++i) {
      compare(ours[i], expected[i], tolerance, path + "[" + std::to_string(i) + "]", found);
    }
    return;
  }
  const bool is_same = is_number(ours) && is_number(expected) ? agrees(as_number(ours), as_number(expected), tolerance)
                                                              : ours == expected;
  if (!is_same) found.push_back(path + ": " + shown(ours) + ", expected " + shown(expected));
}

// What is wrong with a vector; empty when nothing is.
Differences check(const Json& vector) {
  const auto known = methods().find(vector.at("category").get<std::string>());
  if (known == methods().end()) return {"no such category is known"};
  const Json ours = known->second(vector);
  if (ours.is_null()) return {"no such method is known"};
  if (vector.at("expected").empty()) return {"nothing is expected of it"};
  Differences found;
  compare(ours, vector.at("expected"), vector.at("tolerance").get<double>(), "", found);
  return found;
}

Differences check_any(const Json& vector) {
  try {
    return check(vector);
  } catch (const Json::exception& error) {
    return {std::string("not understood: ") + error.what()};
  } catch (const std::logic_error& error) {
    return {std::string("refused: ") + error.what()};
  }
}

int run(const char* name) {
  std::ifstream file(name);
  const Json content = Json::parse(file, nullptr, false);
  if (!file || !content.is_object() || !content.contains("vectors") || !content.at("vectors").is_array()) {
    std::fprintf(stderr, "%s is no file of vectors\n", name);
    return 2;
  }
  for (const Json& vector : content.at("vectors")) {
    if (vector.value("category", "") == "paired") set_paired_formula(vector.value("method", ""));
  }
  std::size_t failed = 0;
  for (const Json& vector : content.at("vectors")) {
    const Differences differences = check_any(vector);
    failed += !differences.empty();
    const std::string id = vector.is_object() ? vector.value("id", "(without an id)") : "(no object)";
    for (const std::string& difference : differences) std::printf("%s: %s\n", id.c_str(), difference.c_str());
  }
  const std::size_t all = content.at("vectors").size();
  std::printf("%zu of %zu vectors agree\n", all - failed, all);
  return failed > 0 || all == 0 ? 1 : 0;
}

}  // namespace

const std::map<std::string, Method>& methods() {
  static const std::map<std::string, Method> known = [] {
    std::map<std::string, Method> all = sequential_methods();
    all.insert(fixed_methods().begin(), fixed_methods().end());
    all.insert(stream_methods().begin(), stream_methods().end());
    return all;
  }();
  return known;
}

}  // namespace vectors

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: statistics-vectors FILE\n");
    return 2;
  }
  return vectors::run(argv[1]);
}
