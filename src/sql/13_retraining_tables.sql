-- Retraining: what was decided for each model, each time that its feedback has crossed the threshold, and why; and the proof of each new version.

CREATE TABLE @extschema@.trainer_retraining_decisions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL,
  custom_model_id uuid NOT NULL,
  generation bigint CHECK (generation > 0),
  feedback bigint NOT NULL CHECK (feedback >= 0),
  decision text NOT NULL DEFAULT 'due'
    CHECK (decision IN ('due', 'not_now', 'training', 'comparing', 'deployed', 'held_back', 'failed', 'refused')),
  reason text NOT NULL,
  forced boolean NOT NULL DEFAULT false,
  due_at timestamptz DEFAULT now(),
  new_model_id uuid,
  comparison jsonb,
  drift text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (organization_id, id),
  CHECK ((due_at IS NOT NULL) = (decision IN ('due', 'not_now', 'comparing'))),
  CHECK ((new_model_id IS NOT NULL) = (decision IN ('training', 'comparing', 'deployed', 'held_back', 'failed'))),
  FOREIGN KEY (organization_id, custom_model_id) REFERENCES @extschema@.custom_models (organization_id, id) ON DELETE CASCADE,
  FOREIGN KEY (organization_id, new_model_id) REFERENCES @extschema@.custom_models (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX ON @extschema@.trainer_retraining_decisions (organization_id, custom_model_id);
CREATE INDEX ON @extschema@.trainer_retraining_decisions (organization_id, new_model_id);
CREATE INDEX trainer_retraining_decisions_due ON @extschema@.trainer_retraining_decisions (due_at) WHERE due_at IS NOT NULL;
-- However many see the threshold crossed at the same moment, and whoever dies.
CREATE UNIQUE INDEX trainer_retraining_decisions_once ON @extschema@.trainer_retraining_decisions (custom_model_id, generation);
CREATE UNIQUE INDEX trainer_retraining_decisions_open ON @extschema@.trainer_retraining_decisions (custom_model_id)
  WHERE decision IN ('due', 'not_now');
COMMENT ON TABLE @extschema@.trainer_retraining_decisions IS 'whether a model was trained anew, and why: one row a model and generation of feedback';
COMMENT ON COLUMN @extschema@.trainer_retraining_decisions.generation IS 'counts the crossings of the threshold; null: asked for by force, or because of a drift';
COMMENT ON COLUMN @extschema@.trainer_retraining_decisions.drift IS 'the stream whose drift it was begun for; null: for the feedback, or by force';
COMMENT ON COLUMN @extschema@.trainer_retraining_decisions.feedback IS 'rows of feedback on the model, since its training, when it was decided';
COMMENT ON COLUMN @extschema@.trainer_retraining_decisions.decision IS
  'due: to be looked at; not_now: looked at, and again at due_at; training, comparing: the new version is under way; deployed or held_back: how its proof '
  'went; failed: its training; refused: for good';
COMMENT ON COLUMN @extschema@.trainer_retraining_decisions.comparison IS 'the proof: score and validation loss of the new and the old version';

CREATE TABLE @extschema@.trainer_comparisons (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL,
  decision_id uuid NOT NULL,
  ordinal integer NOT NULL CHECK (ordinal > 0),
  custom_model_id uuid NOT NULL,
  expected text,
  score real CHECK (score BETWEEN 0 AND 1),
  UNIQUE (organization_id, id),
  UNIQUE (organization_id, decision_id, ordinal, custom_model_id),
  FOREIGN KEY (organization_id, decision_id) REFERENCES @extschema@.trainer_retraining_decisions (organization_id, id) ON DELETE CASCADE,
  FOREIGN KEY (organization_id, custom_model_id) REFERENCES @extschema@.custom_models (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX ON @extschema@.trainer_comparisons (organization_id, custom_model_id);
COMMENT ON TABLE @extschema@.trainer_comparisons IS 'the proof of a new version: what each model answers to the same held-out comments';
COMMENT ON COLUMN @extschema@.trainer_comparisons.expected IS 'the reply that people approved; gone once it is compared';
COMMENT ON COLUMN @extschema@.trainer_comparisons.score IS 'similarity of the model''s reply to it, by trigrams; null: not answered';

-- The worker asks for them as for replies.
ALTER TABLE @extschema@.trainer_generation_requests
  ADD comparison_id uuid,
  ADD FOREIGN KEY (organization_id, comparison_id) REFERENCES @extschema@.trainer_comparisons (organization_id, id) ON DELETE CASCADE;
CREATE INDEX ON @extschema@.trainer_generation_requests (organization_id, comparison_id);
COMMENT ON COLUMN @extschema@.trainer_generation_requests.comparison_id IS 'of an answer that is compared, and written into no table of the app';

DO $$
DECLARE
  table_name text;
BEGIN
  FOREACH table_name IN ARRAY ARRAY['trainer_retraining_decisions', 'trainer_comparisons'] LOOP
    EXECUTE pg_catalog.format('ALTER TABLE @extschema@.%I ENABLE ROW LEVEL SECURITY', table_name);
    PERFORM pg_catalog.pg_extension_config_dump(pg_catalog.format('@extschema@.%I', table_name)::pg_catalog.regclass, '');
  END LOOP;
END $$;
