// What others have published, to be compared with: none of it is in the extension. Sources: the code of confseq (S.
// Howard), Waudby-Smith and Ramdas (JRSS B 2024), Johari et al. (Operations Research 2022), the documentations of
// TensorZero and GrowthBook.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/stats/proportions.h"

namespace vectors {

using trainer::core::stats::Interval;

// The beta-binomial mixture of Howard et al. for one proportion, tightest at t_opt.
Interval beta_binomial_sequence(double k, double n, double alpha, double t_opt, double alpha_opt);

// The gamma-exponential mixture: ln of the mixture at s, and the s at which it is ln(1/alpha).
class GammaExponential {
 public:
  GammaExponential(double v_opt, double alpha_opt, double c);
  double log_mixture(double s, double v) const;
  double bound(double v, double alpha) const;

 private:
  double rho_;
  double c_;
  double constant_;
};

// The hedged capital of bets on the mean of x in [0, 1], against the mean m, after all of x.
double hedged_capital(const std::vector<double>& x, double m, double alpha);
// Its confidence sequence at the last time, on a grid of `breaks`.
Interval hedged_sequence(const std::vector<double>& x, double alpha, int breaks);
Interval predictable_empirical_bernstein(const std::vector<double>& x, double alpha);
Interval predictable_hoeffding(const std::vector<double>& x, double alpha);

// The mixture SPRT with n pairs and variance V of one pair: ln Lambda.
double log_msprt(double n, double difference, double v, double tau2);

struct GlrStop {
  double statistic = 0;
  double threshold = 0;
};
GlrStop glr_stop(double mean1, double var1, double n1, double mean0, double var0, double n0, double epsilon,
                 double delta);

std::uint32_t fnv1a(std::string_view bytes);

}  // namespace vectors
