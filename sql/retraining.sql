-- Retraining: when feedback has a model trained anew, why not, what is held out, and how a new version has to prove itself. The worker's steps are
-- called by hand; the provider is replaced by what is written into the rows.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
CREATE EXTENSION trainer CASCADE;
CREATE FUNCTION org(n int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT lpad(n::text, 32, '0')::uuid $$;
CREATE FUNCTION reply(n int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT md5('r' || n)::uuid $$;
CREATE TABLE organizations (id uuid PRIMARY KEY, plan_id text);
CREATE TABLE comments (id uuid PRIMARY KEY, organization_id uuid, platform text, original_text text);
CREATE TABLE responses (id uuid PRIMARY KEY, organization_id uuid, comment_id uuid, response_text text, created_at timestamptz);
CREATE TABLE roast_metadata (response_id uuid, rqc_score numeric);
INSERT INTO organizations VALUES (org(1), 'plus');
INSERT INTO comments SELECT reply(n), org(1), 'x', 'Comment ' || n FROM generate_series(1, 400) AS n;
INSERT INTO responses SELECT reply(n), org(1), reply(n), 'Reply ' || n, timestamptz '2026-01-01' + n * interval '1 min' FROM generate_series(1, 200) AS n;
INSERT INTO roast_metadata SELECT reply(n), 0.9 FROM generate_series(1, 400) AS n;
SELECT count(*) FROM trainer_attach();
CREATE FUNCTION decisions(OUT version int, OUT generation bigint, OUT feedback bigint, OUT decision text, OUT reason text, OUT forced boolean, OUT again boolean, OUT new_version int)
RETURNS SETOF record LANGUAGE sql AS $$
  SELECT m.version, d.generation, d.feedback, d.decision, d.reason, d.forced, d.due_at IS NOT NULL, n.version
  FROM trainer_retraining_decisions AS d JOIN custom_models AS m ON m.id = d.custom_model_id LEFT JOIN custom_models AS n ON n.id = d.new_model_id ORDER BY d.created_at $$;
-- What the worker does when one is due; and with a model that the provider has trained.
CREATE FUNCTION work() RETURNS text LANGUAGE sql AS $$ SELECT (trainer_retrain(d.id)).decision FROM trainer_retraining_decisions AS d WHERE d.due_at IS NOT NULL $$;
CREATE FUNCTION trained(model uuid, loss numeric) RETURNS void LANGUAGE sql AS $$
  UPDATE custom_models SET status = 'succeeded', fine_tuned_model_id = 'ft:' || version, provider_job_id = 'job' || version, verified_at = now(), validation_loss = loss,
    training_started_at = now(), training_completed_at = now() WHERE id = model;
  UPDATE trainer_operations SET state = 'done', finished_at = now() WHERE custom_model_id = model;
  SELECT trainer_activate_model(model, true);
$$;
SELECT (trainer_submit_training((trainer_prepare_dataset(org(1))).id, 'First')).id AS first \gset
SELECT trained(:'first', 1.0);
SELECT version, status, is_active FROM custom_models;

-- --- the threshold ---
SELECT decision, reason, feedback FROM trainer_schedule_retraining(:'first');
INSERT INTO trainer_generations (organization_id, comment_id, response_id, custom_model_id, rung, reason, model, response_time_ms)
SELECT org(1), reply(n), reply(n), :'first', 'fine_tuned', '', 'x', 1 FROM generate_series(1, 200) AS n;
INSERT INTO model_feedback (organization_id, response_id, feedback_type) SELECT org(1), reply(n), 'approved' FROM generate_series(1, 99) AS n;
SELECT count(*) FROM trainer_roll_up_feedback();
SELECT * FROM decisions();
INSERT INTO model_feedback (organization_id, response_id, feedback_type) VALUES (org(1), reply(100), 'rejected');
SELECT count(*) FROM trainer_roll_up_feedback();
SELECT count(*) FROM trainer_roll_up_feedback();
SELECT * FROM decisions();
SELECT decision, reason FROM trainer_schedule_retraining(:'first');

-- --- not now ---
SELECT work();
SELECT version, decision, reason, again FROM decisions();
UPDATE custom_models SET created_at = now() - interval '2 days';
UPDATE organizations SET plan_id = 'free';
SELECT work();
SELECT decision, reason, again FROM decisions();
UPDATE organizations SET plan_id = 'plus';
SELECT work() AS nothing_new;
SELECT decision, reason, again FROM decisions();
SELECT count(*) AS no_dataset_is_left FROM training_datasets;
INSERT INTO model_feedback (organization_id, response_id, feedback_type) SELECT org(1), reply(n), 'approved' FROM generate_series(101, 200) AS n;
SELECT count(*) FROM trainer_roll_up_feedback();
SELECT count(*) AS one_open_is_enough FROM decisions();

-- --- old and new examples, from the serving model ---
INSERT INTO responses SELECT reply(n), org(1), reply(n), 'Reply ' || n, timestamptz '2026-01-01' + n * interval '1 min' FROM generate_series(201, 300) AS n;
-- A budget that does not pay for it puts it off; so does one without a price.
SELECT scope FROM trainer_set_budget(org(1), 'training', 0.01);
SELECT work();
SELECT decision, reason, again FROM decisions();
INSERT INTO trainer_pricing (model, valid_from, training, input, output) VALUES ('ft:1', current_date, 1000, 1, 1);
SELECT work();
SELECT decision, reason ~ '^cost limit exceeded. Organization .* has 0.01 of 0.01 cents left of its budget for training for the month; asked for were up to ' AS why, again FROM decisions();
SELECT scope FROM trainer_set_budget(org(1), 'training', NULL);
SELECT work();
SELECT * FROM decisions();
SELECT m.version, m.base_model, m.status, p.version AS parent, d.name, d.roast_count, m.training_examples = d.roast_count - d.validation_count AS split
FROM custom_models AS m LEFT JOIN custom_models AS p ON p.id = m.parent_model_id JOIN training_datasets AS d ON d.id = m.training_dataset_id WHERE m.version = 2;
-- Nobody trains on what another version is judged by.
CREATE VIEW sides AS SELECT e.messages -> -2 ->> 'content' AS comment, array_agg(DISTINCT e.split) AS sides FROM training_examples AS e GROUP BY 1;
SELECT count(*) AS comments, count(*) FILTER (WHERE cardinality(sides) > 1) AS on_both_sides, count(*) FILTER (WHERE sides = '{validation}') AS held_out FROM sides;
SELECT id AS second FROM custom_models WHERE version = 2 \gset

-- --- the proof ---
SELECT trained(:'second', 0.98);
SELECT version, status, is_active FROM custom_models ORDER BY version;
SELECT decision FROM decisions();
SELECT count(*) AS asked, count(DISTINCT c.custom_model_id) AS models, count(DISTINCT q.rungs -> 0 ->> 'model') AS names, count(*) FILTER (WHERE c.expected IS NULL) AS without FROM trainer_comparisons AS c
JOIN trainer_generation_requests AS q ON q.comparison_id = c.id;
SELECT q.reason, q.temperature, q.rungs -> 0 ->> 'rung' AS rung, q.rungs -> 0 -> 'messages' -> -1 ->> 'role' AS last FROM trainer_generation_requests AS q LIMIT 1;
-- Asked for by hand before it is done, and not without force.
\set VERBOSITY terse
SELECT trainer_deploy_model(:'second');
\set VERBOSITY default
SELECT (trainer_finish_comparison(id)).decision AS answers_are_missing FROM trainer_retraining_decisions;
-- The new one answers as people do in half of the cases, the old one in a quarter.
CREATE FUNCTION answer(model uuid, every int) RETURNS bigint LANGUAGE sql AS $$
  WITH done AS (UPDATE trainer_generation_requests AS q SET state = 'done', finished_at = now() FROM trainer_comparisons AS c
                WHERE q.comparison_id = c.id AND c.custom_model_id = model RETURNING c.id, c.ordinal, c.expected)
  SELECT count(trainer_score_comparison(id, CASE WHEN ordinal % every = 0 THEN expected ELSE 'zzz' END)) FROM done $$;
SELECT answer(:'second', 2) = answer(:'first', 4) AS answered;
SELECT (trainer_finish_comparison(id)).decision FROM trainer_retraining_decisions;
SELECT decision, reason FROM decisions();
SELECT jsonb_pretty(comparison) FROM trainer_retraining_decisions;
SELECT version, status, is_active FROM custom_models ORDER BY version;
SELECT count(*) AS texts_that_are_left FROM trainer_comparisons WHERE expected IS NOT NULL;
SELECT e.kind, m.version FROM trainer_event_log AS e JOIN custom_models AS m ON m.id = e.custom_model_id WHERE e.kind ~ 'retrain|deploy' ORDER BY e.id;
-- Feedback on what serves no more has nobody trained.
INSERT INTO model_feedback (organization_id, response_id, feedback_type) SELECT org(1), reply(n), 'approved' FROM generate_series(1, 200) AS n;
SELECT count(*) FROM trainer_roll_up_feedback();
SELECT count(*) FROM decisions();

-- --- held back ---
SELECT decision, reason, forced FROM trainer_schedule_retraining(:'second', force => true);
SELECT decision, forced FROM trainer_schedule_retraining(:'second', force => true) AS the_same;
SELECT work();
SELECT id AS third FROM custom_models WHERE version = 3 \gset
SELECT trained(:'third', 0.5);
SELECT answer(:'third', 4) = answer(:'second', 2) AS answered;
SELECT (trainer_finish_comparison(id)).decision FROM trainer_retraining_decisions WHERE decision = 'comparing';
SELECT version, decision, reason, new_version FROM decisions();
SELECT version, status, is_active FROM custom_models ORDER BY version;
SELECT trainer_deploy_model(:'third');
\echo :SQLSTATE
SELECT trainer_deploy_model(:'third', options => '{"force": 1}');
SELECT trainer_deploy_model(:'third', options => '{"force": null, "x": true}');
SELECT version, status, is_active FROM trainer_deploy_model(:'third', options => '{"force": true}');
SELECT decision, reason, forced FROM decisions();
SELECT detail ->> 'reason' AS recorded FROM trainer_event_log WHERE kind = 'deployment_forced';
-- By its loss; and where nobody answers.
SELECT (trainer_schedule_retraining(:'third', force => true)).decision, work();
SELECT id AS fourth FROM custom_models WHERE version = 4 \gset
SELECT trained(:'fourth', 0.6);
SELECT answer(:'fourth', 2) = answer(:'third', 2) AS answered;
SELECT (trainer_finish_comparison(id)).reason FROM trainer_retraining_decisions WHERE decision = 'comparing';
SELECT (trainer_schedule_retraining(:'third', force => true)).decision, work();
SELECT id AS fifth FROM custom_models WHERE version = 5 \gset
SELECT trained(:'fifth', 0.5);
UPDATE trainer_generation_requests SET state = 'failed', finished_at = now() WHERE finished_at IS NULL;
SELECT (trainer_finish_comparison(id)).reason FROM trainer_retraining_decisions WHERE decision = 'comparing';

-- --- failures ---
SELECT (trainer_schedule_retraining(:'third', force => true)).decision, work();
UPDATE custom_models SET status = 'failed', error_code = 'server_error', error_message = 'The server had an error.' WHERE version = 6;
UPDATE trainer_operations SET state = 'done', finished_at = now() WHERE finished_at IS NULL;
SELECT decision, reason FROM decisions() WHERE new_version = 6;
-- The next one begins with the base model.
SELECT (trainer_schedule_retraining(:'third', force => true)).decision, work();
SELECT base_model, parent_model_id IS NULL AS no_parent FROM custom_models WHERE version = 7;
SELECT status FROM trainer_cancel_training((SELECT id FROM custom_models WHERE version = 7));
SELECT (trainer_schedule_retraining(:'third', force => true)).decision, work();
UPDATE custom_models SET status = 'failed' WHERE version = 8;
UPDATE trainer_operations SET state = 'done', finished_at = now() WHERE finished_at IS NULL;
UPDATE custom_models SET created_at = now() - interval '2 days';
INSERT INTO trainer_retraining_decisions (organization_id, custom_model_id, generation, feedback, reason) VALUES (org(1), :'third', 9, 900, 'feedback: 900, the threshold is 100');
SELECT work();
SELECT decision, reason, again FROM decisions() WHERE generation = 9;

-- --- what changes meanwhile ---
-- A proof counts while the version that it was made against serves.
SELECT (trainer_schedule_retraining(:'third', force => true)).decision, work() IS NOT NULL AS begun;
SELECT id AS ninth FROM custom_models WHERE version = 9 \gset
SELECT trained(:'ninth', 0.4);
SELECT answer(:'ninth', 1) = answer(:'third', 4) AS answered;
SELECT version FROM trainer_rollback_model(org(1));
SELECT (trainer_finish_comparison(id)).decision FROM trainer_retraining_decisions WHERE decision = 'comparing';
SELECT decision, reason FROM decisions() WHERE new_version = 9;
SELECT version FROM custom_models WHERE is_active;
-- Another threshold silences nothing: of 500 rows the one before had made 50.
INSERT INTO trainer_retraining_decisions (organization_id, custom_model_id, generation, feedback, decision, reason, due_at)
  VALUES (org(1), :'second', 50, 500, 'refused', 'at a threshold of 10', NULL);
SELECT trainer_note_retraining(:'second', 550);
SELECT count(*) AS not_yet FROM decisions() WHERE generation > 50;
SELECT trainer_note_retraining(:'second', 600), trainer_note_retraining(:'second', 601);
SELECT version, generation, feedback, decision FROM decisions() WHERE generation > 50;

DROP VIEW sides;
DROP EXTENSION trainer CASCADE;
DROP TABLE organizations, comments, responses, roast_metadata;
DROP FUNCTION org(int), reply(int), decisions(), work(), trained(uuid, numeric), answer(uuid, int);
