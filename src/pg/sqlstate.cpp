#include "pg/sqlstate.h"

#include "pg/postgres.h"

namespace trainer::pg {

int sqlstate_of(core::Condition condition) {
  switch (condition) {
    case core::Condition::invalid_argument:
      return ERRCODE_INVALID_PARAMETER_VALUE;
    case core::Condition::not_found:
      return ERRCODE_NO_DATA_FOUND;
    case core::Condition::wrong_state:
      return ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE;
    case core::Condition::insufficient_training_data:
      return MAKE_SQLSTATE('T', 'R', '0', '0', '1');
    case core::Condition::training_job_failed:
      return MAKE_SQLSTATE('T', 'R', '0', '0', '2');
    case core::Condition::model_deployment_failed:
      return MAKE_SQLSTATE('T', 'R', '0', '0', '3');
    case core::Condition::plan_restriction:
      return MAKE_SQLSTATE('T', 'R', '0', '0', '4');
    case core::Condition::cost_limit_exceeded:
      return MAKE_SQLSTATE('T', 'R', '0', '0', '5');
    case core::Condition::training_not_available:
      return MAKE_SQLSTATE('T', 'R', '0', '0', '6');
    case core::Condition::provider_unavailable:
      return MAKE_SQLSTATE('T', 'R', '0', '0', '7');
    case core::Condition::not_attached:
      return MAKE_SQLSTATE('T', 'R', '0', '0', '8');
    case core::Condition::limit_exceeded:
      return ERRCODE_PROGRAM_LIMIT_EXCEEDED;
  }
  return ERRCODE_INTERNAL_ERROR;
}

std::string sqlstate_text(core::Condition condition) {
  return unpack_sql_state(sqlstate_of(condition));
}

}  // namespace trainer::pg
