-- Feedback: what is taken and what is refused, which model it is counted for, and what it adds up to.
\pset format unaligned
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
CREATE EXTENSION trainer CASCADE;
CREATE TABLE organizations (id uuid PRIMARY KEY, plan_id text);
CREATE TABLE comments (id uuid PRIMARY KEY, organization_id uuid, platform text, original_text text);
CREATE TABLE responses (id uuid PRIMARY KEY, organization_id uuid, comment_id uuid, response_text text, created_at timestamptz);
CREATE TABLE roast_metadata (response_id uuid, rqc_score numeric);
CREATE FUNCTION org(n int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT lpad(n::text, 32, '0')::uuid $$;
CREATE FUNCTION response(n int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT md5('r' || n)::uuid $$;
CREATE FUNCTION error_of(statement text) RETURNS TABLE (code text, message text, hint text) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
  message := replace(message, response(99)::text, 'X');
  RETURN NEXT;
END $$;
SELECT * FROM error_of($$SELECT trainer_collect_feedback(response(1), 'approved')$$);
INSERT INTO organizations VALUES (org(1)), (org(2));
INSERT INTO responses SELECT response(n), org(1 + n / 50), md5('c' || n)::uuid, 'Reply ' || n, now() FROM generate_series(1, 60) AS n;
INSERT INTO comments SELECT comment_id, organization_id, 'x', 'Comment' FROM responses;
INSERT INTO roast_metadata SELECT response(n), n / 60.0 FROM generate_series(1, 30) AS n;
INSERT INTO roast_metadata VALUES (response(31), 7), (response(32), 0.2), (response(32), 0.6);
SELECT count(*) FROM trainer_attach();
-- Two versions; the first wrote responses 1 to 20, the second 21 to 40, the base model 41.
INSERT INTO custom_models (id, organization_id, name, version, base_model, status) SELECT md5('m' || n)::uuid, org(1), 'Model', n, 'gpt-4o', 'pending' FROM generate_series(1, 2) AS n;
INSERT INTO trainer_generations (organization_id, comment_id, response_id, custom_model_id, rung, reason, model, response_time_ms)
SELECT org(1), md5('c' || n)::uuid, response(n), CASE WHEN n <= 40 THEN md5('m' || (n + 19) / 20)::uuid END, CASE WHEN n <= 40 THEN 'fine_tuned' ELSE 'base' END, '', 'x', 1 FROM generate_series(1, 41) AS n;

-- --- what is taken ---
CREATE FUNCTION shown(f model_feedback) RETURNS text LANGUAGE sql AS $$
  SELECT concat_ws(' | ', f.feedback_type, 'model ' || coalesce((SELECT m.version::text FROM custom_models AS m WHERE m.id = f.custom_model_id), 'none'),
                   f.original_roast, f.edited_roast, 'rating ' || f.rating, 'quality ' || f.quality_score, 'tone ' || f.tone_match, 'humor ' || f.humor_effectiveness, f.metadata) $$;
SELECT shown(trainer_collect_feedback(response(1), 'approved'));
SELECT shown(trainer_collect_feedback(response(21), 'edited', 'Better', 4, true, 0.5, '{"from": "a person"}'));
SELECT shown(trainer_collect_feedback(response(41), 'rejected', rating => 1));
SELECT shown(trainer_collect_feedback(response(45), 'regenerated'));
SELECT shown(trainer_collect_feedback(response(31), 'approved')) AS score_of_another_scale, shown(trainer_collect_feedback(response(32), 'approved')) AS the_better_of_two;
SELECT shown(trainer_collect_feedback(response(2), '{"type": "edited", "editedText": "Well", "rating": 5.0, "toneMatch": false, "humorEffectiveness": 1, "metadata": {"a": 1}}'::jsonb)) AS camel;
SELECT shown(trainer_collect_feedback(response(2), '{"type": "approved", "edited_text": null, "rating": null, "tone_match": true, "humor_effectiveness": 0}'::jsonb)) AS snake;
-- A direct INSERT does the same; whatever it says, the model is the one that wrote the response.
INSERT INTO model_feedback (organization_id, custom_model_id, response_id, feedback_type) VALUES (org(1), md5('m1')::uuid, response(22), 'approved') RETURNING shown(model_feedback);
INSERT INTO model_feedback (organization_id, feedback_type, original_roast) VALUES (org(1), 'rejected', 'of nobody knows which') RETURNING shown(model_feedback);
-- One that was made before has what it had.
INSERT INTO model_feedback (organization_id, response_id, feedback_type, created_at) VALUES (org(1), response(3), 'approved', '2026-01-01') RETURNING shown(model_feedback);

-- --- what no row may say ---
SELECT e.* FROM unnest(ARRAY[$$feedback_type) VALUES (org(1), 'liked'$$, $$feedback_type) VALUES (org(1), 'edited'$$, $$feedback_type, rating) VALUES (org(1), 'approved', 0$$,
  $$feedback_type, rating) VALUES (org(1), 'approved', 6$$, $$feedback_type, quality_score) VALUES (org(1), 'approved', -0.01$$, $$feedback_type, quality_score) VALUES (org(1), 'approved', 1.01$$,
  $$feedback_type, humor_effectiveness) VALUES (org(1), 'approved', 'NaN'$$, $$feedback_type, edit_distance) VALUES (org(1), 'approved', 'NaN'$$, $$feedback_type, edit_distance) VALUES (org(1), 'approved', 1.5$$,
  $$feedback_type) VALUES (org(1), NULL$$]) AS values, error_of('INSERT INTO model_feedback (organization_id, ' || values || ')') AS e;
SELECT e.code, e.message FROM unnest(ARRAY[$$feedback_type = 'liked'$$, 'edited_roast = NULL', 'rating = 6', 'quality_score = 2', 'humor_effectiveness = -1', 'edit_distance = 2']) AS change,
  error_of('UPDATE model_feedback SET ' || change || $$ WHERE feedback_type = 'edited'$$) AS e;
INSERT INTO model_feedback (organization_id, feedback_type, rating) VALUES (org(1), 'approved', 9);
-- What the trigger is not for.
CREATE TABLE strange (organization_id uuid);
CREATE TRIGGER before_row BEFORE INSERT ON strange FOR EACH ROW EXECUTE FUNCTION trainer_complete_feedback();
CREATE TRIGGER after_row AFTER INSERT ON model_feedback FOR EACH ROW EXECUTE FUNCTION trainer_complete_feedback();
SELECT e.code, e.message FROM unnest(ARRAY['strange', 'model_feedback']) AS name,
  error_of('INSERT INTO ' || name || CASE name WHEN 'strange' THEN ' VALUES (org(1))' ELSE $$ (organization_id, feedback_type) VALUES (org(1), 'approved')$$ END) AS e;
DROP TRIGGER after_row ON model_feedback;
DROP TABLE strange;
-- Of what is not counted a change is none.
SELECT count(*) AS changes FROM trainer_feedback_changes \gset
UPDATE model_feedback SET edited_roast = edited_roast || '!', metadata = '{"a": 1}' WHERE feedback_type = 'edited';
SELECT count(*) - :changes AS changes FROM trainer_feedback_changes;
-- Nor what a subscription brings.
SET session_replication_role = replica;
SELECT e.code, e.message FROM error_of($$INSERT INTO model_feedback (organization_id, feedback_type, rating) VALUES (org(1), 'approved', 6)$$) AS e;
RESET session_replication_role;
BEGIN;
INSERT INTO model_feedback (organization_id, feedback_type, edited_roast, rating, quality_score, humor_effectiveness, edit_distance) VALUES
  (org(2), 'edited', '', 1, 0, 0, 0), (org(2), 'approved', NULL, 5, 1, 1, 1) RETURNING feedback_type, edit_distance;
ROLLBACK;

-- --- once ---
SELECT id AS first FROM trainer_collect_feedback(response(5), 'approved', metadata => '{"idempotency_key": "k1"}') \gset
SELECT id = :'first' AS the_same FROM trainer_collect_feedback(response(5), 'approved', rating => 3, metadata => '{"idempotency_key": "k1"}');
SELECT id = :'first' AS the_same FROM trainer_collect_feedback(response(55), 'approved', metadata => '{"idempotency_key": "k1"}');
SELECT code, message FROM error_of($$SELECT trainer_collect_feedback(response(6), 'approved', metadata => '{"idempotency_key": "k1"}')$$);
SELECT code FROM error_of($$INSERT INTO model_feedback (organization_id, feedback_type, metadata) VALUES (org(1), 'approved', '{"idempotency_key": "k1"}')$$);

-- --- what is refused, and leaves nothing ---
SELECT count(*) AS before FROM model_feedback \gset
SELECT e.* FROM unnest(ARRAY[$$NULL, 'approved'$$, $$response(1), NULL::text$$, $$response(1), 'liked'$$, $$response(99), 'approved'$$, $$response(1), 'edited'$$, $$response(1), 'edited', E' \n'$$,
  $$response(1), 'approved', 'text'$$, $$response(1), 'approved', rating => 0$$, $$response(1), 'approved', rating => 6$$, $$response(1), 'approved', humor_effectiveness => 1.01$$,
  $$response(1), 'approved', humor_effectiveness => -0.01$$, $$response(1), 'approved', humor_effectiveness => 'NaN'$$, $$response(1), 'approved', metadata => NULL$$,
  $$response(1), 'approved', metadata => '[]'$$, $$response(1), 'approved', metadata => '{"idempotency_key": 1}'$$, $$response(1), 'approved', metadata => '{"idempotency_key": ""}'$$,
  $$response(1), '{"type": "approved"}'$$, $$response(1), '[]'::jsonb$$, $$response(1), NULL::jsonb$$, $$response(1), '{}'::jsonb$$, $$response(1), '{"type": "approved", "stars": 5}'::jsonb$$,
  $$response(1), '{"type": "approved", "toneMatch": true, "tone_match": true}'::jsonb$$, $$response(1), '{"type": "approved", "rating": 4.5}'::jsonb$$, $$response(1), '{"type": "approved", "rating": 1e30}'::jsonb$$,
  $$response(1), '{"type": "approved", "rating": "5"}'::jsonb$$, $$response(1), '{"type": 1}'::jsonb$$, $$response(1), '{"type": "approved", "toneMatch": 1}'::jsonb$$,
  $$response(1), '{"type": "approved", "humorEffectiveness": 2}'::jsonb$$, $$response(1), '{"type": "approved", "metadata": []}'::jsonb$$])
  WITH ORDINALITY AS t (arguments, n), error_of(format('SELECT trainer_collect_feedback(%s)', arguments)) AS e ORDER BY n;
SELECT count(*) = :before AS nothing_came FROM model_feedback;

-- --- what comes later ---
-- A score fills in what had none, and changes no other.
SELECT shown(trainer_collect_feedback(response(33), 'approved')) AS no_score_yet;
INSERT INTO roast_metadata VALUES (response(33), 0.31), (response(33), 0.34), (response(34), 0.9), (response(1), 0.99);
UPDATE roast_metadata SET rqc_score = 0.1 WHERE response_id = response(33);
SELECT response_id = response(1) AS of_the_first, quality_score FROM model_feedback WHERE response_id IN (response(1), response(33)) ORDER BY 1;
-- A reply of which the app says later that it became a response.
SELECT shown(trainer_collect_feedback(response(42), 'approved')) AS no_model_yet;
INSERT INTO trainer_generations (organization_id, comment_id, custom_model_id, rung, reason, model, response_time_ms) VALUES (org(1), md5('c42')::uuid, md5('m2')::uuid, 'fine_tuned', '', 'x', 1)
  RETURNING id AS generation \gset
SELECT response_id = response(42) AS linked FROM trainer_link_response(:'generation', response(42));
SELECT shown(f) FROM model_feedback AS f WHERE response_id = response(42);
-- The app's own column, when it is mapped.
ALTER TABLE responses ADD status text;
SELECT role, triggers FROM trainer_attach(columns => '{"responses": {"approval": "status"}}') WHERE triggers <> '{}';
UPDATE responses SET status = 'approved' WHERE id IN (response(8), response(28));
UPDATE responses SET status = 'rejected' WHERE id = response(28);
UPDATE responses SET status = 'rejected', response_text = response_text || '.' WHERE id = response(28);
UPDATE responses SET status = 'approved', response_text = 'Reply, by a person' WHERE id = response(9);
UPDATE responses SET status = 'posted' WHERE id = response(8);
SELECT shown(f) FROM model_feedback AS f WHERE metadata ->> 'source' = 'app' ORDER BY created_at, response_id = response(8), xid, feedback_type;
SELECT role, triggers FROM trainer_attach() WHERE triggers <> '{}';
ALTER TABLE responses ADD approved boolean;
SELECT count(*) FROM trainer_attach(columns => '{"responses": {"approval": "approved"}}');
UPDATE responses SET approved = n = 10 FROM (VALUES (10), (11)) AS v (n) WHERE id = response(n);
SELECT shown(f) FROM model_feedback AS f WHERE response_id IN (response(10), response(11)) ORDER BY feedback_type;
-- Where it cannot be counted the app's change stands.
SET client_min_messages = warning;
INSERT INTO responses (id, organization_id, approved) VALUES (response(90), org(3), NULL);
UPDATE responses SET approved = true WHERE id = response(90);
SELECT approved FROM responses WHERE id = response(90);
DELETE FROM responses WHERE id = response(90);
SELECT count(*) FROM trainer_attach();
SELECT code, message FROM error_of($$SELECT trainer_attach(columns => '{"responses": {"approval": "created_at"}}')$$);

-- --- an app's role, for its own organization ---
CREATE ROLE regress_feedback_app;
SELECT count(*) FROM trainer_grant('regress_feedback_app', 'app');
GRANT SELECT ON organizations, comments, responses TO regress_feedback_app;
GRANT USAGE ON SCHEMA public TO regress_feedback_app;
SET ROLE regress_feedback_app;
SET trainer.organization_id = '00000000-0000-0000-0000-000000000001';
-- The table of scores is not its to read.
SELECT feedback_type, original_roast, quality_score FROM trainer_collect_feedback(response(7), 'approved');
SELECT code, message FROM error_of(format('SELECT trainer_collect_feedback(%L, %L)', response(56), 'approved'));
SELECT count(*) FROM trainer_feedback_summary(org(1));
SELECT count(*) AS of_another FROM trainer_feedback_summary(org(2));
RESET ROLE;

-- --- what it adds up to, beside plain SQL over the rows ---
CREATE VIEW plain AS
SELECT f.organization_id, m.version, count(*) AS feedback, count(*) FILTER (WHERE feedback_type = 'approved') AS approved,
       count(*) FILTER (WHERE feedback_type = 'rejected') AS rejected, count(*) FILTER (WHERE feedback_type = 'edited') AS edited,
       count(*) FILTER (WHERE feedback_type = 'regenerated') AS regenerated, round(avg((feedback_type = 'approved')::int), 4) AS approval_rate, round(avg(rating), 2) AS mean_rating,
       round(avg(f.quality_score), 4) AS mean_quality, round(avg(tone_match::int), 4) AS tone_match_rate, round(avg(humor_effectiveness), 4) AS mean_humor,
       round(avg(edit_distance)::numeric, 4) AS mean_edit_distance
FROM model_feedback AS f LEFT JOIN custom_models AS m ON m.id = f.custom_model_id GROUP BY f.organization_id, f.custom_model_id, m.version;
CREATE VIEW differs AS
SELECT coalesce(p.version, s.version) AS version, p.feedback AS plain, s.feedback AS counted FROM plain AS p
FULL JOIN (SELECT o.id AS organization_id, s.* FROM organizations AS o, trainer_feedback_summary(o.id) AS s) AS s ON s.organization_id = p.organization_id AND s.version IS NOT DISTINCT FROM p.version
WHERE (p.feedback, p.approved, p.rejected, p.edited, p.regenerated, p.approval_rate, p.mean_rating, p.mean_quality, p.tone_match_rate, p.mean_humor, p.mean_edit_distance)
  IS DISTINCT FROM (s.feedback, s.approved, s.rejected, s.edited, s.regenerated, s.approval_rate, s.mean_rating, s.mean_quality, s.tone_match_rate, s.mean_humor, s.mean_edit_distance);
SELECT model_name, version, feedback, approved, rejected, edited, regenerated, approval_rate, mean_rating, stars, mean_quality, tone_match_rate, mean_humor, mean_edit_distance FROM trainer_feedback_summary(org(1));
SELECT version, feedback FROM trainer_feedback_summary(org(1), since => now() - interval '1 hour');
SELECT count(*) FROM trainer_feedback_summary(org(1), since => now() + interval '1 hour');
SELECT feedback, approved FROM trainer_feedback_summary(org(2));
SELECT * FROM differs;
-- Added up by the worker, as it happens; then changed, deleted and taken back, before and after.
SELECT * FROM trainer_roll_up_feedback();
SELECT sum(feedback) = (SELECT count(*) FROM model_feedback) AS all_added_up FROM trainer_feedback_totals;
SELECT version, user_approval_rate, quality_score FROM custom_models ORDER BY version;
SELECT * FROM differs;
UPDATE model_feedback SET rating = 2, feedback_type = 'rejected' WHERE response_id = response(22);
DELETE FROM model_feedback WHERE response_id = response(21);
SELECT count(*) AS changes FROM trainer_feedback_changes;
SELECT * FROM differs;
BEGIN;
INSERT INTO model_feedback (organization_id, response_id, feedback_type, rating) VALUES (org(1), response(12), 'approved', 5);
UPDATE model_feedback SET rating = 1 WHERE response_id = response(12);
DELETE FROM model_feedback WHERE response_id IN (response(12), response(31));
SELECT * FROM differs;
SELECT * FROM trainer_roll_up_feedback();
SELECT * FROM differs;
ROLLBACK;
SELECT * FROM differs;
SELECT * FROM trainer_roll_up_feedback();
SELECT count(*) AS changes FROM trainer_feedback_changes;
SELECT * FROM differs;
-- An organization that goes, and a table that is emptied.
DELETE FROM responses WHERE organization_id = org(2);
SELECT count(*) AS without_their_response FROM model_feedback WHERE organization_id = org(2) AND response_id IS NULL;
DELETE FROM organizations WHERE id = org(2);
SELECT * FROM trainer_roll_up_feedback();
SELECT count(*) AS left_over FROM trainer_feedback_totals WHERE organization_id = org(2);
SELECT * FROM differs;
TRUNCATE model_feedback;
SELECT count(*) FROM trainer_feedback_totals;
SELECT count(*) FROM trainer_collect_feedback(response(13), 'approved');
SELECT * FROM differs;

DROP OWNED BY regress_feedback_app;
SET client_min_messages = warning;
DROP VIEW differs, plain;
DROP EXTENSION trainer CASCADE;
DROP TABLE organizations, comments, responses, roast_metadata;
DROP FUNCTION org(int), response(int), error_of(text);
REVOKE USAGE ON SCHEMA public FROM regress_feedback_app;
DROP ROLE regress_feedback_app;
