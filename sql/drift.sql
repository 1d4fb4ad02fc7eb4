-- Drift: what each stream's reference is, what is seen beside it, what too little is, and what a drift leads to. Replies, scores and verdicts are written by
-- hand, in the past, and the worker's looks are called.
SET client_min_messages = warning;
-- What a drift that is a regression leads to is in regressions.sql.
SET trainer.rollback_on_regression = off;
DROP EXTENSION IF EXISTS trainer CASCADE;
CREATE EXTENSION trainer CASCADE;
\set VERBOSITY default
\set SHOW_CONTEXT never
CREATE FUNCTION org(n int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT lpad(n::text, 32, '0')::uuid $$;
CREATE FUNCTION model(n int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT md5('m' || n)::uuid $$;
CREATE TABLE organizations (id uuid PRIMARY KEY, plan_id text);
CREATE TABLE comments (id uuid PRIMARY KEY, organization_id uuid, platform text, original_text text);
CREATE TABLE responses (id uuid PRIMARY KEY, organization_id uuid, comment_id uuid, response_text text, created_at timestamptz);
CREATE TABLE roast_metadata (response_id uuid, rqc_score numeric);
CREATE INDEX ON roast_metadata (response_id);
INSERT INTO organizations SELECT org(n), 'plus' FROM generate_series(1, 6) AS n;
SELECT count(*) FROM trainer_attach();
INSERT INTO custom_models (id, organization_id, name, version, base_model, status, fine_tuned_model_id, is_active, verified_at, deployed_at, serving_since)
SELECT model(n), org(n), 'one', 1, 'gpt-4o', 'deployed', 'ft:' || n, true, now(), now() - interval '20 days', now() - interval '20 days' FROM generate_series(1, 5) AS n;

-- --- the methods, by themselves ---
SELECT round(statistic::numeric, 4) AS psi, round(threshold::numeric, 4) AS threshold, round(p_value::numeric, 4) AS p, drifted FROM trainer_category_drift('{400,300,300}', '{120,90,90}');
SELECT round(statistic::numeric, 4) AS psi, round(threshold::numeric, 4) AS threshold, p_value < 1e-9 AS p, drifted FROM trainer_category_drift('{400,300,300}', '{30,90,180}');
-- The index by hand: half a unit is added to every cell.
SELECT round(sum((q - p) * ln(q / p)), 4) AS psi FROM (SELECT (r + 0.5) / 1001.5 AS p, (c + 0.5) / 301.5 AS q FROM unnest('{400,300,300}'::numeric[], '{30,90,180}'::numeric[]) AS cell (r, c)) AS share;
SELECT trainer_category_drift('{1,2}', '{1}');
\echo :SQLSTATE
SELECT trainer_category_drift('{1,-2}', '{1,1}');
SELECT trainer_category_drift('{0,0}', '{1,1}');
SELECT length(trainer_word_set('The cat')) AS bytes, bit_count(trainer_word_set('The cat, the CAT!')) AS words;
WITH t AS (SELECT string_agg(trainer_word_set('a word like w' || n % 40), '') AS before, string_agg(trainer_word_set('another like w' || n % 40), '') AS after FROM generate_series(1, 200) AS n)
SELECT round(s.statistic) BETWEEN 1 AND 20 AS same, NOT s.drifted AS is_same, o.statistic = 1000 AS other, o.drifted FROM t, trainer_vocabulary_drift(before, before) AS s, trainer_vocabulary_drift(before, after) AS o;
SELECT trainer_vocabulary_drift('\x00', '\x00');
\echo :SQLSTATE
-- In two parts as in one.
SELECT a.masses = c.masses AS same, c.fall > 10000 AS far, c.threshold FROM trainer_score_drift(400, 300, 240, 0.03, array_fill(0.2::float8, ARRAY[60]), '{}') AS a,
  trainer_score_drift(400, 300, 240, 0.03, array_fill(0.2::float8, ARRAY[20]), '{}') AS b, trainer_score_drift(400, 300, 240, 0.03, array_fill(0.2::float8, ARRAY[40]), b.masses) AS c;
SELECT trainer_score_drift(400, 300, 240, 0.03, '{1.5}', '{}');
\echo :SQLSTATE
SELECT trainer_score_drift(400, 300, 240, 0.03, '{0.5}', '{1}');

-- --- the streams ---
-- n replies of an organization, one every `gap` from `since` ago on: score and approval by what they are in the mean, comments of about so many words of a kind.
CREATE FUNCTION replied(org int, n int, since interval, gap interval, score numeric, approved numeric, words int, kind text, of_x numeric DEFAULT 0.5) RETURNS bigint LANGUAGE sql AS $$
  WITH made AS (
    SELECT md5(org || kind || extract(epoch FROM since)::int || '/' || i)::uuid AS id, now() - since + i * gap AS at, i FROM generate_series(1, n) AS i),
  comment AS (
    INSERT INTO comments SELECT id, org(org), CASE WHEN get_byte(uuid_send(id), 3) < 256 * of_x THEN 'x' ELSE 'bluesky' END,
      (SELECT string_agg(kind || get_byte(uuid_send(id), w % 16) % 20, ' ') FROM generate_series(1, words + get_byte(uuid_send(id), 4) % 4) AS w) FROM made),
  reply AS (
    INSERT INTO responses SELECT id, org(org), id, 'Reply', at FROM made),
  score AS (
    INSERT INTO roast_metadata SELECT id, round(score + (get_byte(uuid_send(id), 0) - 127.5) / 1000, 3) FROM made WHERE score IS NOT NULL),
  written AS (
    INSERT INTO trainer_generations (organization_id, comment_id, response_id, custom_model_id, rung, reason, model, response_time_ms, created_at)
    SELECT org(org), id, id, (SELECT m.id FROM custom_models AS m WHERE m.organization_id = org(org) AND m.is_active), 'fine_tuned', '', 'x', 100, at FROM made),
  judged AS (
    INSERT INTO model_feedback (organization_id, response_id, feedback_type, created_at)
    SELECT org(org), id, CASE WHEN get_byte(uuid_send(id), 1) < 256 * approved THEN 'approved' ELSE 'rejected' END, at + interval '10 minutes' FROM made)
  SELECT count(*) FROM made
$$;
-- As often as there is something new.
CREATE FUNCTION look(org int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE told bigint := 0; BEGIN
  FOR i IN 1 .. 8 LOOP told := told + trainer_look_at_drift(org(org)); END LOOP; RETURN told;
END $$;
CREATE FUNCTION report(org int, OUT stream text, OUT reference text, OUT current text, OUT statistic numeric, OUT threshold numeric, OUT drifted boolean, OUT since boolean)
RETURNS SETOF record LANGUAGE sql AS $$
  SELECT stream, coalesce(reference ->> 'mean', reference ->> 'n'), coalesce(current ->> 'mean', current ->> 'n'), round(statistic::numeric, 3), round(threshold::numeric, 3), drifted, since BETWEEN now() - interval '1 hour' AND clock_timestamp()
  FROM trainer_drift_report(org(org)) $$;

-- Too little: nothing is known, a reference that is not whole, a window that is not.
SELECT * FROM report(1);
SELECT look(1);
SELECT replied(1, 250, '19 days', '45 minutes', 0.8, 0.8, 6, 'a');
SELECT look(1);
SELECT * FROM report(1);
SELECT n, cardinality(masses) AS masses, seen_at > now() - interval '12 days' AS seen FROM trainer_drift_streams WHERE organization_id = org(1) AND stream = 'user_approval';
-- 300 units and a week: it is whole. What is seen after it is the same.
SELECT replied(1, 100, '11 days', '10 minutes', 0.8, 0.8, 6, 'a');
SELECT look(1);
SELECT * FROM report(1);
SELECT replied(1, 600, '9 days', '12 minutes', 0.8, 0.8, 6, 'a');
SELECT look(1);
SELECT * FROM report(1) WHERE stream IN ('quality_score', 'user_approval', 'input_length', 'platform_mix');
-- What it says is what plain SQL says: of scores and approvals the last 200, and of inputs the last window.
WITH unit AS (
  SELECT g.created_at, (SELECT max(q.rqc_score) FROM roast_metadata AS q WHERE q.response_id = g.response_id) AS score,
         EXISTS (SELECT FROM model_feedback AS f WHERE f.response_id = g.response_id AND f.feedback_type = 'approved')::int AS approved, row_number() OVER (ORDER BY g.created_at) AS place
  FROM trainer_generations AS g WHERE g.organization_id = org(1) ORDER BY 1)
SELECT round(avg(score) FILTER (WHERE place <= 300), 4) AS quality_reference, round(avg(score) FILTER (WHERE place > 750), 4) AS quality_current,
       round(avg(approved) FILTER (WHERE place <= 300), 4) AS approval_reference, round(avg(approved) FILTER (WHERE place > 750), 4) AS approval_current FROM unit;
WITH unit AS (SELECT row_number() OVER (ORDER BY g.created_at) AS place, avg.v AS v
  FROM trainer_generations AS g CROSS JOIN LATERAL (SELECT max(q.rqc_score) AS v FROM roast_metadata AS q WHERE q.response_id = g.response_id) AS avg WHERE g.organization_id = org(1)),
 reference AS (SELECT count(*) AS n, sum(v)::float8 AS s, sum(v * v)::float8 AS q FROM unit WHERE place <= 300)
SELECT abs(greatest(d.fall, d.rise) - r.statistic) < 1e-9 * r.statistic AS the_same_as_all_at_once FROM reference, trainer_drift_report(org(1)) AS r,
  trainer_score_drift(reference.n, reference.s, reference.q, 0.02, ARRAY(SELECT v::float8 FROM unit WHERE place > 300 ORDER BY place), '{}') AS d WHERE r.stream = 'quality_score';
SELECT abs(r.statistic - d.statistic) < 1e-9 AS the_same FROM trainer_drift_report(org(1)) AS r CROSS JOIN LATERAL (
  SELECT array_agg(coalesce((r.reference #>> ARRAY['counts', k])::bigint, 0) ORDER BY k) AS a, array_agg(coalesce((r.current #>> ARRAY['counts', k])::bigint, 0) ORDER BY k) AS b
  FROM unnest(ARRAY['x', 'bluesky']) AS k) AS c, trainer_category_drift(c.a, c.b) AS d WHERE r.stream = 'platform_mix';

-- Scores and approvals fall, one organization; the comments are other ones in another.
SELECT replied(2, 400, '20 days', '30 minutes', 0.8, 0.8, 6, 'a'), replied(3, 400, '20 days', '30 minutes', 0.8, 0.8, 6, 'a');
SELECT look(2), look(3);
SELECT replied(2, 400, '11 days', '30 minutes', 0.7, 0.5, 6, 'a'), replied(3, 400, '11 days', '30 minutes', 0.8, 0.8, 20, 'b', 0.9);
SELECT look(2), look(3);
SELECT stream, reference, current, statistic >= threshold AS beyond, drifted, since FROM report(2);
SELECT stream, reference, current, statistic >= threshold AS beyond, drifted, since FROM report(3);
SELECT look(2), look(3);
SELECT detail ->> 'stream' AS stream, count(*) AS told, bool_and(custom_model_id IN (model(2), model(3))) AS of_the_model FROM trainer_event_log WHERE kind = 'drift' GROUP BY 1 ORDER BY 1;
-- One decision a model is open at a time; it goes by the same rules as any other.
SELECT m.id = model(2) AS two, d.decision, d.reason, d.drift, d.generation, d.feedback, d.forced, d.due_at IS NOT NULL AS due FROM trainer_retraining_decisions AS d JOIN custom_models AS m ON m.id = d.custom_model_id ORDER BY 1, d.created_at;
SELECT r.decision, r.reason FROM trainer_retraining_decisions AS d, trainer_retrain(d.id) AS r ORDER BY r.reason;
UPDATE custom_models SET created_at = now() - interval '20 days';
SELECT r.decision, r.reason FROM trainer_retraining_decisions AS d, trainer_retrain(d.id) AS r ORDER BY r.reason;

-- A drift stays one until there is another reference: by another deployment, or because it is accepted.
SELECT replied(2, 60, '2 days', '10 minutes', 0.8, 0.8, 6, 'a');
SELECT look(2);
SELECT stream, drifted FROM report(2) WHERE drifted;
SELECT count(*) FILTER (WHERE reference IS NULL AND statistic IS NULL AND NOT drifted) AS begin_anew FROM trainer_accept_drift(org(2));
SELECT look(2);
SELECT count(*) FILTER (WHERE drifted) AS drifted FROM report(2);
SELECT count(*) FILTER (WHERE drifted) AS drifted FROM report(3);
UPDATE custom_models SET serving_since = now() WHERE id = model(3);
SELECT count(*) FILTER (WHERE drifted OR reference IS NOT NULL) AS drifted FROM report(3);
SELECT look(3);
SELECT count(*) FILTER (WHERE serving_since = (SELECT serving_since FROM custom_models WHERE id = model(3)) AND reference IS NULL) AS begin_anew FROM trainer_drift_streams WHERE organization_id = org(3);

-- Replies of other models, and those that were never used, do not count; no more does a score that is not between 0 and 1.
SELECT replied(4, 290, '20 days', '40 minutes', 0.8, 0.8, 6, 'a');
UPDATE trainer_generations SET custom_model_id = NULL WHERE organization_id = org(4) AND get_byte(uuid_send(comment_id), 0) < 50;
UPDATE trainer_generations SET response_id = NULL WHERE organization_id = org(4) AND custom_model_id IS NOT NULL AND get_byte(uuid_send(comment_id), 0) > 200;
INSERT INTO roast_metadata SELECT response_id, 1.01 FROM trainer_generations WHERE organization_id = org(4);
SELECT look(4);
SELECT (SELECT count(*) FROM trainer_generations WHERE organization_id = org(4) AND custom_model_id = model(4) AND response_id IS NOT NULL) = n AS counted, n FROM trainer_drift_streams WHERE organization_id = org(4) AND stream = 'quality_score';

-- Without a custom model: the base model has its streams as well, and no retraining.
SELECT replied(6, 400, '20 days', '30 minutes', NULL, 0.8, 6, 'a'), replied(6, 400, '11 days', '30 minutes', NULL, 0.4, 6, 'a');
SELECT look(6);
SELECT stream, reference, drifted FROM report(6) WHERE stream IN ('quality_score', 'user_approval');
SELECT count(*) FROM trainer_retraining_decisions WHERE organization_id = org(6);
-- The app's comments are gone: of such a window nothing is said.
SELECT replied(5, 400, '20 days', '30 minutes', 0.8, 0.8, 6, 'a');
SELECT look(5);
SELECT replied(5, 400, '11 days', '30 minutes', 0.8, 0.8, 20, 'b');
DELETE FROM comments WHERE organization_id = org(5);
SELECT look(5);
SELECT stream, reference IS NOT NULL AS has_reference, statistic IS NOT NULL AS has_statistic, drifted FROM report(5);
-- Without the app's tables there are no scores and no comments to look at.
SELECT trainer_detach();
SELECT trainer_look_at_drift(org(5));
\echo :SQLSTATE
SELECT count(*) FROM trainer_drift_report(NULL);
DROP EXTENSION trainer CASCADE;
DROP TABLE organizations, comments, responses, roast_metadata;
DROP FUNCTION org, model, replied, look, report;
