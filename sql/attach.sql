-- Binding to the app's tables.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
CREATE SCHEMA app;
CREATE SCHEMA trainer_home;
CREATE EXTENSION trainer SCHEMA trainer_home CASCADE;
RESET client_min_messages;
\set VERBOSITY default
\set SHOW_CONTEXT never

-- Not bound yet.
SELECT * FROM trainer_home.trainer_check_binding();
SELECT trainer_home.trainer_detach();
-- Nothing of the default names in the search path: all that is missing is named at once.
SELECT * FROM trainer_home.trainer_attach();
\echo :SQLSTATE

CREATE TABLE app.organizations (id uuid PRIMARY KEY, name text, plan_id varchar(20));
CREATE TABLE app.comments (id uuid PRIMARY KEY, organization_id uuid, original_text text NOT NULL, platform varchar(20));
CREATE TABLE app.responses (id uuid PRIMARY KEY, organization_id uuid, comment_id uuid, response_text text NOT NULL, created_at timestamptz);
CREATE TABLE app.roast_metadata (response_id uuid, rqc_score numeric);
CREATE TABLE app.roastr_persona (organization_id uuid, lo_que_me_define text, tone text, other int);

-- Defaults are found by the caller's search path, from whichever path the functions themselves are called.
SET search_path = app;
SELECT * FROM trainer_home.trainer_attach();
-- Again: the same, and no second set of foreign keys.
CREATE TEMP TABLE before AS SELECT oid FROM pg_constraint WHERE conname LIKE '%\_host\_%';
SELECT count(*) FROM trainer_home.trainer_attach();
SELECT count(*) AS foreign_keys, bool_and(oid IN (SELECT oid FROM before)) AS the_same FROM pg_constraint WHERE conname LIKE '%\_host\_%';
SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conname LIKE '%\_host\_%' ORDER BY conname;
RESET search_path;
SELECT check_name, ok, replace(detail, quote_ident(current_user), '(me)') AS detail, hint FROM trainer_home.trainer_check_binding();

-- Indexes that serve, and such that do not.
CREATE INDEX responses_wrong ON app.responses (organization_id, created_at, id DESC);
CREATE INDEX quality_partial ON app.roast_metadata (response_id) WHERE rqc_score > 0.5;
SELECT check_name, ok FROM trainer_home.trainer_check_indexes();
CREATE INDEX responses_newest ON app.responses (organization_id, created_at DESC, id DESC);
CREATE INDEX quality_response ON app.roast_metadata (response_id, rqc_score);
SELECT check_name, ok, detail FROM trainer_home.trainer_check_indexes();
DROP INDEX app.responses_newest;
CREATE INDEX responses_oldest ON app.responses (organization_id, created_at, id);
SELECT check_name, ok FROM trainer_home.trainer_check_indexes();

-- A restored dump has the rows and not the foreign keys.
ALTER TABLE trainer_home.model_feedback DROP CONSTRAINT model_feedback_host_response_fkey;
SELECT check_name, ok, detail, hint FROM trainer_home.trainer_check_binding() WHERE check_name = 'foreign keys';
SET search_path = app;
SELECT role, foreign_keys FROM trainer_home.trainer_attach();
RESET search_path;
SELECT check_name, ok FROM trainer_home.trainer_check_binding();

-- What the foreign keys do: an organization takes its own rows with it, a response leaves the verdicts on it.
INSERT INTO app.organizations VALUES ('00000000-0000-0000-0000-000000000001'), ('00000000-0000-0000-0000-000000000002');
INSERT INTO app.responses (id, organization_id, response_text) VALUES ('00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-000000000001', 'x');
INSERT INTO trainer_home.training_datasets (id, organization_id, name)
SELECT id, id, 'set' FROM app.organizations;
INSERT INTO trainer_home.custom_models (id, organization_id, name, version, base_model, training_dataset_id)
SELECT id, id, 'model', 1, 'gpt-4o', id FROM app.organizations;
INSERT INTO trainer_home.model_feedback (organization_id, custom_model_id, response_id, feedback_type)
VALUES ('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-00000000000a', 'approved');
DELETE FROM app.responses;
SELECT count(*) AS verdicts, count(response_id) AS with_response FROM trainer_home.model_feedback;
DELETE FROM app.organizations WHERE id = '00000000-0000-0000-0000-000000000001';
SELECT (SELECT count(*) FROM trainer_home.training_datasets) AS datasets, (SELECT count(*) FROM trainer_home.custom_models) AS models,
       (SELECT count(*) FROM trainer_home.model_feedback) AS verdicts;
INSERT INTO trainer_home.training_datasets (organization_id, name) VALUES ('00000000-0000-0000-0000-00000000000f', 'nobody''s');

-- Detached: no foreign keys, the data stays, and attaching works again.
SELECT trainer_home.trainer_detach();
SELECT count(*) AS foreign_keys FROM pg_constraint WHERE conname LIKE '%\_host\_%';
SELECT (SELECT count(*) FROM trainer_home.trainer_bindings) AS bindings, (SELECT count(*) FROM trainer_home.custom_models) AS models;
SET search_path = app;
SELECT role, foreign_keys FROM trainer_home.trainer_attach();
RESET search_path;

