-- Metrics: what they count, what becomes of a counter when rows are deleted, and the text that Prometheus reads. No worker looks at this database;
-- what the worker and the sessions count is the matter of test/t/101_metrics.pl.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
CREATE EXTENSION trainer CASCADE;
SELECT trainer_pause_worker('a regression test');
RESET client_min_messages;
\pset format unaligned
CREATE FUNCTION org(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT lpad(n::text, 32, '0')::uuid $$;
CREATE FUNCTION model(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT ('b0000000' || lpad(n::text, 24, '0'))::uuid $$;
-- Those whose name begins so, and what they are.
CREATE FUNCTION metrics(names text) RETURNS TABLE (metric text, value text) LANGUAGE sql AS $$
  SELECT name || trainer_metric_labels(labels), round(value::numeric, 4)::text FROM trainer_metrics WHERE name ~ ('^trainer_(' || names || ')') ORDER BY name COLLATE "C", labels::text COLLATE "C"
$$;

-- --- nothing is there yet ---

SELECT name, count(*) AS series, max(type) AS type FROM trainer_metrics GROUP BY 1 ORDER BY name COLLATE "C";
SELECT sum(value) FROM trainer_metrics WHERE name ~ '^trainer_(models|serving|trainings|training_duration|feedback|ab_tests|rollouts|running|drifted|queue_items)';
SELECT * FROM metrics('worker_(up|paused)');

-- --- trainings: how they end, how long they take, what they cost ---

INSERT INTO custom_models (id, organization_id, name, version, base_model, status) SELECT model(n), org(n), 'n', 1, 'gpt-4o', 'running' FROM generate_series(1, 5) n;
UPDATE custom_models SET status = 'evaluating', training_cost_cents = 250, training_duration_seconds = 600 WHERE id IN (model(1), model(2));
UPDATE custom_models SET status = 'succeeded', fine_tuned_model_id = 'ft:' || id WHERE id IN (model(1), model(2));
UPDATE custom_models SET status = 'failed' WHERE id = model(3);
UPDATE custom_models SET status = 'cancelled' WHERE id = model(4);
-- The provider counts its tokens anew, upwards or not.
UPDATE custom_models SET training_cost_cents = 300 WHERE id = model(1);
UPDATE custom_models SET training_cost_cents = 200 WHERE id = model(2);
-- What serves has not been trained again.
UPDATE custom_models SET status = 'deployed', is_active = true, serving_since = now() WHERE id = model(1);
UPDATE custom_models SET status = 'retired', is_active = false WHERE id = model(1);
UPDATE custom_models SET status = 'succeeded' WHERE id = model(1);
-- Nor has what is asked again before it serves, and does not answer.
UPDATE custom_models SET verified_at = now() WHERE id = model(2);
UPDATE custom_models SET status = 'evaluating' WHERE id = model(2);
UPDATE custom_models SET status = 'failed' WHERE id = model(2);
UPDATE custom_models SET status = 'evaluating' WHERE id = model(2);
UPDATE custom_models SET status = 'succeeded' WHERE id = model(2);
INSERT INTO custom_models (id, organization_id, name, version, base_model, kind, status) VALUES (model(6), org(6), 'n', 1, 'gpt-4o', 'exemplar', 'pending');
UPDATE custom_models SET status = 'succeeded' WHERE id = model(6);
CREATE VIEW of_trainings AS SELECT * FROM metrics('models|serving|training|cost_cents_total\{?') WHERE value <> '0.0000' AND metric !~ 'inference';
SELECT * FROM of_trainings;
-- Counters do not go down, and folding changes nothing that is seen.
SELECT trainer_fold_metrics();
SELECT name, label, n, amount, folded FROM trainer_metric_totals ORDER BY 1, 2;
DELETE FROM custom_models WHERE id IN (model(2), model(3), model(6));
SELECT * FROM of_trainings;
SELECT trainer_fold_metrics();

-- --- feedback, of each model that serves ---

UPDATE custom_models SET status = 'deployed', is_active = true, serving_since = now() WHERE id = model(1);
INSERT INTO model_feedback (organization_id, custom_model_id, feedback_type) SELECT org(1), model(1), unnest('{approved,approved,approved,rejected}'::text[]);
INSERT INTO model_feedback (organization_id, feedback_type, edited_roast) VALUES (org(2), 'edited', 'x'), (org(2), 'regenerated', NULL);
SELECT * FROM metrics('(model_)?(feedback|approval)');
SELECT moved AS rolled_up FROM trainer_roll_up_feedback();
INSERT INTO model_feedback (organization_id, custom_model_id, feedback_type) VALUES (org(1), model(1), 'rejected');
SELECT * FROM metrics('(model_)?(feedback|approval)');

-- --- experiments, drift, queues ---

INSERT INTO ab_tests (id, organization_id, custom_model_id, status, traffic, unit, metric, alpha, planned_units, stop_on_decision, ends_at)
  SELECT model(n), org(1), model(1), 'maturing', 0.5, 'comment', 'user_approval', 0.05, 1000, true, now() FROM generate_series(1, 4) n;
UPDATE ab_tests SET status = 'completed', ended_at = now(), decision = 'custom' WHERE id = model(1);
UPDATE ab_tests SET status = 'completed', ended_at = now(), decision = 'control' WHERE id = model(2);
UPDATE ab_tests SET status = 'stopped', ended_at = now() WHERE id = model(3);
UPDATE ab_tests SET kept = 'custom' WHERE id = model(3);
INSERT INTO trainer_rollouts (organization_id, custom_model_id, unit, steps, guardrails, policy) SELECT org(1), model(1), 'comment', '[1]', '[]', '{}';
SELECT * FROM metrics('ab_tests|rollouts|running');
UPDATE trainer_rollouts SET state = 'rolled_back', ended_at = now();
DELETE FROM ab_tests WHERE ended_at IS NOT NULL;
SELECT * FROM metrics('ab_tests|rollouts|running');
-- Each arm of what runs, by its own outcomes, as they were when the worker last looked.
INSERT INTO ab_tests (id, organization_id, custom_model_id, traffic, unit, metric, alpha, planned_units, stop_on_decision, ends_at)
  VALUES (model(5), org(1), model(1), 0.5, 'comment', 'cost_cents', 0.05, 1000, true, now());
INSERT INTO ab_test_metrics (organization_id, ab_test_id, metric, is_primary, outcome_window) SELECT org(1), model(5), m, false, '1 day' FROM unnest('{user_approval,cost_cents}'::text[]) m;
INSERT INTO custom_models (id, organization_id, name, version, base_model, status) VALUES (model(7), org(2), 'n', 2, 'gpt-4o', 'succeeded');
INSERT INTO trainer_rollouts (organization_id, custom_model_id, unit, steps, guardrails, policy, evidence) SELECT org(2), model(7), 'comment', '[1]', '[]', '{}',
  '[{"metric": "answered", "canary_n": 5, "canary_mean": 1, "control_n": 5, "control_mean": 1}, {"metric": "user_approval", "canary_n": 40, "canary_mean": 0.75, "control_n": 0, "control_mean": null}]';
SELECT * FROM metrics('arm');
UPDATE ab_test_metrics SET custom_n = 30, custom_mean = 0.6, control_n = 20, control_mean = 0.55 WHERE metric = 'user_approval';
SELECT * FROM metrics('arm');
UPDATE ab_tests SET status = 'completed', ended_at = now() WHERE id = model(5);
UPDATE trainer_rollouts SET state = 'cancelled', ended_at = now() WHERE state = 'running';
SELECT * FROM metrics('arm');
INSERT INTO trainer_drift_streams (organization_id, stream, begins_at, seen_at, since, is_worse)
  VALUES (org(1), 'errors', now(), now(), now(), true), (org(2), 'errors', now(), now(), now(), true), (org(3), 'errors', now(), now(), now(), false),
         (org(4), 'errors', now(), now(), NULL, false), (org(1), 'platform_mix', now(), now(), now(), false);
SELECT * FROM metrics('drifted') WHERE value <> '0.0000';
INSERT INTO trainer_operations (organization_id, custom_model_id, kind, state, due_at, argument)
  VALUES (org(1), model(1), 'poll_job', 'ready', now() - interval '90 s', NULL), (org(1), model(1), 'delete_file', 'reconcile', now() + interval '1 h', 'a'),
         (org(1), model(1), 'delete_file', 'done', now() - interval '1 h', 'b');
BEGIN;
SELECT * FROM metrics('queue_(items|due)') WHERE value <> '0.0000';
SELECT labels, value BETWEEN 90 AND 150 AS since_it_is_due, value FROM trainer_metrics WHERE name = 'trainer_queue_oldest_due_seconds' AND labels ->> 'queue' = 'replies'
UNION ALL SELECT labels, value BETWEEN 90 AND 150, NULL FROM trainer_metrics WHERE name = 'trainer_queue_oldest_due_seconds' AND labels ->> 'queue' = 'operations';
ROLLBACK;

-- --- the number of series does not grow with the organizations ---

CREATE TABLE before AS SELECT count(*) AS series FROM trainer_metrics WHERE name NOT LIKE 'trainer\_model\_%';
INSERT INTO custom_models (organization_id, name, version, base_model, status, is_active, fine_tuned_model_id, serving_since)
  SELECT org(n), 'n', 2, 'gpt-4o', 'deployed', true, 'ft:' || n, now() + n * interval '1 s' FROM generate_series(1000, 1299) n;
SELECT name, count(*), min(labels ->> 'organization_id') AS oldest FROM trainer_metrics WHERE name LIKE 'trainer\_model\_%' GROUP BY 1 ORDER BY 1;
SELECT count(*) - (SELECT series FROM before) AS more FROM trainer_metrics WHERE name NOT LIKE 'trainer\_model\_%';
INSERT INTO ab_tests (organization_id, custom_model_id, traffic, unit, metric, alpha, planned_units, stop_on_decision, started_at, ends_at)
  SELECT m.organization_id, m.id, 0.5, 'comment', 'user_approval', 0.05, 1000, true, m.serving_since, now() FROM custom_models AS m WHERE m.serving_since > now() + interval '1 s';
INSERT INTO ab_test_metrics (organization_id, ab_test_id, metric, is_primary, outcome_window, custom_n, custom_mean, control_n, control_mean)
  SELECT t.organization_id, t.id, 'user_approval', true, '1 day', 10, 0.5, 10, 0.5 FROM ab_tests AS t WHERE t.status = 'running';
SELECT name, count(*), min(labels ->> 'organization_id') AS oldest FROM trainer_metrics WHERE name LIKE 'trainer\_arm\_%' GROUP BY 1 ORDER BY 1;

-- --- what has two homes is the same in both: the states that a table allows, and those that are told of ---

SELECT t.allowed_by AS home, t.known = ARRAY(SELECT m[1] FROM pg_constraint AS c, regexp_matches(pg_get_constraintdef(c.oid), '''(\w+)''', 'g') AS m
                                             WHERE c.conrelid = t.allowed_by AND c.contype = 'c' AND pg_get_constraintdef(c.oid) ~ ('^CHECK \(\(+' || t.column_name || '(\)?::text)? = ANY')
                                             ORDER BY m[1] COLLATE "C") AS same
FROM (SELECT 'custom_models'::regclass AS allowed_by, 'status' AS column_name, array_agg(labels ->> 'status' ORDER BY labels ->> 'status' COLLATE "C") AS known FROM trainer_metrics WHERE name = 'trainer_models'
      UNION ALL SELECT 'trainer_drift_streams', 'stream', array_agg(stream ORDER BY stream COLLATE "C") FROM trainer_drift_stream_list()
      UNION ALL SELECT 'trainer_webhook_deliveries', 'state', array_agg(s ORDER BY s COLLATE "C")
        FROM (SELECT coalesce(labels ->> 'state', labels ->> 'result') AS s FROM trainer_metrics WHERE name ~ '^trainer_webhook_messages') AS m
      UNION ALL SELECT q.of::regclass, 'state', array_agg(s ORDER BY s COLLATE "C")
        FROM (VALUES ('operations', 'trainer_operations', '{done,failed,cancelled}'::text[]), ('replies', 'trainer_generation_requests', '{done,failed}')) AS q (queue, of, ended)
        CROSS JOIN LATERAL (SELECT m.labels ->> 'state' AS s FROM trainer_metrics AS m WHERE m.name = 'trainer_queue_items' AND m.labels ->> 'queue' = q.queue UNION ALL SELECT unnest(q.ended)) AS m
        GROUP BY q.of) AS t ORDER BY 1;
SELECT * FROM metrics('serving');

-- --- the text ---

SELECT trainer_metric_labels('{}'), trainer_metric_labels(jsonb_build_object('le', '+Inf', 'a', E'back\\slash "quoted"\nand a line', 'b', '')) AS escaped;
CREATE TABLE line AS SELECT line, place FROM regexp_split_to_table(trainer_metrics_prometheus(), E'\n') WITH ORDINALITY AS l (line, place);
-- It ends with a line's end; what is not a comment is a name, labels and a number.
SELECT line FROM line WHERE place = (SELECT max(place) FROM line) AND line <> '';
SELECT line FROM line WHERE line !~ '^# (HELP|TYPE) trainer_[a-z_]+ .+$' AND line !~ '^trainer_[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? ([0-9.e+-]+|\+Inf|NaN)$' AND line <> '';
-- One HELP and one TYPE a family, and its lines follow them.
SELECT count(DISTINCT split_part(line, ' ', 3)) = count(*) FILTER (WHERE line LIKE '# HELP%') AND count(*) FILTER (WHERE line LIKE '# HELP%') = count(*) FILTER (WHERE line LIKE '# TYPE%') AS once
FROM line WHERE line LIKE '#%';
SELECT DISTINCT regexp_replace(line, '[{ ].*', '') AS strays FROM line, LATERAL (
  SELECT split_part(t.line, ' ', 3) AS family FROM line AS t WHERE t.line LIKE '# TYPE%' AND t.place < line.place ORDER BY t.place DESC LIMIT 1) AS f
WHERE line.line !~ '^(#|$)' AND regexp_replace(line.line, '[{ ].*', '') NOT IN (family, family || '_bucket', family || '_sum', family || '_count');
-- It says the same as the view, number for number, whatever the session's settings.
SET extra_float_digits = -15;
SELECT count(*) FROM regexp_split_to_table(trainer_metrics_prometheus(), E'\n') AS text WHERE text LIKE 'trainer%';
RESET extra_float_digits;
SELECT count(*) = (SELECT count(*) FROM line WHERE line LIKE 'trainer%') AS as_many FROM trainer_metrics;
SELECT count(*) AS differ FROM trainer_metrics AS m WHERE m.name !~ 'seconds|retries|requests|generations|cost'
  AND NOT EXISTS (SELECT FROM line WHERE line = m.name || trainer_metric_labels(m.labels) || ' ' || m.value);
-- Buckets are cumulative, and the last one is the count.
SELECT count(*) AS broken FROM (
  SELECT b.labels ->> 'kind' AS kind, max(b.value) AS all_of_them, bool_and(b.value >= b.before) AS rising FROM (
    SELECT labels, value, lag(value, 1, 0) OVER (PARTITION BY labels ->> 'kind' ORDER BY (labels ->> 'le')::float8) AS before
    FROM trainer_metrics WHERE name = 'trainer_provider_request_duration_seconds_bucket') AS b GROUP BY 1) AS h
JOIN trainer_metrics AS c ON c.name = 'trainer_provider_request_duration_seconds_count' AND c.labels ->> 'kind' = h.kind
WHERE NOT rising OR all_of_them <> c.value;
-- Every family is told of, but for those that nothing can be said of yet.
SELECT f.name FROM trainer_metric_families() AS f WHERE NOT EXISTS (SELECT FROM trainer_metrics AS m WHERE m.name IN (f.name, f.name || '_count'));

-- --- who may read them ---

SET client_min_messages = warning;
CREATE ROLE trainer_regress_monitor;
CREATE ROLE trainer_regress_viewer;
CREATE ROLE trainer_regress_server;
RESET client_min_messages;
SELECT level FROM trainer_grant('trainer_regress_monitor', 'monitor');
SELECT level FROM trainer_grant('trainer_regress_viewer', 'analyst');
SELECT level FROM trainer_grant('trainer_regress_server', 'app');
GRANT USAGE ON SCHEMA public TO trainer_regress_monitor, trainer_regress_viewer, trainer_regress_server;
CREATE TABLE owner_sees AS SELECT count(*) AS series, sum(value) FILTER (WHERE name !~ 'seconds') AS sum FROM trainer_metrics;
GRANT SELECT ON owner_sees TO PUBLIC;
SET ROLE trainer_regress_monitor;
SELECT count(*) = max(o.series) AND sum(value) FILTER (WHERE name !~ 'seconds') = max(o.sum) AS sees_all FROM trainer_metrics, owner_sees AS o;
SELECT length(trainer_metrics_prometheus()) > 1000 AS text;
-- Nobody's texts, nor any table as a whole.
SELECT original_roast FROM model_feedback;
SELECT name FROM custom_models;
SELECT * FROM training_examples;
SELECT response_text FROM trainer_generation_requests;
SELECT * FROM trainer_worker_status();
SET ROLE trainer_regress_viewer;
SELECT count(*) = max(o.series) AS sees_all FROM trainer_metrics, owner_sees AS o;
SELECT length(trainer_metrics_prometheus()) > 1000 AS text;
SET ROLE trainer_regress_server;
SELECT count(*) FROM trainer_metrics;
SELECT trainer_metrics_prometheus();
RESET ROLE;
SELECT ok FROM trainer_check_grants();
SELECT trainer_revoke('trainer_regress_monitor');
SELECT has_any_column_privilege('trainer_regress_monitor', 'custom_models', 'SELECT') AS still;
SELECT trainer_revoke('trainer_regress_viewer'), trainer_revoke('trainer_regress_server');
REVOKE USAGE ON SCHEMA public FROM trainer_regress_monitor, trainer_regress_viewer, trainer_regress_server;
DROP TABLE before, line, owner_sees;
DROP ROLE trainer_regress_monitor, trainer_regress_viewer, trainer_regress_server;
DROP VIEW of_trainings;
DROP FUNCTION metrics(text), model(int), org(int);
DROP EXTENSION trainer;
