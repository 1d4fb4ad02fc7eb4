-- Jobs in SQL: submitted, steered and watched. No worker, no network, no clock: the worker of this server has no key, and is
-- paused besides. What the worker would do to a row is done here by UPDATE.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
CREATE EXTENSION trainer CASCADE;
RESET client_min_messages;
\set SHOW_CONTEXT never
SELECT trainer_pause_worker('a regression test');

CREATE SCHEMA app;
SET search_path = app, public;
CREATE TABLE organizations (id uuid PRIMARY KEY, plan_id text);
CREATE TABLE comments (id uuid PRIMARY KEY, organization_id uuid NOT NULL, platform text, original_text text);
CREATE TABLE responses (id uuid PRIMARY KEY, organization_id uuid NOT NULL, comment_id uuid, response_text text, created_at timestamptz);
CREATE TABLE roast_metadata (response_id uuid, rqc_score numeric);
CREATE TABLE roastr_persona (organization_id uuid, lo_que_me_define text, lo_que_no_tolero text, lo_que_me_da_igual text, tone text);
CREATE FUNCTION org(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT lpad(n::text, 32, '0')::uuid $$;
CREATE FUNCTION dataset(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT ('d0000000' || lpad(n::text, 24, '0'))::uuid $$;
-- The id of a model by its name.
CREATE FUNCTION model(text) RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT id FROM public.custom_models WHERE name = $1 $$;
-- What an error says, with ids that differ from run to run left out.
CREATE FUNCTION error_of(statement text, OUT code text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
  message := 'no error';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  message := regexp_replace(message, '[0-9a-f]{8}-[0-9a-f-]{27}', 'ID');
  detail := regexp_replace(detail, '[0-9a-f]{8}-[0-9a-f-]{27}', 'ID');
END $$;
INSERT INTO organizations VALUES (org(1), 'plus'), (org(2), 'custom'), (org(3), 'free'), (org(4), NULL);
INSERT INTO training_datasets (id, organization_id, name, roast_count, validation_count, status, prepared_at, training_params)
SELECT dataset(n), org(1 + (n - 1) / 10), 'dataset ' || n, 120, 20, 'ready', now(),
       '{"base_model": "gpt-4o-2024-08-06", "epochs": 3, "learning_rate_multiplier": 0.1, "method": "supervised", "seed": 42}'
FROM generate_series(1, 40) AS n;
-- The fewest that the provider takes.
INSERT INTO training_examples (dataset_id, ordinal, organization_id, split, messages)
SELECT d.id, n, d.organization_id, 'train', '[]' FROM training_datasets AS d, generate_series(1, 10) AS n;

-- --- submission ---

-- Not attached; and no such dataset.
SELECT * FROM error_of($$ SELECT trainer_submit_training(dataset(1)) $$);
SELECT role FROM trainer_attach();
SELECT * FROM error_of($$ SELECT trainer_submit_training(org(9)) $$);
SELECT * FROM error_of($$ SELECT trainer_submit_training(NULL) $$);

-- Rolled back: there is nothing.
BEGIN;
SELECT status FROM trainer_submit_training(dataset(1), name => 'gone');
ROLLBACK;
SELECT (SELECT count(*) FROM custom_models) AS models, (SELECT count(*) FROM trainer_operations) AS operations,
       (SELECT count(*) FROM trainer_event_log) AS events, (SELECT status FROM training_datasets WHERE id = dataset(1));

-- The row that comes back, and what stands behind it.
SELECT organization_id, name, version, base_model, status, training_dataset_id, parent_model_id, suffix, training_file_id, provider_job_id,
       fine_tuned_model_id, learning_rate_multiplier, retries, training_examples, is_active, training_started_at, training_cost_cents
FROM trainer_submit_training(dataset(1));
SELECT kind, state, argument, attempt, due_at <= now() AS due, misses FROM trainer_operations;
SELECT status FROM training_datasets WHERE id = dataset(1);
SELECT e.organization_id, m.name, e.kind, e.detail FROM trainer_event_log AS e JOIN custom_models AS m ON m.id = e.custom_model_id;
-- Every argument; versions count up by organization.
SELECT name, version, suffix FROM trainer_submit_training(dataset_id => dataset(2), name => 'named', suffix => 'Desk_A-1', parent_model_id => NULL);
SELECT name, version FROM trainer_submit_training(dataset(11), 'other');
SELECT length(name), version, length(suffix) FROM trainer_submit_training(dataset(3), repeat('n', 255), repeat('s', 64));
-- The dataset is in training.
SELECT * FROM error_of($$ SELECT trainer_submit_training(dataset(1)) $$);
UPDATE training_datasets SET status = 'preparing' WHERE id = dataset(4);
SELECT * FROM error_of($$ SELECT trainer_submit_training(dataset(4)) $$);
-- One that was trained from before, well or not, can be trained from again.
UPDATE training_datasets SET status = 'completed' WHERE id = dataset(4);
SELECT version FROM trainer_submit_training(dataset(4));
UPDATE training_datasets SET status = 'failed' WHERE id = dataset(5);
SELECT version FROM trainer_submit_training(dataset(5));
-- The number of a version that was deleted is not given again while there are later ones.
DELETE FROM custom_models WHERE version = 4 AND organization_id = org(1);
SELECT version FROM trainer_submit_training(dataset(6));

-- Names and suffixes.
SELECT * FROM error_of($$ SELECT trainer_submit_training(dataset(7), name => '') $$);
SELECT * FROM error_of($$ SELECT trainer_submit_training(dataset(7), name => repeat('n', 256)) $$);
SELECT s AS suffix, (error_of(format('SELECT trainer_submit_training(dataset(7), suffix => %L)', s))).*
FROM unnest(ARRAY['', 'a b', 'a:b', 'café', 'a' || chr(10), 'x"y']) AS s;
SELECT code FROM error_of($$ SELECT trainer_submit_training(dataset(7), suffix => repeat('s', 65)) $$);

-- Plans: another one, none, an organization that is not there.
SELECT * FROM error_of($$ SELECT trainer_submit_training(dataset(21)) $$);
SELECT * FROM error_of($$ SELECT trainer_submit_training(dataset(31)) $$);
CREATE VIEW nobody AS SELECT * FROM organizations WHERE false;
SELECT relation FROM trainer_attach(organizations => 'nobody') WHERE role = 'organizations';
SELECT * FROM error_of($$ SELECT trainer_submit_training(dataset(7)) $$);
SELECT relation FROM trainer_attach() WHERE role = 'organizations';
-- The plans are a setting; names in it may be quoted, and empty is nobody.
SET trainer.plans_with_custom_models = 'plus, "free"';
BEGIN; SELECT status FROM trainer_submit_training(dataset(21)); ROLLBACK;
SET trainer.plans_with_custom_models = '';
SELECT * FROM error_of($$ SELECT trainer_submit_training(dataset(7)) $$);
RESET trainer.plans_with_custom_models;
-- An app without plans says so in the binding.
SELECT count(*) FROM trainer_attach(columns => '{"organizations": {"plan_id": null}}');
BEGIN; SELECT status FROM trainer_submit_training(dataset(21)); ROLLBACK;
SELECT count(*) FROM trainer_attach();
SELECT code FROM error_of($$ SELECT trainer_submit_training(dataset(21)) $$);
-- Nothing of what was refused is left.
SELECT count(*) AS models FROM custom_models WHERE training_dataset_id IN (dataset(7), dataset(21), dataset(31));

-- Examples were taken out of the dataset by hand: one too few, none at all, and those of the other split do not count.
BEGIN;
DELETE FROM training_examples WHERE dataset_id = dataset(7) AND ordinal = 1;
SELECT * FROM error_of($$ SELECT trainer_submit_training(dataset(7)) $$);
UPDATE training_examples SET split = 'validation' WHERE dataset_id = dataset(7);
SELECT * FROM error_of($$ SELECT trainer_submit_training(dataset(7)) $$);
SELECT (SELECT count(*) FROM custom_models WHERE training_dataset_id = dataset(7)) AS models, (SELECT status FROM training_datasets WHERE id = dataset(7));
ROLLBACK;

-- A model to train on from: trained, and of the same organization.
UPDATE custom_models SET status = 'succeeded', fine_tuned_model_id = 'ft:gpt-4o-2024-08-06:org:a:1' WHERE name = 'named';
UPDATE custom_models SET status = 'succeeded', fine_tuned_model_id = 'ft:gpt-4o-2024-08-06:org:b:2' WHERE name = 'other';
SELECT base_model, parent_model_id = model('named') AS has_parent FROM trainer_submit_training(dataset(7), 'child', parent_model_id => model('named'));
SELECT * FROM error_of($$ SELECT trainer_submit_training(dataset(8), parent_model_id => model('other')) $$);
SELECT * FROM error_of($$ SELECT trainer_submit_training(dataset(8), parent_model_id => model('child')) $$);
SELECT * FROM error_of($$ SELECT trainer_submit_training(dataset(8), parent_model_id => org(9)) $$);

-- One live operation of a kind and argument, whoever asks.
SELECT * FROM error_of($$ INSERT INTO trainer_operations (organization_id, custom_model_id, kind) SELECT organization_id, id, 'upload_training_file' FROM custom_models WHERE name = 'child' $$);
SELECT trainer_add_operation(m, 'upload_training_file') FROM custom_models AS m WHERE name = 'child';
SELECT trainer_add_operation(m, 'delete_file', 'file-1'), trainer_add_operation(m, 'delete_file', 'file-2'), trainer_add_operation(m, 'delete_file', 'file-2')
FROM custom_models AS m WHERE name = 'child';
SELECT kind, argument, count(*) FROM trainer_operations WHERE custom_model_id = model('child') GROUP BY 1, 2 ORDER BY 1, 2;
UPDATE trainer_operations SET state = 'done' WHERE argument = 'file-1';
SELECT trainer_add_operation(m, 'delete_file', 'file-1') FROM custom_models AS m WHERE name = 'child';
SELECT state, count(*) FROM trainer_operations WHERE argument = 'file-1' GROUP BY 1 ORDER BY 1;
-- What is still to be done is not deleted by hand; what is finished may be, and a model takes its own with it.
SELECT state, told.* FROM unnest(ARRAY['ready', 'sending', 'reconcile', 'checking', 'done']) WITH ORDINALITY AS s (state, n),
  error_of(format($$ UPDATE trainer_operations SET state = %L WHERE argument = 'file-2'; DELETE FROM trainer_operations WHERE argument = 'file-2' $$, state)) AS told ORDER BY n;
SELECT * FROM error_of($$ DELETE FROM trainer_operations WHERE argument = 'file-1' $$);
UPDATE trainer_operations SET state = 'cancelled' WHERE argument = 'file-1';
DELETE FROM trainer_operations WHERE argument = 'file-1';
SELECT count(*) FROM trainer_operations WHERE kind = 'delete_file';
BEGIN;
DELETE FROM custom_models WHERE name = 'child';
SELECT count(*) FROM trainer_operations WHERE custom_model_id NOT IN (SELECT id FROM custom_models);
ROLLBACK;

-- --- cancellation, at each state of the operation and of the model ---

CREATE FUNCTION operations(name text) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT string_agg(concat_ws(' ', kind, argument, state), ', ' ORDER BY created_at, kind, argument) FROM public.trainer_operations
  WHERE custom_model_id = model($1) $$;
-- Ready: it ends here and now, and the dataset is free again.
SELECT status, cancel_requested_at IS NOT NULL AS requested, training_completed_at IS NOT NULL AS completed
FROM trainer_cancel_training(model('child'));
SELECT operations('child'), (SELECT status FROM training_datasets WHERE id = dataset(7)) AS dataset;
SELECT kind, detail FROM trainer_event_log WHERE custom_model_id = model('child') ORDER BY id;
SELECT * FROM error_of($$ SELECT trainer_cancel_training(model('child')) $$);
-- Being sent, or in doubt: the wish is noted, and a second one changes nothing.
SELECT name FROM trainer_submit_training(dataset(7), 'sent');
UPDATE trainer_operations SET state = 'sending' WHERE custom_model_id = model('sent');
SELECT status, cancel_requested_at IS NOT NULL AS requested, operations('sent') FROM trainer_cancel_training(model('sent'));
UPDATE trainer_operations SET state = 'reconcile' WHERE custom_model_id = model('sent');
SELECT status, operations('sent') FROM trainer_cancel_training(model('sent'));
UPDATE trainer_operations SET state = 'checking' WHERE custom_model_id = model('sent');
SELECT status, operations('sent') FROM trainer_cancel_training(model('sent'));
SELECT status FROM training_datasets WHERE id = dataset(7);
-- Between the uploads and the job: the files are deleted.
UPDATE trainer_operations SET state = 'done' WHERE custom_model_id = model('sent');
UPDATE custom_models SET status = 'uploading', training_file_id = 'file-t', validation_file_id = 'file-v', cancel_requested_at = NULL WHERE name = 'sent';
INSERT INTO trainer_operations (organization_id, custom_model_id, kind) VALUES (org(1), model('sent'), 'create_job');
SELECT status FROM trainer_cancel_training(model('sent'));
SELECT kind, argument, state FROM trainer_operations WHERE custom_model_id = model('sent') ORDER BY kind, argument;
-- With a job: the provider is asked, once however often.
SELECT name FROM trainer_submit_training(dataset(7), 'runs');
UPDATE trainer_operations SET state = 'done' WHERE custom_model_id = model('runs');
INSERT INTO trainer_operations (organization_id, custom_model_id, kind, due_at) VALUES (org(1), model('runs'), 'poll_job', '2100-01-01 00:00+00');
UPDATE custom_models SET provider_job_id = 'ftjob-1' WHERE name = 'runs';
CREATE FUNCTION cancelled_at(at text) RETURNS TABLE (status text, operations text) LANGUAGE plpgsql AS $$
BEGIN
  UPDATE public.custom_models SET status = at WHERE name = 'runs';
  status := (public.trainer_cancel_training(model('runs'))).status;
  operations := app.operations('runs');
  RETURN NEXT;
END $$;
SELECT at, c.* FROM unnest(ARRAY['validating', 'queued', 'running', 'paused']) AS at, cancelled_at(at) AS c;
SELECT at, (error_of(format('SELECT cancelled_at(%L)', at))).*
FROM unnest(ARRAY['evaluating', 'succeeded', 'deployed', 'failed', 'cancelled', 'retired']) AS at;
SELECT * FROM error_of($$ SELECT trainer_cancel_training(org(9)) $$);
SELECT * FROM error_of($$ SELECT trainer_cancel_training(NULL) $$);

-- --- pause and resume ---

CREATE FUNCTION ordered_at(at text, statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  UPDATE public.trainer_operations SET state = 'cancelled' WHERE custom_model_id = model('runs') AND kind IN ('cancel_job', 'pause_job', 'resume_job');
  DELETE FROM public.trainer_operations WHERE custom_model_id = model('runs') AND kind IN ('cancel_job', 'pause_job', 'resume_job');
  UPDATE public.custom_models SET status = at, cancel_requested_at = NULL WHERE name = 'runs';
  EXECUTE statement;
  RETURN app.operations('runs');
END $$;
SELECT at, ordered_at(at, $$SELECT trainer_pause_training(model('runs'))$$) FROM unnest(ARRAY['queued', 'running']) AS at;
SELECT ordered_at('paused', $$SELECT trainer_resume_training(model('runs'))$$);
SELECT at, pause.message, pause.detail, resume.message FROM unnest(ARRAY['pending', 'validating', 'running', 'paused', 'evaluating', 'failed']) AS at,
  error_of(format($$ SELECT ordered_at(%L, 'SELECT trainer_pause_training(model(''runs''))') $$, at)) AS pause,
  error_of(format($$ SELECT ordered_at(%L, 'SELECT trainer_resume_training(model(''runs''))') $$, at)) AS resume;
SELECT * FROM error_of($$ SELECT trainer_resume_training(org(9)) $$);

-- --- watching ---

UPDATE custom_models SET status = 'running', provider_status = 'running', provider_job_id = 'ftjob-1', current_step = 1, total_steps = 3, training_loss = 1.23456,
  validation_loss = 2.5, estimated_finish = '2100-01-01 01:00+00', training_started_at = now() - interval '90 seconds', error_code = NULL WHERE name = 'runs';
SET timezone = 'UTC';
BEGIN;
SELECT status, provider_status, percent_done, step, total_steps, train_loss, valid_loss, estimated_finish, elapsed >= '90 seconds' AS elapsed, cost_cents,
       error_code, error_message, next_poll FROM trainer_monitor_training(model('runs'));
UPDATE custom_models SET status = 'succeeded', training_completed_at = training_started_at + interval '5 minutes', training_cost_cents = 12.5 WHERE name = 'runs';
SELECT status, percent_done, elapsed, cost_cents FROM trainer_monitor_training(model('runs'));
UPDATE custom_models SET status = 'failed', total_steps = 0, error_code = 'server_error', error_message = 'It broke.' WHERE name = 'runs';
SELECT status, percent_done, error_code, error_message FROM trainer_monitor_training(model('runs'));
ROLLBACK;
SELECT * FROM error_of($$ SELECT * FROM trainer_monitor_training(org(9)) $$);
SELECT * FROM error_of($$ SELECT * FROM trainer_monitor_training(NULL) $$);

SELECT org, name, status, progress, train_loss, estimated_finish FROM trainer_progress WHERE name = 'runs';
SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' AND table_name = 'trainer_progress' ORDER BY ordinal_position;
SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' AND table_name = 'trainer_models' ORDER BY ordinal_position;
SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' AND table_name = 'trainer_operations_pending' ORDER BY ordinal_position;
SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' AND table_name = 'trainer_events' ORDER BY ordinal_position;
-- A live model has one line, whatever it waits for; what has ended has none.
UPDATE trainer_operations SET due_at = '2100-01-01 00:00+00', last_error = 'It rained.' WHERE custom_model_id = model('runs') AND kind = 'poll_job';
INSERT INTO trainer_operations (organization_id, custom_model_id, kind, argument) VALUES (org(1), model('runs'), 'sweep_duplicates', 'x');
UPDATE trainer_operations SET state = 'cancelled' WHERE kind = 'resume_job';
DELETE FROM trainer_operations WHERE kind = 'resume_job';
SELECT waits_because FROM trainer_progress WHERE name = 'runs';
SELECT name, status FROM trainer_progress WHERE status IN ('succeeded', 'deployed', 'failed', 'cancelled', 'retired');
SELECT kind, state, attempt, due_in = '0' AS due_now, last_error FROM trainer_operations_pending WHERE name = 'runs' ORDER BY kind;

-- What happened is kept whole, also when it is too long for a notification.
SELECT trainer_log_event(org(1), NULL, 'long', jsonb_build_object('text', repeat('x', 100000), 'nothing', NULL));
SELECT organization_id, custom_model_id, kind, length(detail ->> 'text') AS length, detail ? 'nothing' AS nothing FROM trainer_event_log WHERE kind = 'long';
SELECT org, name, detail FROM trainer_events WHERE kind = 'long';

-- Bars.
SELECT f, trainer_progress_bar(f, 10) FROM unnest(ARRAY[0, 0.04, 0.5, 0.999, 1, 7, -1, 'NaN', 'Infinity', '-Infinity']::float8[]) AS f;
SELECT trainer_progress_bar(0.5, 1), length(trainer_progress_bar(0.5, 200)), trainer_progress_bar(NULL, 10), trainer_progress_bar(0.5, NULL);
SELECT trainer_progress_bar(0.5, 0);
\echo :SQLSTATE
SELECT trainer_progress_bar(0.5, 201);

-- --- waiting for the end ---

CREATE FUNCTION ended(at text, code text DEFAULT NULL, because text DEFAULT NULL, told text DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
  UPDATE public.custom_models SET status = at, error_sqlstate = code, error_code = because, error_message = told WHERE name = 'runs' $$;
SELECT ended('succeeded');
CALL trainer_wait_for_training(model('runs'));
SELECT ended('deployed');
CALL trainer_wait_for_training(custom_model_id => model('runs'), timeout => '0');
SELECT ended('retired');
CALL trainer_wait_for_training(model('runs'), timeout => NULL);
SELECT ended('failed', 'TR002', 'server_error', 'It broke.');
SELECT * FROM error_of($$ CALL trainer_wait_for_training(model('runs')) $$);
SELECT ended('failed', 'TR003', 'model_not_found', 'No such model.');
SELECT * FROM error_of($$ CALL trainer_wait_for_training(model('runs')) $$);
SELECT ended('failed', 'TR006', 'training_not_available', 'Winding down.');
SELECT * FROM error_of($$ CALL trainer_wait_for_training(model('runs')) $$);
SELECT ended('failed', 'TR007', 'no_answer', 'Timeout.');
SELECT * FROM error_of($$ CALL trainer_wait_for_training(model('runs')) $$);
SELECT ended('failed');
SELECT * FROM error_of($$ CALL trainer_wait_for_training(model('runs')) $$);
SELECT ended('cancelled');
SELECT * FROM error_of($$ CALL trainer_wait_for_training(model('runs')) $$);
SELECT ended('running');
SELECT * FROM error_of($$ CALL trainer_wait_for_training(model('runs'), '0') $$);
SELECT * FROM error_of($$ CALL trainer_wait_for_training(model('runs'), '-1 hour') $$);
SELECT * FROM error_of($$ CALL trainer_wait_for_training(model('runs'), '300 milliseconds') $$);
SELECT * FROM error_of($$ CALL trainer_wait_for_training(org(9)) $$);
-- A percent sign in the provider's words is only that.
SELECT ended('failed', 'TR002', '%s', 'Loss fell by 100 % of %I.');
SELECT detail FROM error_of($$ CALL trainer_wait_for_training(model('runs')) $$);
-- Cancelled at once.
SELECT ended('running');
SET statement_timeout = '100ms';
CALL trainer_wait_for_training(model('runs'));
\echo :SQLSTATE
CALL trainer_wait_for_training(model('runs'), NULL);
RESET statement_timeout;
-- What this transaction has submitted, also under a savepoint.
BEGIN;
SELECT status FROM trainer_submit_training(dataset(8), 'own');
SELECT * FROM error_of($$ CALL trainer_wait_for_training(model('own')) $$);
ROLLBACK;
BEGIN;
SAVEPOINT here;
SELECT status FROM trainer_submit_training(dataset(8), 'own');
RELEASE here;
SELECT code FROM error_of($$ CALL trainer_wait_for_training(model('own')) $$);
ROLLBACK;
-- A snapshot that never moves.
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM error_of($$ CALL trainer_wait_for_training(model('runs')) $$);
ROLLBACK;

-- --- the worker's row ---

SELECT paused, paused_reason, in_flight FROM trainer_worker_status();
SELECT trainer_pause_worker('another reason');
SELECT paused, paused_reason FROM trainer_installation;
SELECT check_name, ok, detail, hint FROM trainer_check() WHERE check_name = 'not paused';
-- Nothing is due any more when it is let go.
UPDATE trainer_operations SET state = 'cancelled' WHERE state IN ('ready', 'sending', 'reconcile', 'checking');
SELECT trainer_resume_worker();
SELECT paused, paused_reason, system_identifier = (SELECT system_identifier FROM pg_control_system()) AS this_server,
       database_oid = (SELECT oid FROM pg_database WHERE datname = current_database()) AS this_database FROM trainer_installation;
SELECT paused, paused_reason, due FROM trainer_worker_status();
SELECT trainer_pause_worker();
SELECT paused, paused_reason FROM trainer_worker_status();

-- --- deletion ---

SELECT name FROM trainer_submit_training(dataset(12), 'doomed');
-- What comes of deleting its organization, or the model alone; nothing is deleted in the end.
CREATE FUNCTION delete_at(at text, operation text, tried integer, statement text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE public.trainer_operations SET state = operation, attempt = tried WHERE custom_model_id = model('doomed');
  UPDATE public.custom_models SET status = at WHERE name = 'doomed';
  EXECUTE statement;
  RAISE EXCEPTION 'deleted, and % models are left', (SELECT count(*) FROM public.custom_models WHERE organization_id = org(2));
END $$;
CREATE FUNCTION deletion(at text, operation text, tried integer, statement text DEFAULT 'DELETE FROM organizations WHERE id = org(2)')
RETURNS TABLE (code text, message text, detail text, hint text) LANGUAGE sql AS $$
  SELECT (error_of(format('SELECT delete_at(%L, %L, %L, %L)', at, operation, tried, statement))).* $$;
-- Nothing was sent, or it may have been.
SELECT * FROM deletion('pending', 'ready', 0);
SELECT * FROM deletion('pending', 'ready', 0, $$DELETE FROM custom_models WHERE name = 'doomed'$$);
\x on
SELECT * FROM deletion('pending', 'sending', 1);
\x off
SELECT operation, tried, d.code, d.message FROM (VALUES ('ready', 1), ('sending', 1), ('reconcile', 1), ('checking', 2), ('done', 1)) AS o (operation, tried),
  deletion('pending', operation, tried) AS d;
SELECT at, d.code, d.message, d.detail FROM unnest(ARRAY['uploading', 'validating', 'queued', 'running', 'paused']) AS at, deletion(at, 'done', 1) AS d;
SELECT message FROM deletion('running', 'done', 1, $$DELETE FROM custom_models WHERE name = 'doomed'$$);
-- Its training has ended.
SELECT at, d.code, d.message FROM unnest(ARRAY['evaluating', 'succeeded', 'deployed', 'failed', 'cancelled', 'retired']) AS at, deletion(at, 'done', 1) AS d;

-- ... but what would stay at the provider is not yet taken away.
SELECT kind, at, d.code, d.message FROM unnest(ARRAY['delete_file', 'sweep_duplicates']) AS kind, unnest(ARRAY['succeeded', 'failed', 'cancelled']) AS at,
  deletion(at, 'ready', 0, format($$UPDATE public.trainer_operations SET kind = %L, argument = 'file-1' WHERE custom_model_id = model('doomed'); DELETE FROM organizations WHERE id = org(2)$$, kind)) AS d;
\x on
SELECT * FROM deletion('failed', 'sending', 2, $$UPDATE public.trainer_operations SET kind = 'delete_file' WHERE custom_model_id = model('doomed'); DELETE FROM custom_models WHERE name = 'doomed'$$);
SELECT * FROM deletion('cancelled', 'reconcile', 2, $$UPDATE public.trainer_operations SET kind = 'sweep_duplicates' WHERE custom_model_id = model('doomed');
  UPDATE public.custom_models SET status = 'cancelled' WHERE status NOT IN ('succeeded', 'failed'); SET LOCAL client_min_messages = warning; TRUNCATE organizations CASCADE$$);
\x off

-- The provider's ids are its own affair: two jobs may have the same, one job may not.
INSERT INTO trainer_provider_events (id, organization_id, custom_model_id) SELECT 'event-1', organization_id, id FROM custom_models WHERE name IN ('runs', 'doomed');
INSERT INTO trainer_checkpoints (id, organization_id, custom_model_id, model, step) SELECT 'checkpoint-1', organization_id, id, 'ft:x', 1 FROM custom_models WHERE name IN ('runs', 'doomed');
\set VERBOSITY terse
INSERT INTO trainer_provider_events (id, organization_id, custom_model_id) SELECT 'event-1', organization_id, id FROM custom_models WHERE name = 'runs';
INSERT INTO trainer_checkpoints (id, organization_id, custom_model_id, model, step) SELECT 'checkpoint-1', organization_id, id, 'ft:x', 2 FROM custom_models WHERE name = 'runs';
\set VERBOSITY default

-- A model of another's dataset cannot be written, nor two jobs of one id.
\set VERBOSITY terse
UPDATE custom_models SET organization_id = org(2) WHERE name = 'runs';
UPDATE custom_models SET provider_job_id = 'ftjob-1' WHERE name = 'named';
\set VERBOSITY default

RESET search_path;
SET client_min_messages = warning;
-- A training that is under way is no obstacle.
SELECT status FROM custom_models WHERE name = 'runs';
DROP EXTENSION trainer;
DROP SCHEMA app CASCADE;
