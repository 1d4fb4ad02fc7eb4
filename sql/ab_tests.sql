-- A/B tests: what may be started, who is assigned to what, what counts and when, and how a test ends. Replies and verdicts are written by hand, and the
-- worker's looks are called.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
CREATE EXTENSION trainer CASCADE;
CREATE FUNCTION org(n int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT lpad(n::text, 32, '0')::uuid $$;
CREATE FUNCTION model(n int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT md5('m' || n)::uuid $$;
CREATE TABLE organizations (id uuid PRIMARY KEY, plan_id text);
CREATE TABLE comments (id uuid PRIMARY KEY, organization_id uuid, platform text, original_text text);
CREATE TABLE responses (id uuid PRIMARY KEY, organization_id uuid, comment_id uuid, response_text text, created_at timestamptz);
CREATE TABLE roast_metadata (response_id uuid, rqc_score numeric);
INSERT INTO organizations VALUES (org(1), 'plus'), (org(2), 'plus');
SELECT count(*) FROM trainer_attach();
INSERT INTO custom_models (id, organization_id, name, version, base_model, status, fine_tuned_model_id, is_active, verified_at, deployed_at)
VALUES (model(1), org(1), 'one', 1, 'gpt-4o', 'retired', 'ft:1', false, now(), now() - interval '1 day'),
       (model(2), org(1), 'two', 2, 'gpt-4o', 'deployed', 'ft:2', true, now(), now()),
       (model(3), org(1), 'three', 3, 'gpt-4o', 'running', NULL, false, NULL, NULL),
       (model(4), org(2), 'four', 1, 'gpt-4o', 'succeeded', 'ft:4', false, now(), NULL);
\set VERBOSITY default
\set SHOW_CONTEXT never

-- --- the statistics ---
-- acs_bern_1 and srm vectors of docs/statistics.md are tested in core; here: that SQL reaches them, and where they end.
SELECT round(difference::numeric, 6) AS difference, round(lower::numeric, 4) AS lower, round(upper::numeric, 4) AS upper, round(p_value::numeric, 6) AS p
FROM trainer_mean_difference(1000, 750, 750, 1000, 700, 700);
SELECT * FROM trainer_mean_difference(49, 40, 40, 5000, 1, 1);
SELECT * FROM trainer_mean_difference(0, 0, 0, 0, 0, 0);
SELECT * FROM trainer_mean_difference(100, 50, 50, 100, 50, 50, alpha => 0);
\echo :SQLSTATE
SELECT * FROM trainer_mean_difference(100, 'NaN', 50, 100, 50, 50);
SELECT e_value < 1 AS even, p_value FROM trainer_sample_ratio('{510,490}', '{0.5,0.5}');
SELECT e_value > 100 AS broken FROM trainer_sample_ratio('{700,300}', '{0.5,0.5}');
SELECT e_value FROM trainer_sample_ratio('{1,2}', '{1,0}');
SELECT trainer_sample_ratio('{1,2}', '{0.5}');
SELECT trainer_sample_ratio('{{1,2}}', '{0.5,0.5}');
SELECT trainer_sample_ratio('{1,NULL}', '{0.5,0.5}');

-- --- assignment ---
SELECT trainer_bucket('exp', 'salt', 'comment', 'unit'), trainer_bucket('exp', 'salt', 'comment', 'unit') = trainer_bucket('exp', 'salt', 'comment', 'unit') AS same,
  trainer_bucket('ab', 'c', 'u', 'i') <> trainer_bucket('a', 'bc', 'u', 'i') AS lengths_count;
-- The digest of the server over fields with their lengths, to a part of a million: the same numbers, computed by SQL alone.
WITH given AS (SELECT ARRAY['ftx-assign-v1', '', 'exp', 'salt', 'comment', 'unit' || n] AS fields FROM generate_series(1, 200) AS n),
digest AS (SELECT fields, sha256((SELECT string_agg(int4send(octet_length(f)) || convert_to(f, 'UTF8'), '' ORDER BY i) FROM unnest(fields) WITH ORDINALITY AS u(f, i))) AS d FROM given),
word AS (SELECT fields, (SELECT sum(get_byte(d, i) * 256::numeric ^ (7 - i)) FROM generate_series(0, 7) AS i) AS w FROM digest)
SELECT count(*) AS compared, count(*) FILTER (WHERE trainer_bucket(fields[3], fields[4], fields[5], fields[6]) <> floor(w * 1000000 / 2::numeric ^ 64)) AS different FROM word;

-- --- what may be started ---
SELECT trainer_start_ab_test(org(1), duration => '0');
\echo :SQLSTATE
SELECT trainer_start_ab_test(org(1), duration => NULL);
SELECT trainer_start_ab_test(org(1), traffic => 1);
SELECT trainer_start_ab_test(org(1), traffic => 'NaN');
SELECT trainer_start_ab_test(org(1), metric => 'likes');
\echo :SQLSTATE
SELECT trainer_start_ab_test(org(1), alpha => 0);
\echo :SQLSTATE
SELECT trainer_start_ab_test(org(1), alpha => 0.5);
SELECT trainer_start_ab_test(org(1), options => '{"unit": "moon"}');
\echo :SQLSTATE
SELECT trainer_start_ab_test(org(1), options => '{"units": "comment"}');
SELECT trainer_start_ab_test(org(1), options => '{"approval_window": "soon"}');
SELECT trainer_start_ab_test(org(1), options => '{"approval_window": "-1 day"}');
SELECT trainer_start_ab_test(org(1), options => '{"planned_units": 10}');
SELECT trainer_start_ab_test(org(1), options => '{"minimum_effect": 0}');
SELECT trainer_start_ab_test(org(1), options => '{"minimum_effect": 0.7}');
SELECT trainer_start_ab_test(org(1), options => '[]');
SELECT trainer_start_ab_test(org(1), options => '{"unit": "user"}');
\echo :SQLSTATE
SELECT trainer_start_ab_test(org(2));
\echo :SQLSTATE
SELECT trainer_start_ab_test(NULL);
SELECT trainer_start_ab_test(org(1), options => format('{"custom_model_id": "%s"}', model(3))::jsonb);
\echo :SQLSTATE
SELECT trainer_start_ab_test(org(1), options => format('{"custom_model_id": "%s"}', model(4))::jsonb);
\echo :SQLSTATE
SELECT trainer_start_ab_test(org(1), options => format('{"control_model_id": "%s"}', model(2))::jsonb);
SELECT count(*) AS nothing_is_half_done FROM ab_tests;

-- --- a test, and what is not done beside it ---
SELECT id AS test FROM trainer_start_ab_test(org(1), duration => '1 day', traffic => 0.25,
  options => format('{"control_model_id": "%s", "approval_window": "10 seconds", "quality_window": "10 seconds", "minimum_effect": 0.05}', model(1))::jsonb) \gset
SELECT status, traffic, unit, metric, alpha, planned_units, stop_on_decision, plan ->> 'baseline' AS baseline, plan ->> 'fixed_units' AS fixed, plan ->> 'planned_units' AS planned, plan ->> 'summary' AS summary,
  ends_at - started_at BETWEEN interval '24 hours' AND interval '24 hours 1 second' AS a_day FROM ab_tests;
SELECT version, ab_test_enabled, ab_test_started_at IS NOT NULL AS started, ab_test_duration_days FROM custom_models WHERE organization_id = org(1) ORDER BY 1;
SELECT metric, is_primary, outcome_window FROM ab_test_metrics ORDER BY 1;
\set VERBOSITY terse
SELECT trainer_start_ab_test(org(1));
\echo :SQLSTATE
SELECT trainer_deploy_model(model(1));
\echo :SQLSTATE
SELECT trainer_deploy_model(model(1), options => '{"force": true}');
\set VERBOSITY default
SELECT is_active FROM trainer_activate_model(model(1), true);
SELECT kind, detail ->> 'reason' AS reason FROM trainer_event_log ORDER BY id;

-- --- what counts: the first reply of a unit, once its window has passed; a verdict within it; an approval and nothing else ---
CREATE FUNCTION seen(unit text, arm text, age interval, verdict text DEFAULT NULL, verdict_after interval DEFAULT '1 second', score numeric DEFAULT NULL, ms int DEFAULT 100)
RETURNS void LANGUAGE sql AS $$
  WITH made AS (
    INSERT INTO responses VALUES (gen_random_uuid(), org(1), gen_random_uuid(), 'Reply', now() - age) RETURNING id, comment_id),
  written AS (
    INSERT INTO trainer_generations (organization_id, comment_id, response_id, rung, reason, model, response_time_ms, cost_cents, experiment_id, arm, unit, created_at, quality_score, scored_at)
    SELECT org(1), comment_id, id, 'fine_tuned', '', 'x', ms, 0.5, (SELECT t.id FROM ab_tests AS t ORDER BY t.started_at DESC LIMIT 1), arm, md5(unit)::uuid, now() - age, score, now() - age + interval '1 second' FROM made RETURNING response_id)
  INSERT INTO model_feedback (organization_id, response_id, feedback_type, edited_roast, created_at)
  SELECT org(1), id, verdict, 'Edited', now() - age + verdict_after FROM made WHERE verdict IS NOT NULL
$$;
SELECT seen('a', 'custom', '1 minute', 'approved');
SELECT seen('a', 'custom', '50 seconds', 'rejected');
SELECT seen('b', 'custom', '1 minute', 'approved', '11 seconds');
SELECT seen('c', 'control', '1 minute', 'edited');
SELECT seen('d', 'control', '1 second', 'approved', '0');
SELECT seen('e', 'control', '1 minute');
SELECT seen('f', 'control', '1 minute', 'rejected', '1 second', 0.75, 200);
SELECT o.arm, array_agg(outcome ORDER BY outcome) FROM trainer_ab_test_outcomes(:'test', 'user_approval') AS o GROUP BY 1 ORDER BY 1;
SELECT o.arm, array_agg(round(outcome::numeric, 3) ORDER BY outcome) FROM trainer_ab_test_outcomes(:'test', 'quality_score') AS o GROUP BY 1;
SELECT o.arm, array_agg(round(exp(outcome)::numeric) ORDER BY outcome) FROM trainer_ab_test_outcomes(:'test', 'response_time_ms') AS o GROUP BY 1 ORDER BY 1;
SELECT metric, is_primary, custom_n, control_n, decided, summary FROM trainer_ab_test_results(:'test');
SELECT trainer_ab_test_results(model(9));
\echo :SQLSTATE

-- --- enough of it: a guardrail and the metric itself ---
SELECT count(seen('u' || n, CASE WHEN n % 4 = 0 THEN 'custom' ELSE 'control' END, '1 minute', CASE WHEN n % 4 = 0 OR n % 3 = 0 THEN 'approved' ELSE 'rejected' END,
  '1 second', NULL, CASE WHEN n % 4 = 0 THEN 300 ELSE 100 END + n % 7)) FROM generate_series(1, 800) AS n;
SELECT metric, custom_n, round(custom_mean::numeric, 3) AS custom, control_n, round(control_mean::numeric, 3) AS control, round(difference::numeric, 3) AS difference,
  lower < difference AND difference < upper AS inside, p_value < 0.05 AS small_p, decision, sample_ratio_ok, summary FROM trainer_ab_test_results(:'test');
-- The same means by plain SQL over the raw rows.
SELECT g.arm, count(*), round(avg((EXISTS (SELECT FROM model_feedback AS f WHERE f.response_id = g.response_id AND f.feedback_type = 'approved' AND f.created_at < g.created_at + interval '10 seconds'))::int), 3) AS approved
FROM (SELECT DISTINCT ON (unit) * FROM trainer_generations WHERE experiment_id = :'test' ORDER BY unit, created_at) AS g WHERE g.created_at < now() - interval '10 seconds' GROUP BY 1 ORDER BY 1;
SELECT status, decision, reason FROM trainer_look_at_ab_test(:'test');
SELECT version, ab_test_enabled, ab_test_wins FROM custom_models WHERE organization_id = org(1) ORDER BY 1;
-- What was decided stays, whatever comes later.
SELECT count(seen('v' || n, 'custom', '1 minute', 'rejected')) FROM generate_series(1, 5) AS n;
SELECT metric, decision, custom_n FROM trainer_ab_test_results(:'test');
SELECT status FROM trainer_look_at_ab_test(:'test');
SELECT kind, detail ->> 'decision' AS decision FROM trainer_event_log WHERE kind LIKE 'ab\_test%' ORDER BY id;
SELECT status, kept FROM trainer_stop_ab_test(:'test', keep => 'moon');
SELECT status, kept FROM trainer_stop_ab_test(:'test', keep => 'control');
SELECT version, is_active FROM custom_models WHERE organization_id = org(1) ORDER BY 1;

-- --- arms that did not get their shares: no winner ---
SELECT id AS broken FROM trainer_start_ab_test(org(1), options => '{"approval_window": "0", "quality_window": "0", "stop_on_decision": true}') \gset
SELECT planned_units, plan FROM ab_tests WHERE id = :'broken';
SELECT count(seen('w' || n, CASE WHEN n % 5 = 0 THEN 'control' ELSE 'custom' END, '1 minute', CASE WHEN n % 5 = 0 THEN 'rejected' ELSE 'approved' END, '-1 second')) FROM generate_series(1, 500) AS n;
SELECT metric, decided, decision, sample_ratio_ok, summary FROM trainer_ab_test_results(:'broken');
SELECT status, decision FROM trainer_look_at_ab_test(:'broken');
UPDATE ab_tests SET ends_at = now() - interval '1 second' WHERE id = :'broken';
SELECT status, decision, reason FROM trainer_look_at_ab_test(:'broken');

-- --- its time is over before anything is decided: the outcomes of the last units are waited for ---
SELECT id AS late FROM trainer_start_ab_test(org(1), options => '{"approval_window": "1 hour"}') \gset
UPDATE ab_tests SET ends_at = now() - interval '1 minute' WHERE id = :'late';
SELECT status, decision FROM trainer_look_at_ab_test(:'late');
SELECT version FROM trainer_deploy_model(model(2));
UPDATE ab_tests SET ends_at = now() - interval '2 hours' WHERE id = :'late';
SELECT status, decision, reason FROM trainer_look_at_ab_test(:'late');

-- --- stopped, rolled back, erased; the base model is kept ---
SELECT id AS stopped FROM trainer_start_ab_test(org(1)) \gset
SELECT status, reason LIKE 'stopped by %' AS by_whom, kept FROM trainer_stop_ab_test(:'stopped', keep => 'base');
SELECT count(*) FILTER (WHERE is_active) AS serving FROM custom_models WHERE organization_id = org(1);
SELECT version FROM trainer_deploy_model(model(2));
SELECT id AS rolled FROM trainer_start_ab_test(org(1)) \gset
SELECT version FROM trainer_rollback_model(org(1));
SELECT status, reason FROM ab_tests WHERE id = :'rolled';
SELECT id AS erased FROM trainer_start_ab_test(org(1)) \gset
UPDATE custom_models SET is_active = false, status = 'retired', erased_at = now() WHERE id = (SELECT custom_model_id FROM ab_tests WHERE id = :'erased');
SELECT status, reason FROM trainer_look_at_ab_test(:'erased');
SELECT trainer_stop_ab_test(model(9));

-- --- the plan ---
SELECT round(baseline::numeric, 2) AS baseline, fixed_units, planned_units, expected_units, days, summary FROM trainer_plan_ab_test(org(2), 0.05);
SELECT fixed_units, planned_units FROM trainer_plan_ab_test(org(2), 0.05, traffic => 0.1);
SELECT fixed_units, planned_units FROM trainer_plan_ab_test(org(2), 0.1, metric => 'response_time_ms');
SELECT trainer_plan_ab_test(org(2), -1, metric => 'cost_cents');
SELECT trainer_plan_ab_test(org(2), NULL);
DROP EXTENSION trainer CASCADE;
DROP TABLE organizations, comments, responses, roast_metadata;
DROP FUNCTION org, model;
