// Latencies as values that the other methods may be given: raw milliseconds have too heavy a tail.
#pragma once

namespace trainer::core::stats {

// ln of the milliseconds, of at least one; a difference of means is then ln of a ratio of geometric means. With
// kPseudoDeviationLog.
double log_latency(double milliseconds);

// 1 when it took longer than `limit`, the 95 % quantile of the baseline, frozen at the start. In [0, 1], so that the
// exact test applies.
double exceedance(double milliseconds, double limit);

}  // namespace trainer::core::stats
