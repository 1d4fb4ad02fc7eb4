// Tests at a fixed number of units, intervals, planning, multiplicity, and the special functions.
#include <algorithm>
#include <cmath>

#include "core/stats/cuped.h"
#include "core/stats/drift.h"
#include "core/stats/fixed.h"
#include "core/stats/moments.h"
#include "core/stats/multiplicity.h"
#include "core/stats/planning.h"
#include "core/stats/proportions.h"
#include "core/stats/ranks.h"
#include "core/stats/special.h"
#include "core/stats/thompson.h"
#include "methods.h"

namespace vectors {
namespace {

namespace stats = trainer::core::stats;
using Numbers = std::vector<double>;

Numbers numbers(const Json& inputs, const char* name) {
  return inputs.at(name).get<Numbers>();
}

double alpha_of(const Json& inputs) {
  return inputs.value("alpha", 0.05);
}

stats::Moments moments_of(const Numbers& values) {
  stats::Moments moments;
  for (const double value : values) moments.add(value);
  return moments;
}

Json interval(const stats::Interval& found) {
  return {{"lo", found.low}, {"hi", found.high}};
}

Json binomial_interval(const Json& vector) {
  const Json& in = vector.at("inputs");
  const stats::Count count{number(in, "k"), number(in, "n")};
  const double alpha = alpha_of(in);
  const auto wilson = need(stats::wilson(count, alpha));
  const auto exact = need(stats::clopper_pearson(count, alpha));
  const auto jeffreys = need(stats::jeffreys(count, alpha));
  auto coull = need(stats::agresti_coull(count, alpha));
  // statsmodels, by which these are computed, clips what the method's text calls unclipped.
  coull = {std::max(0.0, coull.low), std::min(1.0, coull.high)};
  return {{"wilson_lo", wilson.low},     {"wilson_hi", wilson.high},     {"cp_lo", exact.low}, {"cp_hi", exact.high},
          {"jeffreys_lo", jeffreys.low}, {"jeffreys_hi", jeffreys.high}, {"ac_lo", coull.low}, {"ac_hi", coull.high}};
}

Json two_proportion_z(const Json& vector) {
  const Json& in = vector.at("inputs");
  const stats::Count arm1{number(in, "x1"), number(in, "n1")};
  const stats::Count arm0{number(in, "x0"), number(in, "n0")};
  const double alpha = alpha_of(in);
  if (mentions(vector, "Yates")) {
    const auto found = need(stats::two_proportions_yates(arm1, arm0));
    return {{"chi2", found.statistic}, {"p", found.p}};
  }
  if (mentions(vector, "method agresti-caffo"))
    return interval(need(stats::difference_agresti_caffo(arm1, arm0, alpha)));
  if (mentions(vector, "method wald")) return interval(need(stats::difference_wald(arm1, arm0, alpha)));
  if (mentions(vector, "Newcombe") || mentions(vector, "method newcomb")) {
    return interval(need(stats::difference_newcombe(arm1, arm0, alpha)));
  }
  const auto found = need(stats::two_proportions(arm1, arm0));
  const auto wald = need(stats::difference_wald(arm1, arm0, alpha));
  return {{"diff", found.difference},     {"z", found.z},        {"p_two", found.p_two_sided},
          {"p_greater", found.p_greater}, {"wald_lo", wald.low}, {"wald_hi", wald.high}};
}

Json t_test(const stats::TTest& test) {
  return {{"t", test.t}, {"df", test.df}, {"p_two", test.p}, {"ci_lo", test.low}, {"ci_hi", test.high}};
}

Json welch_t(const Json& vector) {
  const Json& in = vector.at("inputs");
  if (in.contains("a")) {
    return t_test(need(stats::welch(moments_of(numbers(in, "a")), moments_of(numbers(in, "b")), alpha_of(in))));
  }
  const auto summary = [&](const std::string& which) {
    const auto n = in.at("n" + which).get<std::int64_t>();
    const double sd = in.at("sd" + which).get<double>();
    return stats::Moments{n, in.at("mean" + which).get<double>(), sd * sd * static_cast<double>(n - 1)};
  };
  return t_test(need(stats::welch(summary("1"), summary("0"), alpha_of(in))));
}

Json sample_size(const Json& vector) {
  const Json& in = vector.at("inputs");
  const stats::Power power{in.contains("alpha_one_sided") ? number(in, "alpha_one_sided") : alpha_of(in),
                           number(in, "power")};
  const auto variance = [](double p) { return p * (1 - p); };
  if (in.contains("margin")) {
    const double v = variance(number(in, "p"));
    return {{"n_per_arm", need(stats::non_inferiority_per_arm(v, v, number(in, "margin"), power))}};
  }
  if (in.contains("delta")) {
    const double normal = need(stats::means_per_arm(number(in, "delta"), number(in, "sd"), power));
    return {{"n_normal", normal},
            {"n_normal_ceil", std::ceil(normal)},
            {"n_t", need(stats::means_per_arm_t(number(in, "delta"), number(in, "sd"), power))}};
  }
  const double p0 = number(in, "p0");
  const double p1 = number(in, "p1");
  const double unpooled = need(stats::proportions_per_arm_unpooled(p0, p1, power));
  if (in.contains("Nstar")) {
    const double n = need(stats::sequential_per_arm(variance(p1), variance(p0), p1 - p0, number(in, "Nstar"), power));
    return {{"n_per_arm", n}, {"ratio_to_fixed", n / unpooled}};
  }
  const double pooled = need(stats::proportions_per_arm(p0, p1, power));
  return {{"n_pooled", pooled},
          {"n_pooled_ceil", std::ceil(pooled)},
          {"n_unpooled", unpooled},
          {"n_arcsine", need(stats::proportions_per_arm_arcsine(p0, p1, power))}};
}

Json group_sequential(const Json& vector) {
  const Json& in = vector.at("inputs");
  const auto at = [&](stats::Spending spending) {
    return need(stats::group_sequential(in.at("looks").get<int>(), number(in, "alpha_one_sided"), spending));
  };
  return {{"of", at(stats::Spending::obrien_fleming)},
          {"pocock", at(stats::Spending::pocock)},
          {"asOF", at(stats::Spending::lan_demets)}};
}

Json cuped(const Json& vector) {
  const Json& in = vector.at("inputs");
  const auto found = need(stats::cuped(numbers(in, "x"), numbers(in, "y")));
  return {
      {"theta", found.theta}, {"var_reduction", found.variance_reduction}, {"var_adjusted", found.adjusted_variance}};
}

Json moments(const Json& vector) {
  const Json& in = vector.at("inputs");
  stats::Moments merged = moments_of(numbers(in, "a"));
  merged.merge(moments_of(numbers(in, "b")));
  return {{"n", merged.n},
          {"mean", merged.mean},
          {"mean_minus_1e9", merged.mean - 1e9},
          {"m2", merged.m2},
          {"var", merged.variance()}};
}

Json mann_whitney(const Json& vector) {
  const Json& in = vector.at("inputs");
  const auto found = need(stats::mann_whitney(numbers(in, "x"), numbers(in, "y"), alpha_of(in)));
  Json out{{"U", found.u}, {"hl", found.shift}, {"cles", found.superiority}, {"p_nocc", found.p_normal}};
  out["p_cc"] = found.p_normal_corrected;
  if (found.is_exact) {
    out["p_two"] = found.p_exact;
    out["ci_lo"] = found.shift_exact.low;
    out["ci_hi"] = found.shift_exact.high;
  }
  return out;
}

Json quantile(const Json& vector) {
  const Json& in = vector.at("inputs");
  if (!in.at("x").is_array()) return nullptr;
  Json linear = Json::array();
  for (const double p : {0.5, 0.9, 0.95, 0.99}) linear.push_back(need(stats::quantile(numbers(in, "x"), p)));
  Json discrete = Json::array();
  for (const double p : {0.5, 0.95}) discrete.push_back(need(stats::quantile_discrete(numbers(in, "x"), p)));
  return {{"t7", linear}, {"t1", discrete}};
}

Json quantile_or_ranks(const Json& vector) {
  const Json& in = vector.at("inputs");
  if (in.contains("x")) return quantile(vector);
  const auto n = in.at("n").get<std::int64_t>();
  const auto found = need(stats::quantile_ranks(n, number(in, "p"), alpha_of(in)));
  return {{"lo_rank", found.low}, {"hi_rank", found.high}, {"coverage", found.coverage}};
}

Json multiplicity(const Json& vector) {
  const Json& in = vector.at("inputs");
  if (in.contains("e")) {
    Numbers log_e;
    for (const double e : numbers(in, "e")) log_e.push_back(std::log(e));
    const auto rejected = need(stats::e_benjamini_hochberg(log_e, number(in, "alpha")));
    return {{"k", rejected.size()}, {"rejected", rejected}};
  }
  const Numbers p = numbers(in, "p");
  return {{"holm", need(stats::holm(p))},
          {"bh", need(stats::benjamini_hochberg(p))},
          {"bonferroni", need(stats::bonferroni(p))}};
}

Json psi_js(const Json& vector) {
  const Json& in = vector.at("inputs");
  stats::DriftSettings settings;
  settings.smoothing = number(in, "smoothing");
  const auto found = need(stats::compare(in.at("reference").get<std::vector<std::int64_t>>(),
                                         in.at("current").get<std::vector<std::int64_t>>(), settings));
  return {{"psi", found.psi},
          {"js_div", found.js},
          {"js_dist", found.js_distance},
          {"chi2", found.chi_squared},
          {"df", found.df},
          {"p_chi2", found.p_chi_squared},
          {"G", found.g},
          {"p_G", found.p_g},
          {"psi_crit_001", found.critical_psi}};
}

// Named as in scipy or in words.
Json special(const Json& vector) {
  const Json& in = vector.at("inputs");
  const auto at = [&](const char* name) { return number(in, name); };
  if (mentions(vector, "chi-square quantile")) return {{"q", stats::chi_squared_quantile(at("p"), at("df"))}};
  if (mentions(vector, "chi")) {
    const double tail = stats::chi_squared_sf(at("x"), at("df"));
    return {{"sf", tail}, {"p", tail}};
  }
  if (mentions(vector, "norm_cdf")) return {{"y", stats::normal_cdf(at("x"))}};
  if (mentions(vector, "norm_sf")) return {{"y", stats::normal_sf(at("x"))}};
  if (mentions(vector, "norm_ppf")) return {{"y", stats::normal_quantile(at("x"))}};
  if (mentions(vector, "Student t upper tail")) return {{"sf", stats::student_t_sf(at("t"), at("df"))}};
  if (mentions(vector, "incomplete beta")) return {{"I", stats::beta_cdf(at("x"), at("a"), at("b"))}};
  if (mentions(vector, "incomplete gamma")) {
    return {{"P", stats::gamma_p(at("a"), at("x"))}, {"Q", stats::chi_squared_sf(2 * at("x"), 2 * at("a"))}};
  }
  if (mentions(vector, "gamma")) return {{"y", stats::log_gamma(at("x"))}};
  return nullptr;
}

Json thompson(const Json& vector) {
  const Json& in = vector.at("inputs");
  if (in.contains("w")) return {{"p", need(stats::with_floor(numbers(in, "w"), number(in, "floor")))}};
  const stats::Count arm1{number(in, "s1"), number(in, "n1")};
  const stats::Count arm0{number(in, "s0"), number(in, "n0")};
  const auto found = need(stats::choose_arm1(arm1, arm0));
  return {{"p_best", found.p_best}, {"expected_loss", found.expected_loss}};
}

}  // namespace

const std::map<std::string, Method>& fixed_methods() {
  static const std::map<std::string, Method> known{
      {"binomial_interval", binomial_interval},
      {"cuped", cuped},
      {"group_sequential", group_sequential},
      {"mann_whitney", mann_whitney},
      {"moments", moments},
      {"multiplicity", multiplicity},
      {"psi_js", psi_js},
      {"quantile", quantile_or_ranks},
      {"sample_size", sample_size},
      {"special", special},
      {"thompson", thompson},
      {"two_proportion_z", two_proportion_z},
      {"welch_t", welch_t},
  };
  return known;
}

}  // namespace vectors
