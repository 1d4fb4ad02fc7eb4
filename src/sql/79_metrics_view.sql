-- The view of the metrics, and what counts for it.

CREATE VIEW @extschema@.trainer_metrics AS
SELECT m.family OPERATOR(pg_catalog.||) m.suffix AS name, m.labels, f.type, m.value
FROM @extschema@.trainer_measure() AS m JOIN @extschema@.trainer_metric_families() AS f ON f.name OPERATOR(pg_catalog.=) m.family;
COMMENT ON VIEW @extschema@.trainer_metrics IS 'what a monitoring system wants to know, a row a series';
DO $$
BEGIN
  IF current_setting('server_version_num')::integer >= 150000 THEN
    ALTER VIEW @extschema@.trainer_metrics SET (security_invoker = true);
  END IF;
END $$;

CREATE TRIGGER trainer_count_training AFTER UPDATE OF status ON @extschema@.custom_models
  FOR EACH ROW WHEN (NEW.kind = 'fine_tuned' AND NEW.status IN ('succeeded', 'failed', 'cancelled')
    AND OLD.status NOT IN ('succeeded', 'failed', 'cancelled', 'deployed', 'retired') AND OLD.verified_at IS NULL)
  EXECUTE FUNCTION @extschema@.trainer_count_end('trainings');
CREATE TRIGGER trainer_count_training_cost AFTER UPDATE OF training_cost_cents ON @extschema@.custom_models
  FOR EACH ROW WHEN (NEW.training_cost_cents > coalesce(OLD.training_cost_cents, 0))
  EXECUTE FUNCTION @extschema@.trainer_count_end('training_cost');
CREATE TRIGGER trainer_count_ab_test AFTER UPDATE ON @extschema@.ab_tests
  FOR EACH ROW WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL)
  EXECUTE FUNCTION @extschema@.trainer_count_end('ab_tests');
CREATE TRIGGER trainer_count_rollout AFTER UPDATE ON @extschema@.trainer_rollouts
  FOR EACH ROW WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL)
  EXECUTE FUNCTION @extschema@.trainer_count_end('rollouts');
CREATE TRIGGER trainer_count_message AFTER UPDATE OF state ON @extschema@.trainer_webhook_deliveries
  FOR EACH ROW WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL)
  EXECUTE FUNCTION @extschema@.trainer_count_end('webhook_messages');
