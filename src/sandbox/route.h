// Which call of the API a method and a path mean.
#pragma once

#include <string>
#include <variant>

#include "sandbox/message.h"

namespace trainer::sandbox {

enum class Endpoint {
  create_file,
  list_files,
  get_file,
  delete_file,
  file_content,
  create_job,
  list_jobs,
  get_job,
  cancel_job,
  pause_job,
  resume_job,
  list_events,
  list_checkpoints,
  list_models,
  get_model,
  delete_model,
  chat,
  admin,
};

struct Route {
  Endpoint endpoint{};
  std::string id;  // of the file, job or model in the path
};

// The route, or the reply to a path or a method that the API does not have.
std::variant<Route, Reply> find_route(const std::string& method, const std::string& path);

}  // namespace trainer::sandbox
