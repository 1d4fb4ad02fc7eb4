-- Databases of other encodings: what is uploaded is JSON in UTF-8 all the same.
SELECT current_database() AS home \gset
SET client_min_messages = warning;
CREATE DATABASE trainer_regress_latin1 TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C';
CREATE DATABASE trainer_regress_ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C';
\set schema 'CREATE TABLE organizations (id uuid PRIMARY KEY, plan_id text); CREATE TABLE comments (id uuid PRIMARY KEY, organization_id uuid, platform text, original_text text); CREATE TABLE responses (id uuid PRIMARY KEY, organization_id uuid, comment_id uuid, response_text text, created_at timestamptz); CREATE TABLE roast_metadata (response_id uuid, rqc_score numeric); CREATE TABLE roastr_persona (organization_id uuid, tone text);'
\set fill 'INSERT INTO organizations VALUES (md5(\'1\')::uuid, \'plus\'); INSERT INTO comments SELECT md5(n::text)::uuid, md5(\'1\')::uuid, \'reddit\', text FROM texts; INSERT INTO responses SELECT md5(n::text)::uuid, md5(\'1\')::uuid, md5(n::text)::uuid, \'answer \' || n, timestamptz \'2026-01-01\' - n * interval \'1 day\' FROM texts; INSERT INTO roast_metadata SELECT id, 0.9 FROM responses;'

\c trainer_regress_latin1
SET client_encoding = 'UTF8';
:schema
CREATE TABLE texts AS SELECT n, 'café £' || n AS text FROM generate_series(1, 10) AS n;
:fill
INSERT INTO roastr_persona VALUES (md5('1')::uuid, 'doucement, à la française');
CREATE EXTENSION trainer CASCADE;
SELECT count(*) FROM trainer_attach();
SELECT roast_count, report ->> 'cleaned' AS cleaned FROM trainer_prepare_dataset(md5('1')::uuid, min_examples => 10, validation_fraction => 0);
SELECT trainer_dataset_jsonl(id) FROM training_datasets LIMIT 1;
SELECT * FROM trainer_validate_dataset((SELECT id FROM training_datasets));
-- What this encoding lacks may come in by hand as an escape.
UPDATE training_examples SET messages = '[{"role":"user","content":"\ud83d\ude00 \u20ac"},{"role":"assistant","content":"a"}]' WHERE ordinal = 2;
SELECT ordinal, code FROM trainer_validate_dataset((SELECT id FROM training_datasets));
SELECT exact FROM trainer_estimate_training_cost((SELECT id FROM training_datasets));
-- Tokens are those of the text in UTF-8, and of U+FFFD for what has none.
SELECT trainer_count_tokens('café £');

\c trainer_regress_ascii
:schema
CREATE TABLE texts AS SELECT n, convert_from('\x636166c3a920ff'::bytea, 'SQL_ASCII') || n AS text FROM generate_series(1, 10) AS n;
:fill
CREATE EXTENSION trainer CASCADE;
SELECT count(*) FROM trainer_attach();
SELECT roast_count, report ->> 'cleaned' AS cleaned FROM trainer_prepare_dataset(md5('1')::uuid, min_examples => 10, validation_fraction => 0);
SELECT trainer_dataset_jsonl(id) FROM training_datasets LIMIT 1;
SELECT * FROM trainer_validate_dataset((SELECT id FROM training_datasets));
SELECT trainer_count_tokens(convert_from('\x636166c3a920ff'::bytea, 'SQL_ASCII'));

\c :home
SET client_min_messages = warning;
DROP DATABASE trainer_regress_latin1;
DROP DATABASE trainer_regress_ascii;
