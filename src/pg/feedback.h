// What is known of a response is filled in beside the verdict on it: when the verdict comes, and when it becomes known
// later.
#pragma once

#include "pg/trigger.h"

namespace trainer::pg {

// BEFORE INSERT OR UPDATE on model_feedback: the row as it is stored. Of a new one the transaction, the model that
// wrote the response, its text, its quality score, and how far an edit went; of one that is to be counted otherwise the
// transaction. An error when the response is not one of the row's organization that the session may see, or a value is
// out of its range.
HeapTuple complete_feedback(TriggerData* data);

struct RollUp {
  bool moved = false;  // something was final, and has been added up
  bool waits = false;  // something is not final yet
};

// trainer_roll_up_feedback(): adds up what is final, and writes the rates to the models.
RollUp roll_up_feedback();

}  // namespace trainer::pg
