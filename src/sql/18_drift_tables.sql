-- Drift: of each stream of an organization what it was, what it is, and how far that has been looked at. Counts and bits: no text of the app is kept.

-- deployed_at is its place in the history of deployments, which a model that is gone back to keeps.
ALTER TABLE @extschema@.custom_models ADD serving_since timestamptz;
COMMENT ON COLUMN @extschema@.custom_models.serving_since IS 'when it last began to serve';
UPDATE @extschema@.custom_models SET serving_since = deployed_at WHERE is_active;

CREATE TABLE @extschema@.trainer_drift_streams (
  organization_id uuid NOT NULL,
  stream text NOT NULL CHECK (stream IN ('quality_score', 'user_approval', 'response_time_ms', 'errors', 'input_length', 'platform_mix', 'input_vocabulary')),
  custom_model_id uuid,
  serving_since timestamptz,
  begins_at timestamptz NOT NULL,
  seen_at timestamptz NOT NULL,
  seen_id uuid NOT NULL DEFAULT 'ffffffff-ffff-ffff-ffff-ffffffffffff',
  n bigint NOT NULL DEFAULT 0,
  total double precision NOT NULL DEFAULT 0,
  squares double precision NOT NULL DEFAULT 0,
  masses double precision[] NOT NULL DEFAULT '{}',
  recent double precision[] NOT NULL DEFAULT '{}',
  words bytea,
  reference jsonb,
  current jsonb,
  statistic double precision,
  threshold double precision,
  is_worse boolean NOT NULL DEFAULT false,
  since timestamptz,
  PRIMARY KEY (organization_id, stream),
  FOREIGN KEY (organization_id, custom_model_id) REFERENCES @extschema@.custom_models (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX ON @extschema@.trainer_drift_streams (organization_id, custom_model_id);
COMMENT ON TABLE @extschema@.trainer_drift_streams IS 'what an organization''s scores, approvals and comments were when its model was put to serve, and what they are';
COMMENT ON COLUMN @extschema@.trainer_drift_streams.custom_model_id IS 'the model that served when the reference was begun, since serving_since; null: the base model. Another one begins another reference';
COMMENT ON COLUMN @extschema@.trainer_drift_streams.seen_at IS 'the last reply that was looked at, with seen_id where there are several; of the inputs the end of the last window';
COMMENT ON COLUMN @extschema@.trainer_drift_streams.n IS 'of scores and approvals: units of the reference, their sum and their sum of squares';
COMMENT ON COLUMN @extschema@.trainer_drift_streams.masses IS 'of scores and approvals: the detectors of a drop and of a rise';
COMMENT ON COLUMN @extschema@.trainer_drift_streams.recent IS 'of scores and approvals: the last 200 units';
COMMENT ON COLUMN @extschema@.trainer_drift_streams.words IS 'of the vocabulary: 32 bytes a comment of the reference, a bit for each of 256 buckets that a word fell into';
COMMENT ON COLUMN @extschema@.trainer_drift_streams.reference IS 'null: not yet whole';
COMMENT ON COLUMN @extschema@.trainer_drift_streams.is_worse IS 'of a custom model: whether it has become worse, and not only other';
COMMENT ON COLUMN @extschema@.trainer_drift_streams.since IS 'when it was first seen to have drifted';
ALTER TABLE @extschema@.trainer_drift_streams ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('@extschema@.trainer_drift_streams', '');
