-- Who may do what: the levels of trainer_grant(), what each sees and may do, and that a tenant is alone.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
CREATE SCHEMA trainer_home;
CREATE EXTENSION trainer SCHEMA trainer_home CASCADE;
RESET client_min_messages;
\set SHOW_CONTEXT never
\set VERBOSITY default
CREATE SCHEMA app;
SET search_path = app, trainer_home, public;
SELECT trainer_pause_worker('a regression test');
CREATE FUNCTION org(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT lpad(n::text, 32, '0')::uuid $$;
CREATE FUNCTION reply(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT ('a0000000' || lpad(n::text, 24, '0'))::uuid $$;
CREATE FUNCTION model(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT ('b0000000' || lpad(n::text, 24, '0'))::uuid $$;
CREATE TABLE organizations (id uuid PRIMARY KEY, plan_id text DEFAULT 'plus');
CREATE TABLE comments (id uuid PRIMARY KEY, organization_id uuid, platform text, original_text text);
CREATE TABLE responses (id uuid PRIMARY KEY, organization_id uuid, comment_id uuid, response_text text, created_at timestamptz DEFAULT now());
CREATE TABLE roast_metadata (response_id uuid PRIMARY KEY, rqc_score numeric);
INSERT INTO organizations SELECT org(n) FROM generate_series(1, 2) AS n;
INSERT INTO comments SELECT reply(n), org(1 + n % 2), 'bluesky', 'comment ' || n FROM generate_series(1, 60) AS n;
INSERT INTO responses SELECT reply(n), org(1 + n % 2), reply(n), 'reply ' || n FROM generate_series(1, 60) AS n;
INSERT INTO roast_metadata SELECT reply(n), 0.9 FROM generate_series(1, 60) AS n;
SELECT role, triggers FROM trainer_attach();
SELECT roast_count FROM organizations, trainer_prepare_dataset(organizations.id, min_examples => 10);
INSERT INTO custom_models (id, organization_id, name, version, base_model, status, fine_tuned_model_id, verified_at)
SELECT model(n), org(n), 'model of ' || n, 1, 'gpt-4o', 'succeeded', 'ft:' || n, now() FROM generate_series(1, 2) AS n;
INSERT INTO trainer_operations (organization_id, custom_model_id, kind) SELECT org(n), model(n), 'poll_job' FROM generate_series(1, 2) AS n;
INSERT INTO trainer_event_log (organization_id, custom_model_id, kind) SELECT org(n), model(n), 'training_requested' FROM generate_series(1, 2) AS n;
INSERT INTO model_feedback (organization_id, response_id, feedback_type) SELECT org(1 + n % 2), reply(n), 'approved' FROM generate_series(1, 4) AS n;

-- --- what is refused ---

CREATE ROLE trainer_regress_app;
CREATE ROLE trainer_regress_tenant;
CREATE ROLE trainer_regress_analyst;
CREATE ROLE trainer_regress_admin;
SELECT trainer_grant(NULL, 'app');
SELECT trainer_grant('trainer_regress_app', NULL);
SELECT trainer_grant('trainer_regress_app', 'owner');
SELECT trainer_grant('trainer_regress_analyst', 'analyst', 'NULL');
SELECT trainer_grant('trainer_regress_app', 'app', 'no_such_function()');
SELECT trainer_grant('trainer_regress_app', 'app', '1');
-- An expression that speaks of the row, or ends the policy before its time.
SELECT trainer_grant('trainer_regress_app', 'app', 'organization_id');
SELECT trainer_grant('trainer_regress_app', 'app', '1)::text::uuid) OR true OR organization_id = (SELECT (null');
SELECT count(*) AS policies FROM pg_policies WHERE schemaname = 'trainer_home';

-- --- grants ---

GRANT USAGE ON SCHEMA app TO PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA app TO PUBLIC;
SELECT level, organization FROM trainer_grant('trainer_regress_app', 'app');
SELECT level, organization FROM trainer_grant('trainer_regress_tenant', 'app', $$'00000000-0000-0000-0000-000000000002'$$);
SELECT level, organization FROM trainer_grant('trainer_regress_analyst', 'analyst');
SELECT level, organization FROM trainer_grant('trainer_regress_admin', 'admin');
-- As often as one likes; another level takes the place of the one before.
SELECT (trainer_grant('trainer_regress_app', 'analyst')).level, (trainer_grant('trainer_regress_app', 'app')).level, (trainer_grant('trainer_regress_app', 'app')).level;
SELECT roles, count(DISTINCT tablename) AS tables, count(*) AS policies, string_agg(DISTINCT qual, E'\n' ORDER BY qual) AS rows
FROM pg_policies WHERE schemaname = 'trainer_home' GROUP BY 1 ORDER BY 1;
-- Every table has a policy for whoever may read it.
SELECT r.rolname, c.relname FROM pg_roles AS r, pg_class AS c WHERE r.rolname LIKE 'trainer\_regress%' AND c.relnamespace = 'trainer_home'::regnamespace
  AND c.relkind = 'r' AND has_table_privilege(r.oid, c.oid, 'SELECT')
  AND NOT EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid AND p.polroles = ARRAY[r.oid]) ORDER BY 1, 2;
-- What nobody gets.
SELECT r.rolname, c.relname FROM pg_roles AS r, pg_class AS c WHERE r.rolname LIKE 'trainer\_regress%' AND c.relnamespace = 'trainer_home'::regnamespace
  AND c.relkind IN ('r', 'v') AND (has_table_privilege(r.oid, c.oid, 'TRIGGER, REFERENCES, TRUNCATE')) ORDER BY 1, 2;
SELECT r.rolname, string_agg(c.relname, ' ' ORDER BY c.relname COLLATE "C") AS may_write FROM pg_roles AS r, pg_class AS c
WHERE r.rolname LIKE 'trainer\_regress%' AND c.relnamespace = 'trainer_home'::regnamespace AND c.relkind IN ('r', 'v')
  AND has_any_column_privilege(r.oid, c.oid, 'INSERT, UPDATE') GROUP BY 1 ORDER BY 1;
\a
SELECT p.proname AS may_be_called, string_agg(DISTINCT substr(r.rolname, 17), ' ' ORDER BY substr(r.rolname, 17)) AS by FROM pg_roles AS r, pg_proc AS p
WHERE r.rolname IN ('trainer_regress_app', 'trainer_regress_analyst') AND p.pronamespace = 'trainer_home'::regnamespace
  AND has_function_privilege(r.oid, p.oid, 'EXECUTE') GROUP BY 1 ORDER BY p.proname COLLATE "C";
\a

-- --- an app: the organization that its session says ---

CREATE VIEW seen AS
SELECT (SELECT string_agg(DISTINCT organization_id::text, ' ') FROM training_datasets) AS datasets, (SELECT count(*) FROM training_examples) AS examples,
  (SELECT string_agg(name, ' ') FROM custom_models) AS models, (SELECT count(*) FROM model_feedback) AS feedback,
  (SELECT count(*) FROM trainer_operations) AS operations, (SELECT count(*) FROM trainer_event_log) AS events,
  (SELECT count(*) FROM trainer_models) + (SELECT count(*) FROM trainer_operations_pending) + (SELECT count(*) FROM trainer_events) AS in_views;
ALTER VIEW seen SET (security_invoker = true);
GRANT SELECT ON seen TO PUBLIC;
SET ROLE trainer_regress_app;
SELECT * FROM seen;
SET trainer.organization_id = 'nonsense';
SET trainer.organization_id = '00000000-0000-0000-0000-000000000001';
SELECT * FROM seen;
SELECT status FROM trainer_monitor_training(model(1));
SELECT status FROM trainer_monitor_training(model(2));
CALL trainer_wait_for_training(model(2));
SELECT count(*) FROM training_datasets AS d, trainer_dataset_jsonl(d.id);
SELECT exact FROM training_datasets AS d, trainer_estimate_training_cost(d.id);
INSERT INTO model_feedback (organization_id, custom_model_id, response_id, feedback_type) VALUES (org(1), model(1), reply(2), 'rejected') RETURNING feedback_type;
-- Of another organization: the row itself, its response, its model. What does not exist is refused in the same words.
INSERT INTO model_feedback (organization_id, response_id, feedback_type) VALUES (org(2), reply(1), 'rejected');
INSERT INTO model_feedback (organization_id, response_id, feedback_type) VALUES (org(1), reply(1), 'rejected');
INSERT INTO model_feedback (organization_id, response_id, feedback_type) VALUES (org(1), reply(99), 'rejected');
INSERT INTO model_feedback (organization_id, custom_model_id, feedback_type) VALUES (org(1), model(2), 'rejected');
INSERT INTO model_feedback (organization_id, custom_model_id, feedback_type) VALUES (org(1), model(99), 'rejected');
INSERT INTO model_feedback (id, organization_id, feedback_type) VALUES (gen_random_uuid(), org(1), 'rejected');
UPDATE custom_models SET name = 'mine';
DELETE FROM model_feedback;
TRUNCATE model_feedback;
SELECT trainer_deploy_model(model(1));
SELECT trainer_cancel_training(model(1));
SELECT trainer_prepare_dataset(org(1));
SELECT trainer_pause_worker();
SELECT trainer_check();
SELECT * FROM trainer_installation;
SELECT trainer_grant('trainer_regress_app', 'admin');
RESET trainer.organization_id;
RESET ROLE;

-- --- a tenant's own role: no setting makes it another ---

SET ROLE trainer_regress_tenant;
SET trainer.organization_id = '00000000-0000-0000-0000-000000000001';
SELECT * FROM seen;
INSERT INTO model_feedback (organization_id, feedback_type) VALUES (org(1), 'rejected');
RESET trainer.organization_id;
RESET ROLE;

-- --- an analyst reads, an admin does ---

SET ROLE trainer_regress_analyst;
SELECT models, feedback FROM seen;
SELECT paused FROM trainer_worker_status();
INSERT INTO model_feedback (organization_id, feedback_type) VALUES (org(1), 'rejected');
SELECT trainer_pause_worker();
RESET ROLE;
SET ROLE trainer_regress_admin;
SET client_min_messages = error;  -- no worker runs here
SELECT models, feedback FROM seen;
SELECT (trainer_deploy_model(model(1))).status;
SELECT trainer_rollback_model(org(1)) IS NULL AS base_model;
SELECT (trainer_submit_training(d.id)).status FROM trainer_prepare_dataset(org(2), min_examples => 10) AS d;
SELECT (trainer_cancel_training(id)).status FROM custom_models WHERE status = 'pending';
SELECT trainer_pause_worker('by an admin'), trainer_resume_worker(), trainer_pause_worker('by an admin');
INSERT INTO trainer_pricing (model, valid_from, training, input, output) VALUES ('of-an-admin', '2026-01-01', 1, 1, 1);
SELECT check_name FROM trainer_check() WHERE check_name = 'binding';
SELECT trainer_detach();
SELECT trainer_grant('trainer_regress_admin', 'admin');
RESET client_min_messages;
RESET ROLE;

-- --- and back ---

SELECT trainer_revoke(r.oid) FROM pg_roles AS r WHERE r.rolname LIKE 'trainer\_regress%';
SELECT count(*) AS policies FROM pg_policies WHERE schemaname = 'trainer_home';
DROP ROLE trainer_regress_app, trainer_regress_tenant, trainer_regress_analyst, trainer_regress_admin;
DROP EXTENSION trainer CASCADE;
SET client_min_messages = warning;
DROP SCHEMA app, trainer_home CASCADE;
