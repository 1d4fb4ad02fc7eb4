-- Variants: several replies to one comment, of which a person chooses one.

CREATE TABLE @extschema@.trainer_variants (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL,
  comment_id uuid NOT NULL,
  set_id uuid NOT NULL,
  generation_id uuid,
  custom_model_id uuid,
  rung text NOT NULL,
  temperature numeric NOT NULL,
  response_text text NOT NULL,
  rank integer NOT NULL CHECK (rank > 0),
  score numeric NOT NULL,
  parts jsonb NOT NULL DEFAULT '{}',
  chosen_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (organization_id, set_id, rank),
  FOREIGN KEY (organization_id, custom_model_id) REFERENCES @extschema@.custom_models (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX ON @extschema@.trainer_variants (organization_id, custom_model_id);
CREATE INDEX ON @extschema@.trainer_variants (organization_id, comment_id);
CREATE UNIQUE INDEX trainer_variants_one_chosen ON @extschema@.trainer_variants (organization_id, set_id) WHERE chosen_at IS NOT NULL;
COMMENT ON TABLE @extschema@.trainer_variants IS 'replies to one comment, made together and ranked; the chosen one of a set is preferred to the others';
COMMENT ON COLUMN @extschema@.trainer_variants.set_id IS 'those that were made by one call';
COMMENT ON COLUMN @extschema@.trainer_variants.custom_model_id IS 'null: the base model';
COMMENT ON COLUMN @extschema@.trainer_variants.score IS 'the sum of parts';
COMMENT ON COLUMN @extschema@.trainer_variants.chosen_at IS 'when a person chose it before the others of its set';
ALTER TABLE @extschema@.trainer_variants ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('@extschema@.trainer_variants', '');
