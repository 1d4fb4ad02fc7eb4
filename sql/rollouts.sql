-- Rollouts: what may be rolled out and how, what is seen at each step, and how one ends. Replies and verdicts are written by hand, and the worker's looks are
-- called.
SET client_min_messages = warning;
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
INSERT INTO organizations VALUES (org(1), 'plus');
SELECT count(*) FROM trainer_attach();
INSERT INTO custom_models (id, organization_id, name, version, base_model, status, fine_tuned_model_id, is_active, verified_at, deployed_at)
VALUES (model(1), org(1), 'one', 1, 'gpt-4o', 'deployed', 'ft:1', true, now(), now()),
       (model(2), org(1), 'two', 2, 'gpt-4o', 'succeeded', 'ft:2', false, now(), NULL),
       (model(3), org(1), 'three', 3, 'gpt-4o', 'succeeded', 'ft:3', false, NULL, NULL);

-- --- what may be rolled out, and how ---
SELECT trainer_deploy_model(model(2), 'rainbow');
\echo :SQLSTATE
SELECT trainer_deploy_model(model(2), 'canary', '[]');
SELECT trainer_deploy_model(model(2), 'blue_green', '{"steps": []}');
SELECT trainer_deploy_model(model(2), 'canary', '{"step": []}');
\echo :SQLSTATE
SELECT trainer_deploy_model(model(2), 'canary', '{"steps": []}');
SELECT trainer_deploy_model(model(2), 'canary', '{"steps": [{"share": 0.6, "units": 50, "margins": 1, "seconds": 0}]}');
SELECT trainer_deploy_model(model(2), 'canary', '{"steps": [{"share": 0.5, "units": 50, "margins": 1, "seconds": 0}, {"share": 0.25, "units": 50, "margins": 1, "seconds": 0}]}');
SELECT trainer_deploy_model(model(2), 'canary', '{"margins": {"likes": 1}}');
SELECT trainer_deploy_model(model(2), 'canary', '{"margins": {}}');
SELECT trainer_deploy_model(model(2), 'canary', '{"approval_window": "soon"}');
SELECT trainer_deploy_model(model(2), 'canary', '{"promote_on": "friday"}');
SELECT trainer_deploy_model(model(2), 'canary', '{"alpha_rollback": 0}');
SELECT trainer_deploy_model(model(3), 'canary');
\echo :SQLSTATE
SELECT trainer_deploy_model(model(1), 'canary');
\echo :SQLSTATE
SELECT count(*) AS nothing_is_half_done FROM trainer_rollouts;
SELECT status, is_active FROM trainer_deploy_model(model(2), 'canary');
SELECT state, step, unit, steps -> 0 AS first_step, jsonb_array_length(steps) AS steps, guardrails, policy FROM trainer_rollouts;
SELECT trainer_deploy_model(model(1), 'canary');
SELECT trainer_start_ab_test(org(1));
\echo :SQLSTATE
SELECT is_active FROM trainer_activate_model(model(3), true);
SELECT version, is_active FROM trainer_rollback_model(org(1), 'changed my mind');
SELECT state, reason FROM trainer_rollouts;

-- --- step by step ---
CREATE FUNCTION seen(prefix text, n int, of_custom numeric, of_control numeric, ms int DEFAULT 100) RETURNS bigint LANGUAGE sql AS $$
  WITH rollout AS (SELECT id FROM trainer_rollouts ORDER BY started_at DESC LIMIT 1),
  made AS (
    INSERT INTO responses SELECT md5(prefix || n)::uuid, org(1), md5(prefix || n)::uuid, 'Reply', now() - interval '1 minute' FROM generate_series(1, n) AS n RETURNING id),
  written AS (
    INSERT INTO trainer_generations (organization_id, comment_id, response_id, rung, reason, model, response_time_ms, experiment_id, arm, unit, created_at)
    SELECT org(1), id, id, 'fine_tuned', '', 'x', CASE WHEN get_byte(uuid_send(id), 0) % 2 = 0 THEN ms ELSE 100 END + get_byte(uuid_send(id), 1) % 50, (SELECT r.id FROM rollout AS r),
      CASE WHEN get_byte(uuid_send(id), 0) % 2 = 0 THEN 'custom' ELSE 'control' END, id, now() - interval '1 minute' FROM made RETURNING response_id, arm)
  INSERT INTO model_feedback (organization_id, response_id, feedback_type, created_at)
  SELECT org(1), response_id, CASE WHEN get_byte(uuid_send(response_id), 2) < 256 * CASE arm WHEN 'custom' THEN of_custom ELSE of_control END THEN 'approved' ELSE 'rejected' END, now() - interval '59 seconds'
  FROM written;
  SELECT count(*) FROM trainer_generations AS g WHERE g.experiment_id = (SELECT r.id FROM trainer_rollouts AS r ORDER BY r.started_at DESC LIMIT 1)
