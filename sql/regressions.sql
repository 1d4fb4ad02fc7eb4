-- A model that serves and becomes worse than it was: what is noticed, and that the one before it serves again. Replies, scores and verdicts are written by hand,
-- in the past, and the worker's looks are called.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
CREATE EXTENSION trainer CASCADE;
\set VERBOSITY default
\set SHOW_CONTEXT never
CREATE FUNCTION org(n int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT lpad(n::text, 32, '0')::uuid $$;
CREATE FUNCTION model(org int, version int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT md5(org || 'v' || version)::uuid $$;
CREATE TABLE organizations (id uuid PRIMARY KEY, plan_id text);
CREATE TABLE comments (id uuid PRIMARY KEY, organization_id uuid, platform text, original_text text);
CREATE TABLE responses (id uuid PRIMARY KEY, organization_id uuid, comment_id uuid, response_text text, created_at timestamptz);
CREATE TABLE roast_metadata (response_id uuid PRIMARY KEY, rqc_score numeric);
INSERT INTO organizations SELECT org(n), 'plus' FROM generate_series(1, 9) AS n;
SELECT count(*) FROM trainer_attach();
INSERT INTO custom_models (id, organization_id, name, version, base_model, status, fine_tuned_model_id, is_active, verified_at, deployed_at, serving_since)
SELECT model(o, v), org(o), 'Model', v, 'gpt-4o', CASE v WHEN 3 THEN 'deployed' ELSE 'retired' END, 'ft:' || v, v = 3, now(), now() - (40 - 7 * v) * interval '1 day', now() - (40 - 7 * v) * interval '1 day'
FROM generate_series(1, 9) AS o, generate_series(1, 3) AS v;

-- n replies, one every half hour from `since` ago on: score, share that is approved (null: nobody judges), milliseconds, share for which the base model had to answer.
CREATE FUNCTION replied(org int, n int, since interval, score numeric DEFAULT 0.8, approved numeric DEFAULT 0.8, ms int DEFAULT 100, errors numeric DEFAULT 0) RETURNS bigint LANGUAGE sql AS $$
  WITH made AS (SELECT md5(org || '/' || since || '/' || i)::uuid AS id, now() - since + i * interval '30 minutes' AS at, i FROM generate_series(1, n) AS i),
  comment AS (INSERT INTO comments SELECT id, org(org), 'bluesky', 'A comment' FROM made),
  reply AS (INSERT INTO responses SELECT id, org(org), id, 'A reply', at FROM made),
  score AS (INSERT INTO roast_metadata SELECT id, score + (i % 11 - 5) * 0.02 FROM made WHERE score IS NOT NULL),
  written AS (
    INSERT INTO trainer_generations (organization_id, comment_id, response_id, custom_model_id, rung, reason, model, response_time_ms, created_at)
    SELECT org(org), id, id, CASE WHEN NOT failed THEN (SELECT m.id FROM custom_models AS m WHERE m.organization_id = org(org) AND m.is_active) END, CASE WHEN failed THEN 'base' ELSE 'fine_tuned' END, CASE WHEN failed THEN 'fine_tuned: server_error' ELSE '' END,
           'x', ms + i % 20, at
    FROM made CROSS JOIN LATERAL (SELECT i % 100 < errors * 100) AS f (failed)),
  judged AS (
    INSERT INTO model_feedback (organization_id, response_id, feedback_type, created_at)
    SELECT org(org), id, CASE WHEN i * 37 % 100 < 100 * approved THEN 'approved' ELSE 'rejected' END, at + interval '10 minutes' FROM made WHERE approved IS NOT NULL)
  SELECT count(*) FROM made
$$;
CREATE FUNCTION look(org int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE told bigint := 0; BEGIN
  FOR i IN 1 .. 6 LOOP told := told + trainer_look_at_drift(org(org)); END LOOP; RETURN told;
END $$;
CREATE FUNCTION serves(org int) RETURNS int LANGUAGE sql AS $$ SELECT version FROM custom_models WHERE organization_id = org(org) AND is_active $$;
CREATE VIEW told AS SELECT right(organization_id::text, 1)::int AS org, kind, detail ->> 'stream' AS stream, detail ->> 'regression' AS regression FROM trainer_event_log
  WHERE kind IN ('drift', 'regression_rolled_back', 'model_rolled_back') ORDER BY 1, id;

-- What each was, which is not worse than itself.
SELECT count(replied(o, 400, '18 days')) FROM generate_series(1, 9) AS o;
SELECT sum(look(o)) AS told FROM generate_series(1, 9) AS o;
SELECT stream, reference FROM trainer_drift_report(org(1)) WHERE stream <> 'input_vocabulary';
SELECT sum(replied(o, 100, '9 days')) FROM generate_series(1, 9) AS o;
SELECT sum(look(o)) AS told FROM generate_series(1, 9) AS o;

-- Scores, approvals, times, errors: each takes the model back, and is told once.
SELECT replied(1, 150, '6 days', score => 0.5), replied(2, 150, '6 days', approved => 0.4), replied(3, 150, '6 days', ms => 500), replied(4, 150, '6 days', errors => 0.3);
-- What is better, or other, does not: higher scores, shorter times. No more does it that nobody judges.
SELECT replied(5, 150, '6 days', score => 0.9, ms => 10), replied(6, 150, '6 days', approved => NULL);
SELECT o, look(o) AS told, serves(o) FROM generate_series(1, 6) AS o;
SELECT * FROM told;
SELECT o, look(o) AS told, serves(o) FROM generate_series(1, 6) AS o;
SELECT m.version, m.status, m.deployed_at IS NULL AS out_of_history FROM custom_models AS m WHERE m.organization_id = org(1) ORDER BY 1;
-- What serves now has a reference of its own.
SELECT custom_model_id = model(1, 2) AS of_version_2, count(*) FILTER (WHERE reference IS NULL AND since IS NULL) AS begun_anew FROM trainer_drift_streams WHERE organization_id = org(1) GROUP BY 1;

-- A second time within a day it is told, and nothing else: what makes two versions worse is not the version.
UPDATE custom_models SET serving_since = now() - interval '19 days' WHERE id = model(2, 2);
UPDATE trainer_generations SET custom_model_id = model(2, 2) WHERE organization_id = org(2);
SELECT look(2) AS told, serves(2);
SELECT * FROM told WHERE org = 2;
-- Some errors of a version that a person takes back are none of the one that serves again.
SELECT replied(6, 20, '1 day', errors => 0.1);
SELECT version FROM trainer_rollback_model(org(6));
SELECT look(6) AS told, serves(6);
-- Where it is switched off, as well.
SET trainer.rollback_on_regression = off;
SELECT replied(7, 150, '6 days', errors => 0.5);
SELECT look(7) AS told, serves(7);
RESET trainer.rollback_on_regression;
SELECT look(7) AS told, serves(7);
-- While an experiment runs, that is what compares; afterwards its replies are looked at.
SELECT replied(8, 150, '6 days', score => 0.5);
INSERT INTO ab_tests (organization_id, custom_model_id, traffic, unit, metric, alpha, planned_units, stop_on_decision, ends_at)
  VALUES (org(8), model(8, 3), 0.5, 'comment', 'user_approval', 0.05, 2000, true, now() + interval '1 day');
SELECT look(8) AS told, serves(8);
SELECT stopped.status FROM ab_tests, trainer_stop_ab_test(id) AS stopped WHERE ab_tests.organization_id = org(8);
SELECT look(8) AS told, serves(8);
-- The first version of all goes back to the base model.
DELETE FROM custom_models WHERE organization_id = org(9) AND version < 3;
SELECT replied(9, 150, '6 days', score => 0.5);
SELECT look(9) AS told, serves(9);
SELECT stream, custom_model_id, reference FROM trainer_drift_streams WHERE organization_id = org(9) AND stream = 'errors';
SELECT * FROM told WHERE org > 6;
DROP EXTENSION trainer CASCADE;
DROP VIEW IF EXISTS told;
DROP TABLE organizations, comments, responses, roast_metadata;
DROP FUNCTION org, model, replied, look, serves;
