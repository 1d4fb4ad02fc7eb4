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
SELECT model_name, version, feedback, approved, rejected, edited, regenerated, approval_rate, mean_rating, stars, mean_quality, tone_match_rate, mean_humor FROM trainer_feedback_summary(org(1));
SELECT version, feedback FROM trainer_feedback_summary(org(1), since => now() - interval '1 hour');
SELECT count(*) FROM trainer_feedback_summary(org(1), since => now() + interval '1 hour');
SELECT sum(feedback) = (SELECT count(*) FROM model_feedback WHERE organization_id = org(1)) AS all_counted FROM trainer_feedback_summary(org(1));
SELECT feedback, approved FROM trainer_feedback_summary(org(2));

DROP OWNED BY regress_feedback_app;
DROP EXTENSION trainer CASCADE;
DROP TABLE organizations, comments, responses, roast_metadata;
DROP FUNCTION org(int), response(int), error_of(text);
REVOKE USAGE ON SCHEMA public FROM regress_feedback_app;
DROP ROLE regress_feedback_app;