-- Other tables, other names: what is mapped is used, what is not keeps its name. Views and odd identifiers are welcome.
DELETE FROM trainer_home.custom_models;
DELETE FROM trainer_home.training_datasets;
CREATE SCHEMA "Odd App";
CREATE TABLE "Odd App"."the tenants" ("Tenant ID" uuid PRIMARY KEY);
CREATE DOMAIN "Odd App".body AS text;
CREATE TYPE "Odd App".network AS ENUM ('here', 'there');
CREATE TABLE "Odd App".notes (id uuid UNIQUE, tenant uuid, "te""xt" "Odd App".body, "where" "Odd App".network);
CREATE TABLE "Odd App".replies_base (id uuid, tenant uuid, note uuid, body varchar, "when" timestamp);
CREATE VIEW "Odd App".replies AS SELECT * FROM "Odd App".replies_base;
CREATE MATERIALIZED VIEW "Odd App".reviews AS SELECT NULL::uuid AS reply, NULL::real AS score;
SELECT role, relation, columns, foreign_keys FROM trainer_home.trainer_attach(
  organizations => '"Odd App"."the tenants"', comments => '"Odd App".notes', responses => '"Odd App".replies', quality => '"Odd App".reviews',
  columns => '{"organizations": {"id": "Tenant ID", "plan_id": null},
               "comments": {"organization_id": "tenant", "original_text": "te\"xt", "platform": "where"},
               "responses": {"organization_id": "tenant", "comment_id": "note", "response_text": "body", "created_at": "when"},
               "quality": {"response_id": "reply", "rqc_score": "score"}}');
-- The old foreign keys went with the old tables.
SELECT conname, confrelid::regclass FROM pg_constraint WHERE conname LIKE '%\_host\_%' ORDER BY conname;

-- What has been renamed or dropped since is found.
ALTER TABLE "Odd App".notes RENAME COLUMN "where" TO elsewhere;
DROP MATERIALIZED VIEW "Odd App".reviews;
SELECT ok, regexp_replace(detail, 'OID \d+', 'OID ...') AS detail, hint FROM trainer_home.trainer_check_binding() WHERE check_name = 'binding';

-- Everything that does not fit is named in one error, and nothing is changed.
CREATE TABLE app.replies (id int, organization_id uuid, comment_id uuid, created_at text);
CREATE INDEX replies_index ON app.replies (id);
CREATE TEMP TABLE passing (response_id uuid, rqc_score numeric);
SET search_path = app;
SELECT count(*) FROM trainer_home.trainer_attach();
RESET search_path;
CREATE TABLE before_error AS SELECT * FROM trainer_home.trainer_bindings;
SET search_path = app;
SELECT * FROM trainer_home.trainer_attach(responses => 'app.replies', quality => 'pg_temp.passing',
  columns => '{"organizations": {"id": "name", "plan_id": "tier"}, "comments": {"original_text": null, "body": "x", "platform": 7},
               "persona": {"tone": "voice"}, "responses": {"response_text": "xmin"}, "reviews": {}}');
SELECT * FROM trainer_home.trainer_attach(comments => 'app.replies_index', persona => 'app.comments');
SELECT * FROM trainer_home.trainer_attach(columns => '[]');
SELECT * FROM trainer_home.trainer_attach(columns => NULL);
SELECT * FROM trainer_home.trainer_attach(columns => '{"quality": "none", "comments": null}');
SELECT * FROM trainer_home.trainer_attach(columns => '{"responses": {"response_text": "body\"; DROP TABLE app.comments; --"}}');
SELECT * FROM trainer_home.trainer_attach(responses => 'app.missing');
SELECT count(*) AS changed FROM (TABLE public.before_error EXCEPT TABLE trainer_home.trainer_bindings) AS difference;
-- What is optional may be left out.
SELECT role, columns FROM trainer_home.trainer_attach(columns => '{"quality": null, "persona": null, "comments": {"platform": null}}');

-- Whoever attaches must be able to read the tables.
CREATE ROLE trainer_regress_app;
GRANT USAGE ON SCHEMA app, trainer_home TO trainer_regress_app;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA trainer_home TO trainer_regress_app;
GRANT ALL ON trainer_home.trainer_bindings TO trainer_regress_app;
GRANT SELECT ON app.organizations TO trainer_regress_app;
GRANT SELECT (id, organization_id, original_text) ON app.comments TO trainer_regress_app;
SET ROLE trainer_regress_app;
SELECT * FROM trainer_home.trainer_attach();
RESET ROLE;
RESET search_path;

-- Functions, operators and tables of the same names, first in the path, change nothing.
CREATE SCHEMA trap;
CREATE FUNCTION trap.trainer_attach_relations(jsonb, jsonb) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE FUNCTION trap.to_regclass(text) RETURNS regclass LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE FUNCTION trap.equal(text, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE OPERATOR trap.= (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.equal);
CREATE TABLE trap.trainer_bindings (role text);
SET search_path = trap, app, pg_catalog;
SELECT role, relation FROM trainer_home.trainer_attach();
RESET search_path;

-- Foreign keys are no part of the extension, and go with its tables.
DROP EXTENSION trainer;
SELECT count(*) AS foreign_keys FROM pg_constraint WHERE conname LIKE '%\_host\_%';
SELECT count(*) AS organizations FROM app.organizations;
SET client_min_messages = warning;
DROP SCHEMA app, "Odd App", trap, trainer_home CASCADE;
DROP TABLE before_error;
DROP ROLE trainer_regress_app;
