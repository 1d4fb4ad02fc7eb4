-- What metrics count that nothing else keeps. A counter never goes down, and rows that it could be counted from are deleted with their model or organization.

CREATE TABLE @extschema@.trainer_metric_totals (
  name text NOT NULL CHECK (name IN ('trainings', 'training_cost', 'ab_tests', 'rollouts', 'webhook_messages')),
  label text NOT NULL,
  n bigint NOT NULL DEFAULT 1 CHECK (n > 0),
  amount numeric NOT NULL DEFAULT 0 CHECK (amount >= 0),
  folded boolean NOT NULL DEFAULT false
);
CREATE INDEX trainer_metric_totals_new ON @extschema@.trainer_metric_totals (name, label) WHERE NOT folded;
COMMENT ON TABLE @extschema@.trainer_metric_totals IS 'counters of trainer_metrics that nobody waits for: each is the sum of its rows, which the worker folds into one';
COMMENT ON COLUMN @extschema@.trainer_metric_totals.label IS 'how a training, an A/B test, a rollout or a message to a webhook ended';
COMMENT ON COLUMN @extschema@.trainer_metric_totals.n IS 'how many';
COMMENT ON COLUMN @extschema@.trainer_metric_totals.amount IS 'of trainings their seconds, of their cost US cents';
ALTER TABLE @extschema@.trainer_metric_totals ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('@extschema@.trainer_metric_totals', '');
