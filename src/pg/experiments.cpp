#include "pg/experiments.h"

#include "pg/fault_point.h"
#include "pg/spi.h"
#include "pg/turns.h"

namespace trainer::pg {

std::vector<LiveExperiment> live_experiments() {
  Rows rows =
      execute("SELECT t.id, false FROM @extschema@.ab_tests t WHERE t.status IN ('running', 'maturing')" NOT_PAUSED
              " UNION ALL SELECT r.id, true FROM @extschema@.trainer_rollouts r WHERE r.state = 'running'" NOT_PAUSED);
  std::vector<LiveExperiment> live;
  for (std::uint64_t row = 0; row < rows.size(); ++row) live.push_back({rows.text(row, 0), rows.boolean(row, 1)});
  return live;
}

void look_at_experiment(const LiveExperiment& experiment) {
  if (experiment.is_rollout) {
    execute("SELECT @extschema@.trainer_look_at_rollout($1::uuid)", std::move(Args().text(experiment.id)));
  } else {
    execute("SELECT @extschema@.trainer_look_at_ab_test($1::uuid)", std::move(Args().text(experiment.id)));
  }
  TRAINER_FAULT_POINT("experiment-seen");
}

}  // namespace trainer::pg
