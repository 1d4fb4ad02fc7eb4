// Fairness between organizations: what is due is claimed in turns, so that a thousand rows of one do not hold up the
// one row of another.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace trainer::pg {

// For the statement that claims. The worker has looked before, but a restored dump may commit its operations, and the
// pause that comes with them, in between: one snapshot has both or neither.
#define NOT_PAUSED " AND NOT EXISTS (SELECT FROM @extschema@.trainer_installation WHERE paused)"

// A skip scan over the table's index on (organization_id, due_at): of the first `$1` organizations behind the cursor
// that have something due, each its share. Gives `chosen (address)`, the locked rows' ctids. `live` is the predicate of
// the index.
#define CHOSEN_IN_TURN(table, live, cursor)                                                                \
  "WITH RECURSIVE turn(organization_id) AS ("                                                              \
  "  (SELECT o.organization_id FROM " table " o WHERE o." live                                             \
  " AND o.due_at <= now()"                                                                                 \
  "   AND o.organization_id > " cursor                                                                     \
  "::uuid ORDER BY o.organization_id, o.due_at LIMIT 1)"                                                   \
  "  UNION ALL"                                                                                            \
  "  SELECT (SELECT o.organization_id FROM " table " o WHERE o." live                                      \
  " AND o.due_at <= now()"                                                                                 \
  "          AND o.organization_id > turn.organization_id ORDER BY o.organization_id, o.due_at LIMIT 1)"   \
  "  FROM turn WHERE turn.organization_id IS NOT NULL),"                                                   \
  " served AS MATERIALIZED (SELECT organization_id FROM turn WHERE organization_id IS NOT NULL LIMIT $1)," \
  " chosen AS MATERIALIZED (SELECT due.address FROM served CROSS JOIN LATERAL"                             \
  "   (SELECT o.ctid AS address FROM " table                                                               \
  " o"                                                                                                     \
  "    WHERE o.organization_id = served.organization_id AND o." live                                       \
  " AND o.due_at <= now()"                                                                                 \
  "    ORDER BY o.due_at LIMIT greatest(1, $1 / (SELECT count(*) FROM served))"                            \
  "    FOR UPDATE SKIP LOCKED) due LIMIT $1)"

// The cursor before the first organization.
constexpr const char* kFirstTurn = "00000000-0000-0000-0000-000000000000";

// Fills `claimed` up to `count` by claim(room), which appends what it claims behind the cursor, and begins again at the
// first organization once. `organization_of` tells whose a claimed one is.
template <class Claimed, class Claim, class OrganizationOf>
void take_turns(int count, std::string& cursor, std::vector<Claimed>& claimed, Claim claim,
                OrganizationOf organization_of) {
  bool wrapped = false;
  while (static_cast<int>(claimed.size()) < count) {
    const std::size_t before = claimed.size();
    claim(count - static_cast<std::int64_t>(before));
    for (std::size_t at = before; at < claimed.size(); ++at) cursor = std::max(cursor, organization_of(claimed[at]));
    if (claimed.size() > before) continue;
    if (cursor.empty() || wrapped) return;
    cursor.clear();
    wrapped = true;
  }
}

}  // namespace trainer::pg
