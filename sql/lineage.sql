-- Lineage and erasure: which models learned a response, and what is left of it in our tables.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
CREATE EXTENSION trainer CASCADE;
CREATE TABLE organizations (id uuid PRIMARY KEY, plan_id text);
CREATE TABLE comments (id uuid PRIMARY KEY, organization_id uuid, platform text, original_text text);
CREATE TABLE responses (id uuid PRIMARY KEY, organization_id uuid, comment_id uuid, response_text text, created_at timestamptz);
CREATE FUNCTION org(n int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT lpad(n::text, 32, '0')::uuid $$;
CREATE FUNCTION response(n int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT ('a0000000' || lpad(n::text, 24, '0'))::uuid $$;
CREATE FUNCTION comment(n int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT ('c0000000' || lpad(n::text, 24, '0'))::uuid $$;
CREATE FUNCTION dataset(n int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT ('d0000000' || lpad(n::text, 24, '0'))::uuid $$;
CREATE FUNCTION model(n int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT ('b0000000' || lpad(n::text, 24, '0'))::uuid $$;
CREATE FUNCTION n(id uuid) RETURNS int IMMUTABLE LANGUAGE sql AS $$ SELECT right(id::text, 3)::int $$;
CREATE FUNCTION error_of(statement text) RETURNS TABLE (code text, message text, detail text, hint text) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RETURN NEXT;
END $$;
INSERT INTO organizations VALUES (org(1), 'plus'), (org(2), 'plus');
-- Responses 1 to 6 each to a comment of its own, 11 is another one to comment 1, 21 is another organization's.
INSERT INTO comments SELECT comment(n), org(1 + n / 20), 'x', 'Comment ' || n FROM unnest('{1,2,3,4,5,6,21}'::int[]) AS n;
INSERT INTO responses SELECT response(n), org(1 + n / 20), comment(CASE n WHEN 11 THEN 1 ELSE n END), 'Reply ' || n, now() FROM unnest('{1,2,3,4,5,6,11,21}'::int[]) AS n;
SELECT count(*) FROM trainer_attach();

-- Dataset 1: responses 1 and 2 to train on, 3 to measure with. Dataset 2: 4, and 2 to measure with. Dataset 3: 5. Dataset 21: of the other.
INSERT INTO training_datasets (id, organization_id, name, roast_count, validation_count, training_params, status)
SELECT dataset(n), org(1 + n / 20), 'set ' || n, r, v, '{"base_model": "gpt-4o"}', 'completed' FROM (VALUES (1, 3, 1), (2, 2, 1), (3, 1, 0), (21, 1, 0)) AS d (n, r, v);
INSERT INTO training_examples (dataset_id, ordinal, organization_id, split, response_id, comment_id, messages)
SELECT dataset(d), o, org(1 + d / 20), s, response(r), comment(r),
       json_build_array(json_build_object('role', 'user', 'content', 'Comment: "Comment ' || r || '"'), json_build_object('role', 'assistant', 'content', 'Reply ' || r))
FROM (VALUES (1, 1, 'train', 1), (1, 2, 'train', 2), (1, 3, 'validation', 3), (2, 1, 'train', 4), (2, 2, 'validation', 2), (3, 1, 'train', 5), (21, 1, 'train', 21)) AS e (d, o, s, r);
-- Model 1 is of dataset 1, 2 trained on from it with dataset 2, 3 from that with dataset 3; 4 has been submitted, 5 runs, 6 has failed before its job began.
INSERT INTO custom_models (id, organization_id, name, version, base_model, status, training_dataset_id, parent_model_id, fine_tuned_model_id, training_started_at, verified_at, deployed_at,
                           is_active, training_file_id, validation_file_id)
SELECT model(n), org(1 + n / 20), 'v' || n, n, 'gpt-4o', s, dataset(d), model(p), CASE WHEN s IN ('retired', 'deployed') THEN 'ft:' || n END, CASE WHEN s NOT IN ('pending', 'failed') THEN now() END,
       CASE WHEN s IN ('retired', 'deployed') THEN now() END, CASE WHEN s IN ('retired', 'deployed') THEN timestamptz '2026-01-01' + n * interval '1 day' END, s = 'deployed',
       CASE WHEN s <> 'pending' THEN 'file-t' || n END, CASE WHEN s <> 'pending' AND d < 3 THEN 'file-v' || n END
FROM (VALUES (1, 'retired', 1, NULL), (2, 'retired', 2, 1), (3, 'deployed', 3, 2), (4, 'pending', 1, NULL), (5, 'running', 1, NULL), (6, 'failed', 1, NULL), (21, 'deployed', 21, NULL)) AS m (n, s, d, p);
INSERT INTO trainer_operations (organization_id, custom_model_id, kind) VALUES (org(1), model(4), 'upload_training_file'), (org(1), model(5), 'poll_job');
INSERT INTO trainer_checkpoints (id, organization_id, custom_model_id, model, step) VALUES ('c-1', org(1), model(1), 'ft:1:ckpt-step-1', 1), ('c-2', org(1), model(1), 'ft:1', 2);
SELECT version, status, training_examples FROM trainer_make_exemplar_model(dataset(1));

-- --- from a response to what learned it ---

CREATE VIEW lineage AS
SELECT r AS response, n(l.dataset_id) AS dataset, l.ordinal, l.split, l.version, l.status, l.kind, l.learned, l.how FROM unnest('{1,2,3,4,5,6,21}'::int[]) AS r, trainer_lineage(response(r)) AS l;
SELECT * FROM lineage ORDER BY response, dataset, ordinal, version;
-- A dataset that nothing was trained from yet.
INSERT INTO training_datasets (id, organization_id, name, roast_count) VALUES (dataset(4), org(1), 'unused', 1);
INSERT INTO training_examples SELECT dataset(4), 1, org(1), 'train', response(6), comment(6), '[]';
SELECT n(dataset_id) AS dataset, ordinal, split, custom_model_id, learned, how FROM trainer_lineage(response(6));
SELECT count(*) FROM trainer_lineage(response(99));
SELECT count(*) FROM trainer_lineage(NULL);

-- --- and back ---

CREATE VIEW learned AS
SELECT m.version, n(l.response_id) AS response, n(l.comment_id) AS comment, n(l.dataset_id) AS dataset, l.ordinal, l.split, n(l.inherited_from) AS inherited_from
FROM custom_models AS m, trainer_learned_responses(m.id) AS l;
SELECT * FROM learned ORDER BY version, inherited_from DESC NULLS FIRST, ordinal;
SELECT * FROM error_of($$SELECT trainer_learned_responses(org(9))$$);
SELECT * FROM error_of($$SELECT trainer_learned_responses(NULL)$$);

-- Parents that somebody has made a ring of.
BEGIN;
UPDATE custom_models SET parent_model_id = model(3) WHERE id = model(1);
SELECT version, how FROM lineage WHERE response = 1 AND kind = 'fine_tuned' AND learned ORDER BY version;
SELECT count(*) FROM trainer_learned_responses(model(1));
ROLLBACK;

-- Each organization sees its own alone.
CREATE ROLE trainer_regress_lineage;
SELECT level FROM trainer_grant('trainer_regress_lineage', 'app', $$'00000000-0000-0000-0000-000000000002'$$);
SET ROLE trainer_regress_lineage;
SELECT (SELECT count(*) FROM trainer_lineage('a0000000-0000-0000-0000-000000000001')) AS of_another, (SELECT count(*) FROM trainer_lineage('a0000000-0000-0000-0000-000000000021')) AS own;
SELECT trainer_learned_responses('b0000000-0000-0000-0000-000000000001');
SELECT count(*) FROM trainer_learned_responses('b0000000-0000-0000-0000-000000000021');
SELECT trainer_erase('00000000-0000-0000-0000-000000000002');
RESET ROLE;
-- An admin may erase.
SELECT level FROM trainer_grant('trainer_regress_lineage', 'admin');
SET client_min_messages = error;  -- no worker runs here

-- --- erasure ---

INSERT INTO trainer_generations (organization_id, comment_id, response_id, custom_model_id, rung, reason, model, response_time_ms) VALUES (org(1), comment(2), response(2), model(3), 'fine_tuned', '', 'ft:3', 1);
INSERT INTO model_feedback (organization_id, response_id, feedback_type, edited_roast, rating, metadata) VALUES
  (org(1), response(1), 'approved', NULL, 5, '{"by": "Ann"}'), (org(1), response(2), 'edited', 'Better than reply 2', 3, '{}'), (org(1), response(2), 'rejected', NULL, 1, '{}'),
  (org(1), response(4), 'approved', NULL, 4, '{"by": "Bob"}');
INSERT INTO trainer_generation_requests (organization_id, comment_id, response_id, requested_by, role_oid, temperature, max_tokens, reason, rungs)
SELECT org(1), comment(c), response(100 + c), 'nobody', 0, 0, 1, '', json_build_array(json_build_object('rung', 'exemplar', 'messages', json_build_array(
  json_build_object('role', 'user', 'content', 'Comment: "Comment ' || shown || '"'), json_build_object('role', 'assistant', 'content', 'Reply ' || shown))))
FROM (VALUES (1, 3), (2, 3), (5, 2), (6, 3)) AS q (c, shown);
INSERT INTO trainer_reference_roasts (organization_id, roast) VALUES (org(1), 'of one'), (org(2), 'of the other'), (NULL, 'of all');
CREATE VIEW queue AS SELECT m.version, o.kind, o.argument, o.state FROM trainer_operations AS o JOIN custom_models AS m ON m.id = o.custom_model_id WHERE o.kind LIKE 'delete%';
CREATE VIEW texts AS
SELECT (SELECT string_agg(n(response_id)::text, ' ' ORDER BY dataset_id, ordinal) FROM training_examples) AS examples,
       (SELECT string_agg(n(response_id)::text, ' ' ORDER BY ordinal) FROM trainer_exemplars) AS exemplars,
       (SELECT string_agg(term || ':' || array_to_string(ordinals, ','), ' ' ORDER BY term) FROM trainer_exemplar_terms) AS terms,
       (SELECT string_agg(n(comment_id)::text, ' ' ORDER BY comment_id) FROM trainer_generation_requests) AS requests,
       (SELECT count(*) FROM trainer_reference_roasts) AS reference_roasts;
SELECT * FROM texts;

SELECT * FROM error_of($$SELECT trainer_erase(NULL)$$);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM error_of($$SELECT trainer_erase(org(1), response_id => response(1))$$);
COMMIT;
-- Nothing of another organization's, and nothing that nobody knows.
SELECT count(*) FROM trainer_erase(org(1), response_id => response(21));
SELECT count(*) FROM trainer_erase(org(1), comment_id => comment(99));
SELECT count(*) FROM trainer_erase(org(9));
SELECT * FROM texts;

-- A comment with its responses: an admin, who may not read the app's tables, is refused: there may be more than our tables know.
SET ROLE trainer_regress_lineage;
SELECT version FROM trainer_erase('00000000-0000-0000-0000-000000000001', comment_id => 'c0000000-0000-0000-0000-000000000002');
RESET ROLE;
GRANT SELECT ON responses TO trainer_regress_lineage;
-- A file on its way could not be found again.
UPDATE trainer_operations SET state = 'reconcile' WHERE kind = 'upload_training_file';
SELECT * FROM error_of($$SELECT trainer_erase(org(1), comment_id => comment(2))$$);
UPDATE trainer_operations SET state = 'ready' WHERE kind = 'upload_training_file';
-- The models stay; 2 was measured with it and has it from 1. The training that has not begun goes on without it.
SET ROLE trainer_regress_lineage;
SELECT version, status, serves, fine_tuned_model_id, how, files_deleted, model_deletion FROM trainer_erase('00000000-0000-0000-0000-000000000001', comment_id => 'c0000000-0000-0000-0000-000000000002');
RESET ROLE;
SELECT * FROM texts;
SELECT * FROM queue ORDER BY version, kind, argument;
SELECT n(id) AS dataset, roast_count, validation_count, report FROM training_datasets ORDER BY 1;
SELECT version, training_examples FROM custom_models WHERE kind = 'exemplar';
-- Verdicts count as before.
SELECT n(response_id) AS response, feedback_type, original_roast, edited_roast, rating, metadata FROM model_feedback ORDER BY 1, 2;
SELECT m.version, e.kind, e.detail FROM trainer_event_log AS e LEFT JOIN custom_models AS m ON m.id = e.custom_model_id WHERE e.kind IN ('erased', 'erasure') AND e.detail ? 'comment_id' ORDER BY e.id;
SELECT count(*) FROM trainer_lineage(response(2));

-- Once more, now with the models: what was erased is known by its events. The one that served before takes the place of the one that serves: there is none.
SELECT version, status, serves, fine_tuned_model_id, how, files_deleted, model_deletion FROM trainer_erase(org(1), comment_id => comment(2), delete_models => true);
SELECT * FROM queue ORDER BY version, kind, argument;
SELECT version, status, is_active, verified_at IS NULL AS not_verified, deployed_at, erased_at IS NOT NULL AS erased FROM custom_models WHERE organization_id = org(1) ORDER BY version;
SELECT n(e.custom_model_id) AS model, e.detail FROM trainer_event_log AS e WHERE kind = 'model_rolled_back';
-- They neither serve nor train again.
SELECT * FROM error_of($$SELECT trainer_deploy_model(model(1))$$);
SELECT code FROM error_of($$SELECT trainer_activate_model(model(1))$$);
SELECT code FROM error_of($$SELECT trainer_rollback_model(org(1))$$);
SELECT * FROM error_of($$SELECT trainer_submit_training(dataset(3), parent_model_id => model(1))$$);
-- The organization stays until the worker has done its part.
SELECT code, message FROM error_of($$DELETE FROM organizations WHERE id = org(1)$$);
UPDATE trainer_operations SET state = 'done', finished_at = now() WHERE kind = 'delete_file';
SELECT code, detail FROM error_of($$DELETE FROM custom_models WHERE id = model(3)$$);
-- ... and what is done is not asked for again; what could not be done is.
UPDATE trainer_operations SET state = CASE argument WHEN 'ft:3' THEN 'failed' ELSE 'done' END, finished_at = now() WHERE kind = 'delete_model';
UPDATE custom_models SET fine_tuned_model_id = NULL WHERE version IN (1, 2) AND organization_id = org(1);
UPDATE custom_models SET status = 'failed' WHERE id = model(5);
SELECT version, status, serves, fine_tuned_model_id, how, files_deleted, model_deletion FROM trainer_erase(org(1), comment_id => comment(2), delete_models => true);
SELECT * FROM queue WHERE state = 'ready' ORDER BY version, kind, argument;

-- A response alone; its comment is that of another one, too.
SELECT version, how, files_deleted, model_deletion FROM trainer_erase(org(1), response_id => response(4), delete_models => true);
SELECT * FROM texts;

-- The model that was deployed before takes the place, and not one that goes, too.
UPDATE trainer_operations SET state = 'cancelled' WHERE kind = 'delete_model';
DELETE FROM trainer_operations WHERE kind = 'delete_model';
UPDATE custom_models SET erased_at = NULL, status = 'retired', verified_at = now(), deployed_at = timestamptz '2026-01-01' + version * interval '1 day', fine_tuned_model_id = 'ft:' || version
  WHERE organization_id = org(1) AND version IN (1, 2, 3);
UPDATE custom_models SET status = 'deployed', is_active = true WHERE id = model(3);
SELECT version, status, serves, how, model_deletion FROM trainer_erase(org(1), response_id => response(5), delete_models => true);
SELECT version, status, is_active FROM custom_models WHERE organization_id = org(1) AND version < 4 ORDER BY version;

-- The whole organization; an exemplar model without examples has nothing to show.
-- What drift keeps of the comments, their words as bits, goes with the organization.
SELECT trainer_look_at_drift(org(1));
SELECT count(*) > 0 AS streams FROM trainer_drift_streams WHERE organization_id = org(1);
SELECT version, status, serves, how, files_deleted, model_deletion FROM trainer_erase(org(1), delete_models => true);
SELECT count(*) AS streams FROM trainer_drift_streams WHERE organization_id = org(1);
SELECT * FROM texts;
SELECT count(*) FROM model_feedback WHERE organization_id = org(1) AND (original_roast IS NOT NULL OR edited_roast <> '' OR metadata <> '{}');
SELECT detail FROM trainer_event_log WHERE kind = 'erasure' ORDER BY id DESC LIMIT 1;
-- The other one has what it had.
SELECT * FROM lineage WHERE response = 21;
-- What was done stays known when the organization is gone.
UPDATE trainer_operations SET state = 'done' WHERE organization_id = org(1);
UPDATE custom_models SET status = 'cancelled' WHERE organization_id = org(1) AND status = 'pending';
DELETE FROM organizations WHERE id = org(1);
SELECT kind, count(*) FROM trainer_event_log WHERE organization_id = org(1) GROUP BY 1;

SELECT trainer_revoke('trainer_regress_lineage');
DROP OWNED BY trainer_regress_lineage;
DROP ROLE trainer_regress_lineage;
SET client_min_messages = warning;
DROP VIEW lineage, learned, queue, texts;
DROP EXTENSION trainer CASCADE;
DROP TABLE organizations, comments, responses;
DROP FUNCTION org(int), response(int), comment(int), dataset(int), model(int), n(uuid), error_of(text);
