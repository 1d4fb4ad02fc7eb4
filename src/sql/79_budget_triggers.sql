-- Triggers of money on our own tables, and the view of what is left.

CREATE TRIGGER trainer_stamp_transaction BEFORE INSERT ON @extschema@.trainer_generations
  FOR EACH ROW WHEN (NEW.xid OPERATOR(pg_catalog.<>) pg_catalog.pg_current_xact_id())
  EXECUTE FUNCTION @extschema@.trainer_stamp_transaction();
-- But what trainer_keep_spending() writes for a reply is the reply's.
CREATE TRIGGER trainer_stamp_transaction BEFORE INSERT ON @extschema@.trainer_ledger
  FOR EACH ROW WHEN (NEW.xid OPERATOR(pg_catalog.<>) pg_catalog.pg_current_xact_id()
    AND (NEW.generation_id IS NULL OR pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.=) 0))
  EXECUTE FUNCTION @extschema@.trainer_stamp_transaction();
ALTER TABLE @extschema@.trainer_generations ENABLE ALWAYS TRIGGER trainer_stamp_transaction;
ALTER TABLE @extschema@.trainer_ledger ENABLE ALWAYS TRIGGER trainer_stamp_transaction;
CREATE TRIGGER trainer_keep_ledger BEFORE UPDATE OR DELETE ON @extschema@.trainer_ledger
  FOR EACH ROW EXECUTE FUNCTION @extschema@.trainer_keep_ledger();
CREATE TRIGGER trainer_keep_whole_ledger AFTER TRUNCATE ON @extschema@.trainer_ledger
  FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.trainer_keep_ledger();
CREATE TRIGGER trainer_settle_training AFTER UPDATE OF status, training_cost_cents ON @extschema@.custom_models
  FOR EACH ROW WHEN (NEW.kind = 'fine_tuned' AND NEW.status IN ('evaluating', 'succeeded', 'deployed', 'retired', 'failed', 'cancelled')
    AND (OLD.status, OLD.training_cost_cents) IS DISTINCT FROM (NEW.status, NEW.training_cost_cents))
  EXECUTE FUNCTION @extschema@.trainer_settle_training();
CREATE TRIGGER trainer_settle_request AFTER UPDATE OF state ON @extschema@.trainer_generation_requests
  FOR EACH ROW WHEN (NEW.reserved_cents IS NOT NULL AND OLD.state IN ('ready', 'sending') AND NEW.state IN ('writing', 'done', 'failed'))
  EXECUTE FUNCTION @extschema@.trainer_settle_request();
CREATE TRIGGER trainer_keep_spending AFTER DELETE ON @extschema@.trainer_generation_requests
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.trainer_keep_spending();
CREATE TRIGGER trainer_keep_spending AFTER DELETE ON @extschema@.trainer_generations
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.trainer_keep_spending();
CREATE TRIGGER trainer_keep_spending AFTER DELETE ON @extschema@.custom_models
  REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.trainer_keep_spending();
-- A session keeps which organizations have no budget.
CREATE TRIGGER trainer_tell_sessions AFTER INSERT OR UPDATE OR DELETE ON @extschema@.trainer_budgets
  FOR EACH ROW EXECUTE FUNCTION @extschema@.trainer_tell_sessions();
ALTER TABLE @extschema@.trainer_budgets ENABLE ALWAYS TRIGGER trainer_tell_sessions;

CREATE VIEW @extschema@.trainer_budget_status AS
SELECT b.organization_id, b.scope, b.period, b.limit_cents, trim_scale(s.used_cents) AS used_cents,
       trim_scale(r.reserved_cents) AS reserved_cents, trim_scale(b.limit_cents - s.used_cents) AS left_cents
FROM @extschema@.trainer_budgets b
CROSS JOIN LATERAL (SELECT @extschema@.trainer_period_start(b.period) AS period_start) p
CROSS JOIN LATERAL (SELECT @extschema@.trainer_spent(b.organization_id, b.scope, p.period_start) AS used_cents) s
CROSS JOIN LATERAL (
  SELECT coalesce(sum(o.cents), 0) AS reserved_cents FROM (
    SELECT q.reserved_cents AS cents FROM @extschema@.trainer_generation_requests q
    WHERE q.organization_id = b.organization_id AND q.state IN ('ready', 'sending') AND b.scope <> 'training' AND q.created_at >= p.period_start
    UNION ALL
    SELECT l.amount_cents FROM @extschema@.trainer_ledger l JOIN @extschema@.custom_models m ON m.organization_id = l.organization_id AND m.id = l.custom_model_id
    WHERE l.organization_id = b.organization_id AND b.scope <> 'inference' AND l.counts_at >= p.period_start
      AND m.status IN ('pending', 'uploading', 'validating', 'queued', 'running', 'paused')) o) r
ORDER BY b.organization_id, b.scope, b.period;
COMMENT ON VIEW @extschema@.trainer_budget_status IS
  'every budget: what is used of it in this period (spent or reserved, as committed), what of that is reserved for what is under way, and what is left';
DO $$
BEGIN
  IF current_setting('server_version_num')::integer >= 150000 THEN
    ALTER VIEW @extschema@.trainer_budget_status SET (security_invoker = true);
  END IF;
END $$;
