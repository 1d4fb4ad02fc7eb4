// Budgets: what an organization may spend, asked for before it is spent.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pg/in_flight.h"

namespace trainer::pg {

// What a reply has taken from the organization's budgets, before any model is asked.
class ReplyBudget {
 public:
  // The most that the reply can cost when each of the models is asked its messages. Throws Failure with TR005 when a
  // budget does not have it, and pg::Error for a model without a price.
  void take(const std::string& organization_id, const std::vector<std::string>& models,
            const std::vector<std::string>& messages, int max_tokens);

  // Once what the reply has cost is written down, as these generations: the rest is given back. Nothing where nothing
  // was taken.
  void settle(const std::vector<Datum>& generation_ids);

 private:
  std::string organization_id_;
  std::optional<std::size_t> hold_;
};

// Is there a budget that replies of the organization count to? Known in the session where there is none.
bool has_reply_budget(const std::string& organization_id);

}  // namespace trainer::pg
