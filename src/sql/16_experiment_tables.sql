-- Experiments: A/B tests and rollouts. What each was about is frozen when it starts; what came of it is read from the replies that it has assigned.

ALTER TABLE @extschema@.custom_models
  ADD ab_test_enabled boolean NOT NULL DEFAULT false,
  ADD ab_test_started_at timestamptz,
  ADD ab_test_duration_days numeric,
  ADD ab_test_wins integer NOT NULL DEFAULT 0 CHECK (ab_test_wins >= 0);
COMMENT ON COLUMN @extschema@.custom_models.ab_test_enabled IS 'whether an A/B test of it runs';
COMMENT ON COLUMN @extschema@.custom_models.ab_test_duration_days IS 'of its last A/B test, as planned';
COMMENT ON COLUMN @extschema@.custom_models.ab_test_wins IS 'A/B tests that were decided for it';

CREATE TABLE @extschema@.ab_tests (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL,
  custom_model_id uuid NOT NULL,
  control_model_id uuid,
  status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'maturing', 'completed', 'stopped')),
  traffic numeric(7,6) NOT NULL CHECK (traffic BETWEEN 0.01 AND 0.99),
  unit text NOT NULL CHECK (unit IN ('comment', 'user')),
  salt text NOT NULL DEFAULT gen_random_uuid()::text,
  metric text NOT NULL CHECK (metric IN ('user_approval', 'quality_score', 'response_time_ms', 'cost_cents')),
  alpha double precision NOT NULL CHECK (alpha BETWEEN 0.0001 AND 0.49),
  planned_units integer NOT NULL CHECK (planned_units BETWEEN 200 AND 1000000),
  stop_on_decision boolean NOT NULL,
  plan jsonb,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ends_at timestamptz NOT NULL,
  ended_at timestamptz,
  decision text CHECK (decision IN ('custom', 'control')),
  reason text,
  kept text CHECK (kept IN ('custom', 'control')),
  UNIQUE (organization_id, id),
  CHECK (custom_model_id <> control_model_id),
  CHECK ((ended_at IS NULL) = (status IN ('running', 'maturing'))),
  FOREIGN KEY (organization_id, custom_model_id) REFERENCES @extschema@.custom_models (organization_id, id) ON DELETE CASCADE,
  FOREIGN KEY (organization_id, control_model_id) REFERENCES @extschema@.custom_models (organization_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX ab_tests_one_running ON @extschema@.ab_tests (organization_id) WHERE status = 'running';
CREATE INDEX ab_tests_live ON @extschema@.ab_tests (organization_id) WHERE status IN ('running', 'maturing');
CREATE INDEX ON @extschema@.ab_tests (organization_id, custom_model_id);
CREATE INDEX ON @extschema@.ab_tests (organization_id, control_model_id);
COMMENT ON TABLE @extschema@.ab_tests IS 'tests of a custom model against the base model or another version, on live traffic';
COMMENT ON COLUMN @extschema@.ab_tests.control_model_id IS 'what it is held against; null: the base model';
COMMENT ON COLUMN @extschema@.ab_tests.status IS
  'running: replies are assigned; maturing: none are any more, and the outcomes of the last ones are waited for; completed: by the worker; stopped: by somebody';
COMMENT ON COLUMN @extschema@.ab_tests.traffic IS 'share of the units that the custom model answers';
COMMENT ON COLUMN @extschema@.ab_tests.salt IS 'who knows it can tell in advance which unit goes where';
COMMENT ON COLUMN @extschema@.ab_tests.alpha IS 'the chance to decide where there is no difference, however often it is looked at';
COMMENT ON COLUMN @extschema@.ab_tests.planned_units IS 'of both arms together: where the interval is the narrowest';
COMMENT ON COLUMN @extschema@.ab_tests.plan IS 'what trainer_plan_ab_test() said, where a minimum effect was given';
COMMENT ON COLUMN @extschema@.ab_tests.decision IS 'by the metric of the test; null: undecided, or not to be trusted';
COMMENT ON COLUMN @extschema@.ab_tests.reason IS 'why it has ended';
COMMENT ON COLUMN @extschema@.ab_tests.kept IS 'which of the two was put to serve at its end';
ALTER TABLE @extschema@.ab_tests ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('@extschema@.ab_tests', '');

CREATE TABLE @extschema@.ab_test_metrics (
  organization_id uuid NOT NULL,
  ab_test_id uuid NOT NULL,
  metric text NOT NULL CHECK (metric IN ('user_approval', 'quality_score', 'response_time_ms', 'cost_cents')),
  is_primary boolean NOT NULL,
  outcome_window interval NOT NULL CHECK (outcome_window >= interval '0'),
  custom_n bigint NOT NULL DEFAULT 0,
  custom_mean double precision,
  control_n bigint NOT NULL DEFAULT 0,
  control_mean double precision,
  difference double precision,
  lower double precision,
  upper double precision,
  p_value double precision NOT NULL DEFAULT 1 CHECK (p_value BETWEEN 0 AND 1),
  decision text CHECK (decision IN ('custom', 'control')),
  decided_at timestamptz,
  decided_units bigint,
  looked_at timestamptz,
  PRIMARY KEY (ab_test_id, metric),
  CHECK ((decision IS NULL) = (decided_at IS NULL)),
  FOREIGN KEY (organization_id, ab_test_id) REFERENCES @extschema@.ab_tests (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX ON @extschema@.ab_test_metrics (organization_id, ab_test_id);
COMMENT ON TABLE @extschema@.ab_test_metrics IS 'what a test measures, and what the worker saw when it last looked';
COMMENT ON COLUMN @extschema@.ab_test_metrics.outcome_window IS 'a unit counts when so much time has passed since its reply; what comes later is not seen';
COMMENT ON COLUMN @extschema@.ab_test_metrics.difference IS 'custom less control; of response times and costs the ratio less 1';
COMMENT ON COLUMN @extschema@.ab_test_metrics.p_value IS 'the least so far: valid at any time';
COMMENT ON COLUMN @extschema@.ab_test_metrics.decision IS 'for whom the first look beyond the boundary was: later data do not take it back';
ALTER TABLE @extschema@.ab_test_metrics ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('@extschema@.ab_test_metrics', '');

-- Which arm a reply belongs to, whatever model then answered: to leave out those that fell back would choose by the outcome.
ALTER TABLE @extschema@.trainer_generations
  ADD experiment_id uuid,
  ADD arm text CHECK (arm IN ('custom', 'control')),
  ADD unit uuid,
  ADD quality_score numeric(3,2) CHECK (quality_score BETWEEN 0 AND 1),
  ADD scored_at timestamptz,
  ADD CHECK ((experiment_id IS NULL) = (arm IS NULL) AND (experiment_id IS NULL) = (unit IS NULL));
CREATE INDEX trainer_generations_experiment ON @extschema@.trainer_generations (experiment_id, unit, created_at) WHERE experiment_id IS NOT NULL;
CREATE INDEX trainer_generations_scored ON @extschema@.trainer_generations (response_id) WHERE experiment_id IS NOT NULL;
COMMENT ON COLUMN @extschema@.trainer_generations.experiment_id IS 'the A/B test or rollout that has assigned it';
COMMENT ON COLUMN @extschema@.trainer_generations.unit IS 'what was assigned, a comment or a user: its digest, of which nobody reads a name';
COMMENT ON COLUMN @extschema@.trainer_generations.quality_score IS 'the first score that the app gave the response, of replies in an experiment';

ALTER TABLE @extschema@.trainer_generation_requests
  ADD experiment_id uuid,
  ADD arm text CHECK (arm IN ('custom', 'control')),
  ADD unit uuid;

-- A deployment in steps: a part of the traffic goes to the new model, as much to a control, and the rest is not looked at.
CREATE TABLE @extschema@.trainer_rollouts (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL,
  custom_model_id uuid NOT NULL,
  former_model_id uuid,
  state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'promoted', 'rolled_back', 'cancelled')),
  salt text NOT NULL DEFAULT gen_random_uuid()::text,
  unit text NOT NULL CHECK (unit IN ('comment', 'user')),
  steps jsonb NOT NULL CHECK (jsonb_typeof(steps) = 'array'),
  step integer NOT NULL DEFAULT 0 CHECK (step >= 0 AND step < jsonb_array_length(steps)),
  guardrails jsonb NOT NULL CHECK (jsonb_typeof(guardrails) = 'array'),
  policy jsonb NOT NULL CHECK (jsonb_typeof(policy) = 'object'),
  reason text NOT NULL DEFAULT 'baking',
  evidence jsonb,
  looked_at timestamptz,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  step_started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamptz,
  UNIQUE (organization_id, id),
  CHECK (custom_model_id <> former_model_id),
  CHECK ((ended_at IS NULL) = (state = 'running')),
  FOREIGN KEY (organization_id, custom_model_id) REFERENCES @extschema@.custom_models (organization_id, id) ON DELETE CASCADE,
  FOREIGN KEY (organization_id, former_model_id) REFERENCES @extschema@.custom_models (organization_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX trainer_rollouts_one_running ON @extschema@.trainer_rollouts (organization_id) WHERE state = 'running';
CREATE INDEX ON @extschema@.trainer_rollouts (organization_id, custom_model_id);
CREATE INDEX ON @extschema@.trainer_rollouts (organization_id, former_model_id);
COMMENT ON TABLE @extschema@.trainer_rollouts IS 'deployments by trainer_deploy_model(strategy => ''canary''): which step each is in, and why it goes on, holds or went back';
COMMENT ON COLUMN @extschema@.trainer_rollouts.former_model_id IS 'what serves until it is promoted; null: the base model';
COMMENT ON COLUMN @extschema@.trainer_rollouts.steps IS 'share of the traffic (the control gets as much), units an arm, how many times the margins, seconds at least: of each step';
COMMENT ON COLUMN @extschema@.trainer_rollouts.guardrails IS 'metric, margin (the loss that is acceptable), tolerance (the loss that is no harm), window of its outcome in seconds, on_harm';
COMMENT ON COLUMN @extschema@.trainer_rollouts.reason IS 'why it was last held, advanced, promoted or rolled back';
COMMENT ON COLUMN @extschema@.trainer_rollouts.evidence IS 'what it was decided by when it was last looked at';
ALTER TABLE @extschema@.trainer_rollouts ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('@extschema@.trainer_rollouts', '');
