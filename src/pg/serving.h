// Which custom models serve an organization. Looked up for every reply, and kept in the session until a row that is
// read for it changes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/serving.h"
#include "pg/postgres.h"

extern "C" {
#include <utils/uuid.h>
}

namespace trainer::pg {

// The custom model to ask on a rung, if there is one.
struct ServingModel {
  std::string id;
  std::string name;  // the provider's; of an exemplar model the chat model's
  bool include_persona = true;
  bool include_platform = true;
};
// A model that an arm of an experiment is answered by.
struct ArmModel {
  core::Rung rung = core::Rung::fine_tuned;
  ServingModel model;
};
struct Experiment {
  std::string id;
  std::string salt;
  bool is_by_user = false;  // else by comment
  bool is_rollout = false;  // else an A/B test
  std::int32_t traffic =
      0;  // of the custom arm, in parts per million; the rest is control, of a rollout as much as custom
  ArmModel custom;
  std::optional<ArmModel> control;  // nullopt: the base model
};
struct ServingModels {
  std::optional<ServingModel> fine_tuned;  // the active one
  std::optional<ServingModel> exemplar;    // the active one, else the newest
  std::optional<pg_uuid_t> active;         // the id of either
  std::optional<Experiment> experiment;    // the one that runs
};
// Needs a connection to SPI. Sees what the caller may see.
ServingModels serving_models(const std::string& organization_id);

}  // namespace trainer::pg
