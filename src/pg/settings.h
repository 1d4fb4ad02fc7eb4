// The settings trainer.*: their definition, their checks, and their values as plain C++.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace trainer::pg {

// Called once, by _PG_init.
void define_settings();

// A snapshot of the settings that the worker goes by; read again after a reload.
struct Settings {
  std::string provider;
  std::string api_base;  // empty: the provider's own
  std::string api_ca_file;
  std::string api_key_file;
  std::string api_key_env;
  std::string webhook_allowed_hosts;
  std::string webhook_secret_file;
  std::string instance_name;
  int max_concurrent_requests = 0;
  std::chrono::milliseconds poll_interval{};
  std::chrono::milliseconds request_timeout{};
  std::chrono::milliseconds connect_timeout{};
  std::chrono::milliseconds quiet_period{};
  std::chrono::milliseconds model_grace_period{};
  std::chrono::milliseconds breaker_cooldown{};
  std::chrono::milliseconds experiment_interval{};
  std::string default_base_model;
  int max_response_kb = 0;
  double retry_learning_rate_factor = 0;
  bool auto_deploy = true;
};
Settings current_settings();

// Does trainer.databases, as it is set now, give the database a worker?
bool database_is_wanted(const std::string& name);
// Database workers at a time; 0 when the library is not preloaded.
int max_workers_setting();

}  // namespace trainer::pg
