-- What feedback is given on: :responses responses of one organization, all of one model. And the peers' tables: the same columns, rules, foreign keys
-- and indexes; one without the rules, which a server reads anew with each statement, and one with a counter in a row that every writer updates.
\i bench/schema.sql
INSERT INTO organizations (id, name, slug, plan_id) VALUES (md5('organization')::uuid, 'Organization', 'organization', 'plus');
INSERT INTO comments (id, organization_id, platform, original_text)
SELECT md5('comment ' || n)::uuid, md5('organization')::uuid, 'bluesky', 'A comment about thing ' || n FROM generate_series(1, :responses) AS n;
INSERT INTO responses (id, organization_id, comment_id, response_text)
SELECT md5('response ' || n)::uuid, md5('organization')::uuid, md5('comment ' || n)::uuid, 'A reply of some sixty characters, as such replies are, number ' || n
FROM generate_series(1, :responses) AS n;
INSERT INTO roast_metadata (response_id, rqc_score) SELECT id, 0.8 FROM responses;
CREATE EXTENSION trainer CASCADE;
SELECT count(*) FROM trainer_attach();
INSERT INTO custom_models (id, organization_id, name, version, base_model, status, fine_tuned_model_id)
VALUES (md5('model')::uuid, md5('organization')::uuid, 'Model', 1, 'gpt-4o', 'deployed', 'ft:model');
INSERT INTO trainer_generations (organization_id, comment_id, response_id, custom_model_id, rung, reason, model, response_time_ms)
SELECT organization_id, comment_id, id, md5('model')::uuid, 'fine_tuned', '', 'ft:model', 1 FROM responses;

CREATE TABLE unchecked_feedback (LIKE model_feedback INCLUDING DEFAULTS INCLUDING INDEXES);
CREATE TABLE plain_feedback (LIKE unchecked_feedback INCLUDING ALL,
  CHECK (feedback_type IN ('approved', 'rejected', 'edited', 'regenerated')), CHECK (rating BETWEEN 1 AND 5), CHECK (quality_score BETWEEN 0 AND 1),
  CHECK (humor_effectiveness BETWEEN 0 AND 1), CHECK (edit_distance BETWEEN 0 AND 1), CHECK (feedback_type <> 'edited' OR edited_roast IS NOT NULL));
CREATE TABLE counted_feedback (LIKE plain_feedback INCLUDING ALL);
SELECT format('ALTER TABLE %I ADD FOREIGN KEY (organization_id, custom_model_id) REFERENCES custom_models (organization_id, id),
  ADD FOREIGN KEY (organization_id) REFERENCES organizations ON DELETE CASCADE, ADD FOREIGN KEY (response_id) REFERENCES responses ON DELETE SET NULL', peer)
FROM unnest('{plain_feedback,unchecked_feedback,counted_feedback}'::text[]) AS peer \gexec
CREATE TABLE counters (custom_model_id uuid PRIMARY KEY, feedback bigint NOT NULL, approved bigint NOT NULL);
INSERT INTO counters VALUES (md5('model')::uuid, 0, 0);
CREATE FUNCTION count_feedback() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE counters SET feedback = feedback + 1, approved = approved + (NEW.feedback_type = 'approved')::int WHERE custom_model_id = NEW.custom_model_id;
  RETURN NULL;
END $$;
CREATE TRIGGER count_feedback AFTER INSERT ON counted_feedback FOR EACH ROW EXECUTE FUNCTION count_feedback();
VACUUM ANALYZE;
