// Boundaries, exact tests, ratios, assignment and canaries.
#include <openssl/sha.h>

#include <array>
#include <cmath>
#include <numeric>
#include <regex>
#include <stdexcept>

#include "core/stats/acs.h"
#include "core/stats/assignment.h"
#include "core/stats/canary.h"
#include "core/stats/chi_squared.h"
#include "core/stats/proportions.h"
#include "core/stats/srm.h"
#include "methods.h"
#include "published.h"

namespace vectors {
namespace {

namespace stats = trainer::core::stats;

stats::Moments arm(const Json& inputs, const std::string& which) {
  return stats::from_sums(inputs.at("n" + which).get<std::int64_t>(), inputs.at("sum" + which).get<double>(),
                          inputs.at("sumsq" + which).get<double>());
}

Json acs(const Json& vector) {
  const Json& in = vector.at("inputs");
  const stats::AcsSettings settings{number(in, "alpha"), number(in, "Nstar"), in.value("n_min", std::int64_t{50}),
                                    in.value("pseudo_sqdev", 0.25)};
  const stats::Acs found = need(stats::acs(arm(in, "1"), arm(in, "0"), settings));
  return {{"diff", found.difference.value},
          {"se_unpooled", found.difference.se_unpooled},
          {"se_pooled", found.difference.se_pooled},
          {"se", found.difference.se},
          {"z_stat", found.z},
          {"z_boundary", found.boundary},
          {"ci_lo", found.low},
          {"ci_hi", found.high},
          {"log_e", found.log_e},
          {"p_anytime", found.p},
          {"lower_one_sided", found.one_sided_low},
          {"upper_one_sided", found.one_sided_high},
          {"reject", found.rejects() ? 1 : 0}};
}

Json acs_boundary(const Json& vector) {
  const Json& in = vector.at("inputs");
  const double alpha = number(in, "alpha");
  const double plan = number(in, "Nstar");
  if (mentions(vector, "one-sided")) {
    return {{"rho2", stats::mixture_precision(2 * alpha, plan)},
            {"z", stats::one_sided_boundary(number(in, "N"), alpha, plan)}};
  }
  return {{"rho2", stats::mixture_precision(alpha, plan)},
          {"z", stats::two_sided_boundary(number(in, "N"), alpha, plan)}};
}

Json acs_published(const Json& vector) {
  const Json& in = vector.at("inputs");
  if (in.contains("Ntune")) {
    return {{"B", stats::two_sided_boundary(number(in, "t"), number(in, "alpha"), number(in, "Ntune"))}};
  }
  if (in.contains("se")) {
    const double boundary = stats::two_sided_boundary(number(in, "N"), number(in, "alpha"), number(in, "Nstar"));
    return {{"halfwidth", boundary * number(in, "se")}};
  }
  const GlrStop stop = glr_stop(number(in, "mean1"), number(in, "var1"), number(in, "n1"), number(in, "mean0"),
                                number(in, "var0"), number(in, "n0"), number(in, "epsilon"), number(in, "delta"));
  return {{"glr", stop.statistic}, {"threshold", stop.threshold}, {"stop", stop.statistic > stop.threshold ? 1 : 0}};
}

Json msprt(const Json& vector) {
  const Json& in = vector.at("inputs");
  const double x = number(in, "mean0");
  const double y = number(in, "mean1");
  const double v = x * (1 - x) + y * (1 - y);
  const double log_lambda = log_msprt(number(in, "n_pairs"), y - x, v, number(in, "tau2"));
  return {{"V", v}, {"log_lambda", log_lambda}, {"p_anytime", stats::anytime_p(log_lambda)}};
}

Json bernoulli_cs(const Json& vector) {
  const Json& in = vector.at("inputs");
  const double k = number(in, "k");
  const double n = number(in, "n");
  const double alpha = number(in, "alpha");
  const stats::Interval found =
      in.contains("t_opt") ? beta_binomial_sequence(k, n, alpha, number(in, "t_opt"), in.value("alpha_opt", 0.05))
                           : need(stats::proportion_sequence({k, n}, alpha));
  return {{"lo", found.low}, {"hi", found.high}};
}

Json empirical_bernstein(const Json& vector) {
  const Json& in = vector.at("inputs");
  const double alpha = number(in, "alpha");
  const double v = number(in, "v");
  const GammaExponential mixture(number(in, "v_opt"), in.value("alpha_opt", alpha), number(in, "c"));
  const double bound = mixture.bound(v, alpha);
  return {{"bound", bound}, {"log_mixture_at_bound", mixture.log_mixture(bound, v)}};
}

Json exact_counts(const Json& vector) {
  const Json& in = vector.at("inputs");
  return {{"log_e", need(stats::log_e_equal_proportions({number(in, "s1"), number(in, "n1")},
                                                        {number(in, "s0"), number(in, "n0")}))}};
}

Json srm(const Json& vector) {
  const Json& in = vector.at("inputs");
  const auto found = need(stats::goodness_of_fit(in.at("observed").get<std::vector<std::int64_t>>(),
                                                 in.at("weights").get<std::vector<double>>()));
  return {{"chi2", found.statistic}, {"df", found.df}, {"p", found.p}};
}

Json srm_sequential(const Json& vector) {
  const Json& in = vector.at("inputs");
  const stats::Srm found = need(stats::srm(in.at("observed").get<std::vector<std::int64_t>>(),
                                           in.at("weights").get<std::vector<double>>(), in.value("alpha", 0.01)));
  Json out{{"log_e_mix", found.log_e}, {"p_anytime", found.p}, {"alarm", found.is_alarm}, {"leak", found.is_leak}};
  for (std::size_t i = 0; i < stats::kConcentrations.size(); ++i) {
    out["log_bf_k" + std::to_string(static_cast<int>(stats::kConcentrations[i]))] = found.log_bayes_factors[i];
  }
  return out;
}

stats::Guardrail guardrail(const Json& metric) {
  stats::Guardrail found;
  found.name = metric.at("name").get<std::string>();
  found.is_higher_better = metric.at("higher_is_better").get<bool>();
  found.margin = number(metric, "margin");
  found.tolerance = metric.value("tol", 0.0);
  found.pseudo_deviation = number(metric, "pseudo");
  const Json& sums = metric.at("stats");
  const auto moments = [&](std::size_t at) {
    return stats::from_sums(sums.at(at).get<std::int64_t>(), sums.at(at + 1).get<double>(),
                            sums.at(at + 2).get<double>());
  };
  found.canary = moments(0);
  found.control = moments(3);
  if (metric.contains("log_e_harm") && !metric.at("log_e_harm").is_null()) {
    found.log_e_harm = number(metric, "log_e_harm");
  }
  return found;
}

Json canary_decision(const Json& vector) {
  const Json& in = vector.at("inputs");
  stats::CanaryPolicy policy;
  policy.alpha_rollback = number(in, "alpha_rollback");
  policy.alpha_promote = number(in, "alpha_promote");
  policy.plan = number(in, "Nstar");
  stats::CanaryEvidence evidence;
  evidence.step.least = in.at("n_min").get<std::int64_t>();
  evidence.step.margin_multiplier = number(in, "margin_multiplier");
  evidence.is_last_step = in.at("final_step").get<bool>();
  evidence.is_srm_alarm = in.at("srm_alarm").get<bool>();
  for (const Json& metric : in.at("metrics")) evidence.guardrails.push_back(guardrail(metric));
  const stats::CanaryDecision decision = need(stats::decide(evidence, policy));
  Json out{{"exact_threshold_log", decision.log_e_threshold}};
  const bool is_srm = decision.reason == stats::CanaryReason::srm;
  out["decision"] = is_srm ? "hold_srm" : std::string(stats::name(decision.action));
  for (std::size_t i = 0; i < evidence.guardrails.size(); ++i) {
    const stats::GuardrailReading& reading = decision.readings[i];
    out[evidence.guardrails[i].name] = {{"effect", reading.effect},
                                        {"se", reading.se},
                                        {"harm_upper", reading.harm_upper},
                                        {"ni_lower", reading.lower},
                                        {"limit", reading.limit}};
  }
  return out;
}

stats::Digest sha256(const std::string& message) {
  stats::Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(message.data()), message.size(), digest.data());
  return digest;
}

template <class Bytes>
std::string hex(const Bytes& bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const auto byte : bytes) {
    text += digits[static_cast<unsigned char>(byte) >> 4];
    text += digits[static_cast<unsigned char>(byte) & 15];
  }
  return text;
}

