// What is advanced value by value: exact bets, detectors, and tests of long streams that vectors give by formulas.
#include <cmath>
#include <regex>
#include <stdexcept>

#include "core/stats/acs.h"
#include "core/stats/adwin.h"
#include "core/stats/betting.h"
#include "core/stats/e_detector.h"
#include "core/stats/fixed.h"
#include "core/stats/page_hinkley.h"
#include "core/stats/paired.h"
#include "core/stats/ranks.h"
#include "core/stats/special.h"
#include "methods.h"
#include "published.h"
#include "streams.h"

namespace vectors {
namespace {

namespace stats = trainer::core::stats;
using Numbers = std::vector<double>;

std::string method_of(const Json& vector) {
  return vector.at("method").get<std::string>();
}

// --- exact bets ---------------------------------------------------------------------------------------------------

std::vector<stats::Observation> given_units(const Json& in) {
  std::vector<stats::Observation> units;
  for (std::size_t i = 0; i < in.at("y").size(); ++i) {
    units.push_back(
        {in.at("z").at(i).get<int>() == 1, in.at("y").at(i).get<double>(), in.at("pi").at(i).get<double>()});
  }
  return units;
}

std::vector<stats::Observation> generated_units(const Json& in) {
  const auto kind = in.at("stream").get<std::string>();
  std::vector<stats::Observation> units;
  for (int i = 0; i < in.at("n").get<int>(); ++i) {
    const bool is_arm1 = weyl(i) < 0.5;
    const double u = weyl(i, kPlastic);
    const double bernoulli = u < (is_arm1 ? 0.8 : 0.6) ? 1 : 0;
    const double quality = rounded(0.4 + 0.5 * u + (is_arm1 ? 0.05 : 0), 6);
    units.push_back({is_arm1, kind == "bern" ? bernoulli : quality, number(in, "pi")});
  }
  return units;
}

Json exact_betting(const Json& vector) {
  const Json& in = vector.at("inputs");
  if (in.contains("stream") && in.at("stream") != "bern" && in.at("stream") != "quality") return nullptr;
  stats::Betting betting;
  betting.null = number(in, "delta");
  for (const stats::Observation& unit : in.contains("y") ? given_units(in) : generated_units(in)) {
    if (const auto error = stats::check(unit)) throw std::invalid_argument(error->message);
    betting.add(unit);
  }
  return {
      {"log_e_up", betting.log_e_above()}, {"log_e_down", betting.log_e_below()}, {"log_e_two", betting.log_e_both()}};
}

// --- bets on one mean, as published --------------------------------------------------------------------------------

std::optional<Numbers> values_of(const Json& in) {
  if (in.contains("x") && in.at("x").is_array()) return in.at("x").get<Numbers>();
  const auto generator = in.at("generator").get<std::string>();
  const auto last = number_after(generator, "i=0..");
  return last ? stream(generator, "x_i", *last + 1) : std::nullopt;
}

Json betting_cs(const Json& vector) {
  const Json& in = vector.at("inputs");
  const auto x = values_of(in);
  if (!x || x->empty()) return nullptr;
  const double alpha = number(in, "alpha");
  const auto hedged = hedged_sequence(*x, alpha, 10000);
  const auto bernstein = predictable_empirical_bernstein(*x, alpha);
  const auto hoeffding = predictable_hoeffding(*x, alpha);
  Json out{{"hedged_lo", hedged.low},
           {"hedged_hi", hedged.high},
           {"predmix_eb_lo", bernstein.low},
           {"predmix_eb_hi", bernstein.high},
           {"predmix_hoeffding_lo", hoeffding.low},
           {"predmix_hoeffding_hi", hoeffding.high}};
  // hedged_capital_m05: against the mean 0.5.
  constexpr std::string_view prefix = "hedged_capital_m0";
  for (const auto& [name, unused] : vector.at("expected").items()) {
    if (name.starts_with(prefix)) out[name] = hedged_capital(*x, std::stod("0." + name.substr(prefix.size())), alpha);
  }
  return out;
}

// --- detectors ------------------------------------------------------------------------------------------------------

Numbers step_stream(int n, int change_at, double before, double after) {
  Numbers values(static_cast<std::size_t>(n), before);
  for (int i = std::max(0, change_at); i < n; ++i) values[static_cast<std::size_t>(i)] = after;
  return values;
}

Numbers weyl_stream(int n, int change_at, double before, double after) {
  Numbers values = step_stream(n, change_at, before, after);
  for (int i = 0; i < n; ++i) {
    double& value = values[static_cast<std::size_t>(i)];
    value = weyl(i) < value ? 1 : 0;
  }
  return values;
}

// "Bernoulli Weyl stream p=.8 then .6 ...": the rates are in the text.
std::optional<Numbers> detector_stream(const Json& vector) {
  const Json& in = vector.at("inputs");
  const int n = in.at("n").get<int>();
  const int change_at = in.at("change_at").get<int>();
  if (in.contains("before")) return step_stream(n, change_at, number(in, "before"), number(in, "after"));
  if (in.contains("lo")) return weyl_stream(n, change_at, number(in, "lo"), number(in, "hi"));
  static const std::regex rates("p=([0-9.]+) then ([0-9.]+)");
  const std::string method = method_of(vector);
  std::smatch part;
  if (!std::regex_search(method, part, rates)) return std::nullopt;
  return weyl_stream(n, change_at, std::stod(part[1]), std::stod(part[2]));
}

Json e_detector(const Json& vector) {
  const Json& in = vector.at("inputs");
  const auto values = detector_stream(vector);
  if (!values) return nullptr;
  stats::EDetector detector;
  detector.m0 = number(in, "m0");
  detector.side = in.at("side").get<int>() < 0 ? stats::Side::drop : stats::Side::rise;
  Json out{{"first_alarm_1based", 0}};
  for (std::size_t i = 0; i < values->size(); ++i) {
    detector.add((*values)[i]);
    if (out.at("first_alarm_1based") == 0 && detector.mass() >= number(in, "A")) out["first_alarm_1based"] = i + 1;
    out["M_at_" + std::to_string(i + 1)] = detector.mass();
  }
  out["log_M_final"] = std::log(detector.mass());
  out["M_final"] = detector.mass();
  return out;
}

// river's documented streams: what their text names.
std::optional<Numbers> river_stream(const std::string& method) {
  Numbers values;
  if (const auto seed = number_after(method, "numpy seed ")) {
    auto twister = MersenneTwister::numpy(static_cast<std::uint32_t>(*seed));
    for (int i = 0; i < 2000; ++i) values.push_back(twister.masked(i < 1000 ? 2 : 8));
    return values;
  }
  const auto seed = number_after(method, "random.Random(");
  if (!seed) return std::nullopt;
  auto twister = MersenneTwister::python(static_cast<std::uint32_t>(*seed));
  const int segments = method.find("four segments") != std::string::npos ? 4 : 2;
  for (int segment = 0; segment < segments; ++segment) {
    for (int i = 0; i < 1000; ++i) values.push_back(segment % 2 == 0 ? twister.choice(2) : 4 + twister.choice(4));
  }
  return values;
}

Json adwin(const Json& vector) {
  const Json& in = vector.at("inputs");
  const auto values = in.contains("n") ? detector_stream(vector) : river_stream(method_of(vector));
  if (!values) return nullptr;
  stats::AdwinSettings settings;
  settings.delta = number(in, "delta");
  settings.clock = in.at("clock").get<std::int64_t>();
  settings.buckets = in.value("max_buckets", settings.buckets);
  settings.least = in.value("min_window", settings.least);
  settings.grace = in.value("grace", settings.grace);
  stats::Adwin window(settings);
  Json detections = Json::array();
  bool has_changed = false;
  for (std::size_t i = 0; i < values->size(); ++i) {
    if (has_changed) window = stats::Adwin(settings);
    has_changed = window.add((*values)[i]);
    if (has_changed) detections.push_back(i);
  }
  return {{"detections", detections},
          {"final_width", window.width()},
          {"final_total", window.total()},
          {"final_m2", window.sum_of_squared_deviations()}};
}

Json page_hinkley(const Json& vector) {
  const Json& in = vector.at("inputs");
  const auto values = in.contains("low") ? step_stream(in.at("n").get<int>(), in.at("change_at").get<int>(),
                                                       number(in, "low"), number(in, "high"))
                                         : river_stream(method_of(vector));
  if (!values) return nullptr;
  stats::PageHinkley detector;
  detector.delta = number(in, "delta");
  detector.threshold = number(in, "lam");
  detector.forgetting = number(in, "alpha");
  detector.least = in.at("min_instances").get<std::int64_t>();
  detector.side = in.value("side", 1);
  Json detections = Json::array();
  for (std::size_t i = 0; i < values->size(); ++i) {
    if (detector.add((*values)[i])) detections.push_back(i);
  }
  return {{"detections", detections}, {"final_stat", detector.statistic}, {"final_mean", detector.mean}};
}

// --- two samples ----------------------------------------------------------------------------------------------------

Json ks(const Json& vector) {
  const Json& in = vector.at("inputs");
  if (in.contains("lam")) return {{"Q", stats::kolmogorov_sf(number(in, "lam"))}};
  std::optional<Numbers> x, y;
  if (in.contains("x")) {
    x = in.at("x").get<Numbers>();
    y = in.at("y").get<Numbers>();
  } else {
    x = stream(method_of(vector), "x_i", in.at("n").get<int>());
    y = stream(method_of(vector), "y_i", in.at("m").get<int>());
  }
  if (!x || !y) return nullptr;
  const auto found = need(stats::kolmogorov_smirnov(*x, *y));
  return {{"D", found.d}, {"p_exact", found.p_exact}, {"p_asymp", found.p}};
}

// --- the same prompts through two models ----------------------------------------------------------------------------

std::string& paired_formula() {
  static std::string formula = "d_i=round(0.02+0.3*(frac((i+1)*0.6180339887498949)-0.5),6)";
  return formula;
}

Json paired_tests(const Json& in) {
  const auto now = in.at("new").get<Numbers>();
  const auto before = in.at("old").get<Numbers>();
  Numbers differences;
  stats::Moments moments;
  for (std::size_t i = 0; i < now.size(); ++i) {
    differences.push_back(now[i] - before.at(i));
    moments.add(differences.back());
  }
  const auto t = need(stats::one_sample(moments, in.value("alpha", 0.05)));
  const auto ranks = need(stats::signed_rank(differences));
  return {{"V", ranks.v}, {"p_wilcoxon", ranks.p}, {"t", t.t}, {"p_t", t.p}, {"ci_lo", t.low}, {"ci_hi", t.high}};
}

Json paired_sequence(const Json& in, const Numbers& differences) {
  stats::Moments moments;
  for (const double difference : differences) moments.add(difference);
  stats::PairedSettings settings;
  settings.alpha = in.value("alpha", settings.alpha);
  settings.plan = in.value("Nstar", settings.plan);
  settings.margin = in.value("margin", settings.margin);
  const auto found = need(stats::paired(moments, settings));
  return {{"mean", found.mean},
          {"se", found.se},
          {"z_boundary", found.boundary},
          {"lower", found.low},
          {"lower_one_sided", found.low},
          {"improved", found.is_improved ? 1 : 0},
          {"not_worse", found.is_not_worse ? 1 : 0}};
}

Json paired(const Json& vector) {
  const Json& in = vector.at("inputs");
  if (in.contains("b")) {
    return {{"p", need(stats::mcnemar(in.at("b").get<std::int64_t>(), in.at("c").get<std::int64_t>()))}};
  }
  if (in.contains("new")) return paired_tests(in);
  const auto differences = stream(paired_formula(), "d_i", in.at("n").get<int>());
  if (!differences) return nullptr;
  if (!mentions(vector, "betting")) return paired_sequence(in, *differences);
  stats::PairedBetting betting;
  betting.null = number(in, "margin");
  for (const double difference : *differences) {
    if (const auto error = stats::check_difference(difference)) throw std::invalid_argument(error->message);
    betting.add(difference);
  }
  return {{"log_e", betting.log_e()}, {"p_anytime", stats::anytime_p(betting.log_e())}};
}

}  // namespace

void set_paired_formula(const std::string& method) {
  if (stream(method, "d_i", 1)) paired_formula() = method;
}

const std::map<std::string, Method>& stream_methods() {
  static const std::map<std::string, Method> known{
      {"adwin", adwin}, {"betting_cs", betting_cs},     {"e_detector", e_detector}, {"exact_betting", exact_betting},
      {"ks", ks},       {"page_hinkley", page_hinkley}, {"paired", paired},
  };
  return known;
}

}  // namespace vectors