$$;
CREATE FUNCTION look(OUT state text, OUT step int, OUT reason text) LANGUAGE sql AS $$
  SELECT r.state, r.step, r.reason FROM (SELECT id FROM trainer_rollouts ORDER BY started_at DESC LIMIT 1) AS last, trainer_look_at_rollout(last.id) AS r $$;
\set steps '[{"share": 0.1, "units": 50, "margins": 4, "seconds": 0}, {"share": 0.5, "units": 100, "margins": 2, "seconds": 0}]'
SELECT format('{"approval_window": "10 seconds", "margins": {"user_approval": 0.1, "response_time_ms": 0.5}, "steps": %s}', :'steps') AS quick \gset
SELECT status FROM trainer_deploy_model(model(2), 'canary', :'quick');
SELECT * FROM look();
SELECT seen('a', 40, 0.8, 0.8);
SELECT * FROM look();
SELECT seen('b', 400, 0.8, 0.8);
SELECT * FROM look();
SELECT g ->> 'metric' AS metric, g -> 'safe' AS safe, g -> 'harmed' AS harmed, (g ->> 'canary_n')::int + (g ->> 'control_n')::int AS units FROM trainer_rollouts AS r, jsonb_array_elements(r.evidence) AS g WHERE r.state = 'running';
SELECT seen('c', 2400, 0.82, 0.8);
SELECT * FROM look();
SELECT version, is_active, status FROM custom_models WHERE organization_id = org(1) ORDER BY 1;
SELECT * FROM look();

-- --- a bad one goes back ---
SELECT version FROM trainer_rollback_model(org(1));
SELECT status FROM trainer_deploy_model(model(2), 'canary', :'quick');
SELECT seen('d', 400, 0.5, 0.8);
SELECT * FROM look();
SELECT g ->> 'metric' AS metric, g -> 'harmed' AS harmed, (g ->> 'effect')::numeric < -0.2 AS far_below FROM trainer_rollouts AS r, jsonb_array_elements(r.evidence) AS g ORDER BY r.started_at DESC, 1 LIMIT 2;
SELECT version, is_active FROM custom_models WHERE organization_id = org(1) AND is_active;
-- A slow one, too.
SELECT status FROM trainer_deploy_model(model(2), 'canary', :'quick');
SELECT seen('e', 400, 0.8, 0.8, 1000);
SELECT * FROM look();

-- And one that never answers, however good the replies are that the base model gives in its place.
SELECT status FROM trainer_deploy_model(model(2), 'canary', :'quick'::jsonb || '{"margins": {"answered": 0.05}}');
SELECT seen('h', 400, 0.8, 0.8);
UPDATE trainer_generations AS g SET custom_model_id = r.former_model_id FROM trainer_rollouts AS r WHERE r.id = g.experiment_id AND r.state = 'running' AND g.arm = 'control';
SELECT * FROM look();

-- --- arms of different size hold it; so does a person who wants to look first ---
SELECT status FROM trainer_deploy_model(model(2), 'canary', :'quick');
SELECT seen('f', 400, 0.8, 0.8);
UPDATE trainer_generations SET arm = 'custom' WHERE experiment_id = (SELECT id FROM trainer_rollouts WHERE state = 'running') AND get_byte(uuid_send(unit), 4) < 200;
SELECT * FROM look();
-- Whoever does not want to wait puts it to serve himself.
SELECT version, is_active FROM trainer_deploy_model(model(2));
SELECT state, reason LIKE 'by %' AS by_whom FROM trainer_rollouts ORDER BY started_at DESC LIMIT 1;
SELECT status FROM trainer_deploy_model(model(1), 'canary', :'quick'::jsonb || '{"hold": true}');
SELECT seen('g', 3000, 0.82, 0.8);
SELECT * FROM look();
SELECT * FROM look();
SELECT * FROM look();
SELECT version, is_active FROM trainer_rollback_model(org(1));
-- The model is erased.
SELECT status FROM trainer_deploy_model(model(1), 'canary', :'quick');
UPDATE custom_models SET erased_at = now() WHERE id = model(1);
SELECT * FROM look();
SELECT kind, count(*) FROM trainer_event_log WHERE kind LIKE 'rollout%' OR kind LIKE 'model%' GROUP BY 1 ORDER BY 1;
SELECT trainer_look_at_rollout(model(9)) IS NULL AS there_is_none;
SELECT trainer_decide_rollout(model(9));

-- --- both warm: it is asked once more, and takes over when it answers ---
SELECT version, status, is_active FROM trainer_deploy_model(model(3), 'blue_green');
SELECT kind, argument, state FROM trainer_operations;
DROP EXTENSION trainer CASCADE;
DROP TABLE organizations, comments, responses, roast_metadata;
DROP FUNCTION org, model;
