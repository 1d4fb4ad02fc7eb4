#include "pg/experiments.h"

#include "pg/fault_point.h"
#include "pg/spi.h"
#include "pg/turns.h"

namespace trainer::pg {

std::vector<std::string> live_experiments() {
  Rows rows = execute("SELECT t.id FROM @extschema@.ab_tests t WHERE t.status IN ('running', 'maturing')" NOT_PAUSED
                      " ORDER BY t.started_at");
  std::vector<std::string> ids;
  for (std::uint64_t row = 0; row < rows.size(); ++row) ids.push_back(rows.text(row, 0));
  return ids;
}

void look_at_experiment(const std::string& id) {
  execute("SELECT @extschema@.trainer_look_at_ab_test($1::uuid)", std::move(Args().text(id)));
  TRAINER_FAULT_POINT("experiment-seen");
}

}  // namespace trainer::pg
