-- Models: which one serves. No worker, no network, no clock; what training and verification would leave behind is written here
-- by UPDATE.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
CREATE EXTENSION trainer CASCADE;
RESET client_min_messages;
\set SHOW_CONTEXT never
SELECT trainer_pause_worker('a regression test');

CREATE SCHEMA app;
SET search_path = app, public;
CREATE FUNCTION org(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT lpad(n::text, 32, '0')::uuid $$;
CREATE FUNCTION model(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT ('b0000000' || lpad(n::text, 24, '0'))::uuid $$;
-- Organization 1 has the versions 1 to 6, organization 2 has one model, 11; all have answered.
INSERT INTO custom_models (id, organization_id, name, version, base_model, status, fine_tuned_model_id, verified_at)
SELECT model(n), org(1 + n / 10), 'v' || n, n, 'gpt-4o-2024-08-06', 'succeeded', 'ft:gpt-4o-2024-08-06:org::' || n, '2026-01-01' FROM generate_series(1, 11) AS n WHERE n < 7 OR n = 11;
CREATE VIEW now_serving AS
SELECT organization_id = org(1) AS first_organization, string_agg(concat_ws(' ', name, status, CASE WHEN is_active THEN 'serves' END), ', ' ORDER BY version) AS models
FROM custom_models GROUP BY organization_id ORDER BY organization_id;
SELECT * FROM now_serving;

-- --- deployment ---

SELECT name, status, is_active, deployed_at IS NOT NULL AS deployed FROM trainer_deploy_model(model(1));
SELECT name, status, is_active FROM trainer_deploy_model(custom_model_id => model(2), strategy => 'immediate', options => '{}');
SELECT name, status FROM trainer_deploy_model(model(11));
SELECT * FROM now_serving;
-- The one that serves already; nothing happens, and nothing is told.
SELECT name, status, is_active FROM trainer_deploy_model(model(2));
-- One that served before, and an older one than serves: a person decides.
SELECT name, status, is_active FROM trainer_deploy_model(model(1));
SELECT * FROM now_serving;
SELECT name, e.kind, detail FROM trainer_event_log AS e LEFT JOIN custom_models AS m ON m.id = e.custom_model_id ORDER BY e.id;
SELECT count(*) AS operations FROM trainer_operations;

-- What the worker calls when a model has answered: a newer one that serves is not replaced.
SELECT name FROM trainer_deploy_model(model(3));
SELECT name, status, is_active FROM trainer_activate_model(model(4), unless_newer => true);
SELECT name, status, is_active FROM trainer_activate_model(model(2), unless_newer => true);
SELECT name, e.kind, detail FROM trainer_event_log AS e JOIN custom_models AS m ON m.id = e.custom_model_id WHERE e.kind = 'model_superseded';
SELECT name, serves, status FROM trainer_models WHERE name <> 'v11';

-- One that has not answered yet is asked first, once however often, and what failed before is forgotten.
UPDATE custom_models SET verified_at = NULL, status = 'failed', error_sqlstate = 'TR003', error_code = 'model_not_found', error_message = 'No such model.' WHERE id = model(5);
SELECT name, status, is_active, error_sqlstate, error_code, error_message FROM trainer_deploy_model(model(5));
SELECT status FROM trainer_deploy_model(model(5));
UPDATE trainer_operations SET state = 'sending' WHERE state = 'ready';
SELECT status FROM trainer_deploy_model(model(5));
SELECT kind, argument, state, count(*) FROM trainer_operations GROUP BY 1, 2, 3 ORDER BY 3;
-- ... also while it is asked because its training has just ended.
UPDATE custom_models SET verified_at = NULL, status = 'evaluating' WHERE id = model(6);
INSERT INTO trainer_operations (organization_id, custom_model_id, kind) VALUES (org(1), model(6), 'verify_model'), (org(1), model(6), 'fetch_result');
SELECT status FROM trainer_deploy_model(model(6));
SELECT kind, argument, state FROM trainer_operations WHERE custom_model_id = model(6) ORDER BY kind, argument;
SELECT * FROM now_serving;

-- What cannot be deployed.
CREATE FUNCTION deployed_at(at text, trained boolean, OUT code text, OUT message text, OUT detail text, OUT hint text) LANGUAGE plpgsql AS $$
BEGIN
  UPDATE public.custom_models SET status = at, fine_tuned_model_id = CASE WHEN trained THEN 'ft:x' END WHERE id = app.model(6);
  message := 'becomes ' || (public.trainer_deploy_model(app.model(6))).status;
  RAISE EXCEPTION 'undone' USING ERRCODE = 'ZZ000';
EXCEPTION
  WHEN SQLSTATE 'ZZ000' THEN NULL;
  WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
END $$;
SELECT at, d.* FROM unnest(ARRAY['pending', 'uploading', 'validating', 'queued', 'running', 'paused', 'evaluating', 'succeeded', 'failed', 'cancelled', 'retired']) AS at,
  deployed_at(at, false) AS d;
SELECT at, d.code, d.message, d.detail FROM unnest(ARRAY['pending', 'running', 'evaluating', 'succeeded', 'failed', 'cancelled', 'retired']) AS at, deployed_at(at, true) AS d;
SELECT trainer_deploy_model(model(1), 'rainbow');
\echo :SQLSTATE
SELECT trainer_deploy_model(model(1), NULL);
SELECT trainer_deploy_model(model(1), options => '{"traffic": 0.1}');
\echo :SQLSTATE
SELECT trainer_deploy_model(model(1), options => NULL);
SELECT trainer_deploy_model(model(9));
\echo :SQLSTATE
SELECT trainer_deploy_model(NULL);
SELECT * FROM now_serving;

-- --- one active model an organization, and only one that is a model ---

\set VERBOSITY terse
UPDATE custom_models SET is_active = true WHERE id = model(1);
\echo :SQLSTATE
UPDATE custom_models SET fine_tuned_model_id = NULL WHERE id = model(4);
\echo :SQLSTATE
\set VERBOSITY default

-- --- rollback ---

-- 1, 2, 1, 3, 4 were deployed in this order: from 4 back to 3, to 1, to 2, and to the base model.
SELECT name, status, is_active FROM trainer_rollback_model(org(1), reason => 'too dry');
SELECT name, status, is_active FROM trainer_rollback_model(org(1));
SELECT name, status, is_active FROM trainer_rollback_model(org(1));
SELECT * FROM now_serving;
SELECT trainer_rollback_model(organization_id => org(1)) AS serves;
SELECT * FROM now_serving;
SELECT name, e.kind, detail FROM trainer_event_log AS e JOIN custom_models AS m ON m.id = e.custom_model_id WHERE e.kind = 'model_rolled_back' ORDER BY e.id;
SELECT trainer_rollback_model(org(1));
\echo :SQLSTATE
SELECT trainer_rollback_model(org(9));
SELECT trainer_rollback_model(NULL);
-- After it, deployments go on, and the last one is the first to be taken back.
SELECT name FROM trainer_deploy_model(model(3));
SELECT name FROM trainer_deploy_model(model(2));
SELECT name FROM trainer_rollback_model(org(1));
SELECT * FROM now_serving;
-- What was taken back is not returned to: from 1 to 3, which served before it, and not to 2.
BEGIN;
SELECT name FROM trainer_deploy_model(model(1));
SELECT name FROM trainer_rollback_model(org(1));
SELECT name, status, deployed_at FROM custom_models WHERE id = model(2);
ROLLBACK;
-- Two in one transaction have an order, too.
BEGIN;
SELECT name FROM trainer_deploy_model(model(1));
SELECT name FROM trainer_deploy_model(model(4));
SELECT name FROM trainer_rollback_model(org(1));
SELECT name FROM trainer_rollback_model(org(1));
ROLLBACK;
-- One that does not answer any more, or was never asked, is passed over.
SELECT name FROM trainer_deploy_model(model(1));
SELECT name FROM trainer_deploy_model(model(4));
UPDATE custom_models SET verified_at = NULL WHERE id = model(1);
SELECT name FROM trainer_rollback_model(org(1));
SELECT * FROM now_serving;

RESET search_path;
SET client_min_messages = warning;
DROP SCHEMA app CASCADE;
DROP EXTENSION trainer;
