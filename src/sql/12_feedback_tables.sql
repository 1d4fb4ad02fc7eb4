-- Feedback is counted without a counter that writers would wait for. Every row carries its transaction. All rows of transactions before a
-- watermark, of which none can appear any more, are added up in trainer_feedback_totals; the rest is counted at each read. A row that is changed
-- or deleted leaves what it said before in trainer_feedback_changes: something that came with one transaction and went with another.

CREATE TABLE @extschema@.trainer_feedback_totals (
  organization_id uuid NOT NULL,
  custom_model_id uuid,
  feedback bigint NOT NULL,
  approved bigint NOT NULL,
  rejected bigint NOT NULL,
  edited bigint NOT NULL,
  regenerated bigint NOT NULL,
  stars bigint[] NOT NULL,
  qualities bigint NOT NULL,
  quality numeric NOT NULL,
  tones bigint NOT NULL,
  tone_matches bigint NOT NULL,
  humors bigint NOT NULL,
  humor numeric NOT NULL,
  distances bigint NOT NULL,
  distance double precision NOT NULL
);
CREATE INDEX ON @extschema@.trainer_feedback_totals (organization_id, custom_model_id);
COMMENT ON TABLE @extschema@.trainer_feedback_totals IS 'feedback of each model, added up by the worker below the watermark of trainer_feedback_rollup';
COMMENT ON COLUMN @extschema@.trainer_feedback_totals.custom_model_id IS 'null: the base model';
COMMENT ON COLUMN @extschema@.trainer_feedback_totals.stars IS 'how many ratings of one to five';
COMMENT ON COLUMN @extschema@.trainer_feedback_totals.quality IS 'sum of the quality scores; qualities: how many there are, and so on';

CREATE TABLE @extschema@.trainer_feedback_changes (
  organization_id uuid NOT NULL,
  custom_model_id uuid,
  feedback_type text NOT NULL,
  rating smallint,
  quality_score numeric,
  tone_match boolean,
  humor_effectiveness numeric,
  edit_distance real,
  came xid8 NOT NULL,
  went xid8 NOT NULL
);
COMMENT ON TABLE @extschema@.trainer_feedback_changes IS 'what changed or deleted rows of model_feedback said before, until it is in trainer_feedback_totals';
COMMENT ON COLUMN @extschema@.trainer_feedback_changes.came IS 'the transaction that wrote it; went: the one that took it back, or, if that is older, the same';

CREATE TABLE @extschema@.trainer_feedback_rollup (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  watermark xid8 NOT NULL
);
COMMENT ON TABLE @extschema@.trainer_feedback_rollup IS 'one row: feedback of transactions before the watermark is in trainer_feedback_totals';
INSERT INTO @extschema@.trainer_feedback_rollup (watermark) VALUES ('0');

-- None is dumped: transactions of another cluster say nothing in this one, where all feedback is counted anew.
ALTER TABLE @extschema@.trainer_feedback_totals ENABLE ROW LEVEL SECURITY;
ALTER TABLE @extschema@.trainer_feedback_changes ENABLE ROW LEVEL SECURITY;
ALTER TABLE @extschema@.trainer_feedback_rollup ENABLE ROW LEVEL SECURITY;