// The rows say what they are of.
Json assignment_rows(const Json& rows) {
  Json found = Json::array();
  for (const Json& row : rows) {
    const auto args = row.at("args").get<std::array<std::string, 5>>();
    const std::string message = stats::assignment_message({args[0], args[1], args[2], args[3], args[4]});
    const stats::Digest digest = sha256(message);
    found.push_back({{"args", row.at("args")},
                     {"message_hex", hex(message)},
                     {"sha256", hex(digest)},
                     {"u64", std::to_string(stats::leading_word(digest))},
                     {"bucket_ppm", stats::bucket(digest)}});
  }
  return {{"rows", found}};
}

// "units u-0..u-99999, namespace default, exp_42, salt 1, type user: counts with bucket<1%,5%,10%,25%,50%; ..."
Json assignment_ramp(const Json& vector) {
  static const std::regex form("units ([^,]*?)0\\.\\.[^,]*, namespace ([^,]*), ([^,]*), salt ([^,]*), type ([^:]*):");
  const auto method = vector.at("method").get<std::string>();
  std::smatch part;
  if (!std::regex_search(method, part, form)) return nullptr;
  constexpr std::array<std::int32_t, 5> shares{10000, 50000, 100000, 250000, 500000};
  std::vector<std::int64_t> counts(shares.size());
  std::vector<std::int64_t> deciles(10);
  bool is_monotone = true;
  for (int i = 0; i < vector.at("inputs").at("n").get<int>(); ++i) {
    const std::string unit = part[1].str() + std::to_string(i);
    const std::int32_t bucket = stats::bucket(
        sha256(stats::assignment_message({part[2].str(), part[3].str(), part[4].str(), part[5].str(), unit})));
    bool was_canary = false;
    for (std::size_t step = 0; step < shares.size(); ++step) {
      const bool is_canary = stats::canary_arm(bucket, shares[step]) == stats::CanaryArm::canary;
      counts[step] += is_canary;
      is_monotone &= is_canary || !was_canary;
      was_canary = is_canary;
    }
    ++deciles[static_cast<std::size_t>(bucket / 100000)];
  }
  const auto test = need(stats::goodness_of_fit(deciles, std::vector<double>(10, 0.1)));
  return {{"counts", counts},
          {"deciles", deciles},
          {"monotone", is_monotone ? 1 : 0},
          {"chi2_deciles", test.statistic},
          {"p", test.p}};
}

Json hashing(const Json& vector) {
  const Json& in = vector.at("inputs");
  if (vector.at("expected").contains("rows")) return assignment_rows(vector.at("expected").at("rows"));
  if (!in.contains("seed")) return assignment_ramp(vector);
  const auto seed = in.at("seed").get<std::string>();
  const auto value = in.at("value").get<std::string>();
  return {{"v1", fnv1a(value + seed) % 1000 / 1000.0},
          {"v2", fnv1a(std::to_string(fnv1a(seed + value))) % 10000 / 10000.0}};
}

}  // namespace

const std::map<std::string, Method>& sequential_methods() {
  static const std::map<std::string, Method> known{
      {"acs", acs},
      {"acs_boundary", acs_boundary},
      {"acs_published", acs_published},
      {"bernoulli_cs", bernoulli_cs},
      {"canary_decision", canary_decision},
      {"empirical_bernstein", empirical_bernstein},
      {"exact_counts", exact_counts},
      {"hashing", hashing},
      {"msprt", msprt},
      {"srm", srm},
      {"srm_sequential", srm_sequential},
  };
  return known;
}

}  // namespace vectors
