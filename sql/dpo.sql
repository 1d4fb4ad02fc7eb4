-- Datasets from feedback: preference pairs (method dpo), and examples that are weighted by their rating.
SET client_encoding = 'UTF8';
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
CREATE EXTENSION trainer CASCADE;
RESET client_min_messages;
\set SHOW_CONTEXT never

CREATE SCHEMA app;
SET search_path = app, public;
CREATE TABLE organizations (id uuid PRIMARY KEY, plan_id text);
CREATE TABLE comments (id uuid PRIMARY KEY, organization_id uuid NOT NULL, platform text, original_text text);
CREATE TABLE responses (id uuid PRIMARY KEY, organization_id uuid NOT NULL, comment_id uuid, response_text text, created_at timestamptz);
CREATE TABLE roast_metadata (response_id uuid, rqc_score numeric);
CREATE TABLE roastr_persona (organization_id uuid, tone text);
-- ids that can be read: org(1), comment(7), response(7), pick(7)
CREATE FUNCTION org(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT lpad(n::text, 32, '0')::uuid $$;
CREATE FUNCTION comment(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT ('c0000000' || lpad(n::text, 24, '0'))::uuid $$;
CREATE FUNCTION response(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT ('a0000000' || lpad(n::text, 24, '0'))::uuid $$;
CREATE FUNCTION pick(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT ('e0000000' || lpad(n::text, 24, '0'))::uuid $$;

-- Scores are not needed.
SELECT trainer_prepare_dataset(org(1), method => 'dpo');
SELECT role FROM trainer_attach(columns => '{"quality": null}');
INSERT INTO organizations SELECT org(n), 'plus' FROM generate_series(1, 3) AS n;
INSERT INTO comments SELECT comment(n), org(1), 'bluesky', 'comment ' || n FROM generate_series(1, 40) AS n;
INSERT INTO comments VALUES (comment(900), org(2), 'bluesky', 'not yours');
INSERT INTO responses SELECT response(n), org(1), comment(n), 'reply ' || n, '2026-01-01' FROM generate_series(1, 40) AS n;
INSERT INTO responses VALUES (response(900), org(2), comment(900), 'not yours', '2026-01-01'), (response(901), org(1), comment(900), 'stolen', '2026-01-01');
SELECT trainer_prepare_dataset(org(1), method => 'dpo');
\echo :SQLSTATE

-- --- from edits: a pair each, of the newest edit ---

INSERT INTO model_feedback (organization_id, response_id, feedback_type, original_roast, edited_roast, created_at)
SELECT org(1), response(n), 'edited', 'reply ' || n, 'better reply ' || n, timestamptz '2026-02-01 00:00+00' + n * interval '1 minute' FROM generate_series(1, 14) AS n;
-- An older edit; nothing changed; rejected; what was edited not told, and the response has it; no text left; no text before.
INSERT INTO model_feedback (organization_id, response_id, feedback_type, original_roast, edited_roast, created_at) VALUES (org(1), response(1), 'edited', 'reply 1', 'older', '2026-01-31');
UPDATE model_feedback SET edited_roast = E' reply 2\n' WHERE response_id = response(2);
INSERT INTO model_feedback (organization_id, response_id, feedback_type, created_at) VALUES (org(1), response(3), 'rejected', '2026-01-15');
UPDATE model_feedback SET original_roast = NULL WHERE response_id = response(4);
UPDATE model_feedback SET edited_roast = E' \t' WHERE response_id = response(5);
UPDATE model_feedback SET original_roast = NULL WHERE response_id = response(6);
UPDATE responses SET response_text = NULL WHERE id = response(6);
-- Edited into what was rejected of another response to the same comment; a special token on the other side; control characters, quotes, line breaks.
INSERT INTO responses VALUES (response(47), org(1), comment(7), 'changed since', '2026-01-02');
INSERT INTO model_feedback (organization_id, response_id, feedback_type, original_roast, created_at) VALUES (org(1), response(47), 'rejected', E'better reply 7\n', '2026-01-15');
UPDATE model_feedback SET original_roast = 'to be <|endoftext|> continued' WHERE response_id = response(8);
UPDATE model_feedback SET edited_roast = E'say "é",\nand 😀\x07' WHERE response_id = response(9);
-- Another organization's; an own response to another organization's comment.
INSERT INTO model_feedback (organization_id, response_id, feedback_type, original_roast, edited_roast, created_at) VALUES
  (org(2), response(900), 'edited', 'not yours', 'nor this', '2026-03-01'), (org(1), response(901), 'edited', 'stolen', 'kept', '2026-03-01');
SELECT trainer_prepare_dataset(org(1), method => 'dpo', min_examples => 10);

-- --- from variants: the chosen one over each other one of its set ---

INSERT INTO responses SELECT response(n), org(1), comment(n - 30), CASE n WHEN 54 THEN E'chosen 24 \n' ELSE 'posted ' || n END, '2026-01-01' FROM generate_series(53, 55) AS n;
INSERT INTO trainer_generations (id, organization_id, comment_id, response_id, rung, reason, model, response_time_ms)
SELECT pick(100 + n), org(1), comment(n), response(n + 30), 'base', '', 'gpt-4o', 1 FROM unnest('{23,25}'::int[]) AS n;
INSERT INTO trainer_variants (organization_id, comment_id, set_id, generation_id, rung, temperature, response_text, rank, score, chosen_at)
SELECT org(1), comment(n), pick(n), CASE WHEN rank = 2 AND n IN (23, 25) THEN pick(100 + n) END, 'base', 0.8, CASE WHEN rank = 2 THEN 'chosen ' ELSE 'other ' || rank || ' of ' END || n, rank, 0.5,
  CASE WHEN rank = 2 AND n <> 21 THEN timestamptz '2026-03-01 00:00+00' + n * interval '1 minute' END
FROM generate_series(20, 25) AS n, generate_series(1, CASE WHEN n = 20 THEN 3 ELSE 2 END) AS rank;
-- 20: two others. 21: none is chosen. 22: the other one is the same. 23: chosen, posted and rejected. 24: posted by hand, and rejected. 25: posted.
UPDATE trainer_variants SET response_text = ' chosen 22 ' WHERE set_id = pick(22) AND rank = 1;
INSERT INTO model_feedback (organization_id, response_id, feedback_type, created_at) SELECT org(1), response(n), 'rejected', '2026-04-01' FROM generate_series(53, 54) AS n;
INSERT INTO trainer_variants (organization_id, comment_id, set_id, rung, temperature, response_text, rank, score, chosen_at) VALUES
  (org(2), comment(900), pick(900), 'base', 0.8, 'not yours', 1, 0.5, '2026-04-01'), (org(2), comment(900), pick(900), 'base', 0.8, 'nor this', 2, 0.5, NULL),
  (org(1), comment(900), pick(901), 'base', 0.8, 'stolen', 1, 0.5, '2026-04-01'), (org(1), comment(900), pick(901), 'base', 0.8, 'kept', 2, 0.5, NULL);

SELECT trainer_prepare_dataset(org(1), method => 'dpo', min_examples => 12);
SELECT roast_count, validation_count, training_params, report FROM trainer_prepare_dataset(org(1), method => 'dpo', min_examples => 11, validation_fraction => 0, options => '{"seed": 1, "beta": 0.25}');
SELECT id AS dataset FROM training_datasets \gset
-- Newest first, and of a set the best one first.
SELECT ordinal, right(comment_id::text, 3)::int AS comment, right(response_id::text, 3)::int AS response, messages -> -1 ->> 'content' AS preferred, non_preferred
FROM training_examples ORDER BY ordinal;
-- Nothing that was rejected is preferred.
SELECT count(*) AS rejected FROM training_examples AS e JOIN responses AS r USING (comment_id) JOIN model_feedback AS f ON f.response_id = r.id AND f.feedback_type = 'rejected'
WHERE e.response_id = r.id OR btrim(e.messages -> -1 ->> 'content', E' \n') IN (btrim(r.response_text, E' \n'), btrim(f.original_roast, E' \n'));

-- --- the lines, as the provider wants them ---

SELECT line FROM trainer_dataset_jsonl(:'dataset') WITH ORDINALITY AS j (line, n) WHERE n IN (1, 2, 10);
SELECT line = '{"input":{"messages":[{"role":"system","content":"You write replies to comments. Each reply is short, stands on its own and is in the language of the comment."},'
  || '{"role":"user","content":"Write a reply to this comment from bluesky: \"comment 9\""}]},'
  || '"preferred_output":[{"role":"assistant","content":"say \"é\",\nand 😀"}],"non_preferred_output":[{"role":"assistant","content":"reply 9"}]}' AS as_the_contract_says
FROM trainer_dataset_jsonl(:'dataset') AS line WHERE line ~ 'comment 9\\';
SELECT keys, count(*), bool_and(json_array_length(line -> 'input' -> 'messages') = 2) AS two, bool_and(json_array_length(line -> 'preferred_output') = 1) AS one,
       bool_and(json_array_length(line -> 'non_preferred_output') = 1) AS other
FROM trainer_dataset_jsonl(:'dataset') AS j (text), LATERAL (SELECT text::json AS line) AS l, LATERAL (SELECT string_agg(key, ' ') AS keys FROM json_object_keys(line) AS key) AS k GROUP BY keys;
-- The prompt is what the model will be asked with.
SELECT count(*) AS pairs, count(*) FILTER (WHERE (j.line::json -> 'input' -> 'messages')::text <> trainer_prompt(e.comment_id)::text) AS different
FROM training_examples AS e JOIN trainer_dataset_jsonl(:'dataset') WITH ORDINALITY AS j (line, n) ON j.n = e.ordinal;
SELECT * FROM trainer_validate_dataset(:'dataset');
SELECT s.*, s.bytes = (SELECT coalesce(sum(octet_length(line) + 1), 0) FROM trainer_dataset_jsonl(:'dataset', s.split) AS line) AS exact FROM trainer_file_sizes(:'dataset') AS s ORDER BY 1;
-- Both replies are paid for.
SELECT c.training_tokens = (SELECT sum(3 + of_messages) FROM training_examples AS e CROSS JOIN LATERAL (
         SELECT sum(3 + trainer_count_tokens(m ->> 'role') + trainer_count_tokens(m ->> 'content')) AS of_messages
         FROM (SELECT json_array_elements(e.messages) UNION ALL SELECT json_array_elements(e.non_preferred)) AS l (m)) AS t) AS tokens,
       (c.limits ->> 'training_file_bytes')::bigint = (SELECT bytes FROM trainer_file_sizes(:'dataset') WHERE split = 'train') AS bytes
FROM trainer_estimate_training_cost(:'dataset') AS c;
-- What was made of it by hand: a line stays a line.
UPDATE training_examples SET messages = E'[\r\n {"role": "user", "content": "a\\nb\\u0000 \\ud83d\\ude00"} ,\n {"role": "assistant", "content": "c"}\n]\n', non_preferred = E'\n[ {"role":\n"assistant", "content": "d"} ]' WHERE ordinal = 1;
SELECT line FROM trainer_dataset_jsonl(:'dataset') AS line LIMIT 1;
SELECT s.bytes = (SELECT sum(octet_length(line) + 1) FROM trainer_dataset_jsonl(:'dataset') AS line) AS exact FROM trainer_file_sizes(:'dataset') AS s WHERE split = 'train';
SELECT ordinal, severity, code, message FROM trainer_validate_dataset(:'dataset');

-- Pairs of equal comments are on one side.
SELECT roast_count, validation_count FROM trainer_prepare_dataset(org(1), name => 'split', method => 'dpo', min_examples => 11, validation_fraction => 0.1, options => '{"seed": 4, "beta": null}');
SELECT split, count(*) FROM training_examples AS e JOIN training_datasets AS d ON d.id = e.dataset_id WHERE d.name = 'split' GROUP BY split ORDER BY 1;
SELECT max(sides) AS sides FROM (SELECT count(DISTINCT split) AS sides FROM training_examples AS e JOIN training_datasets AS d ON d.id = e.dataset_id WHERE d.name = 'split' GROUP BY comment_id) AS c;
-- The newest ones, of whatever kind.
SELECT roast_count, report ->> 'from_edits' AS edits, report ->> 'from_variants' AS variants FROM trainer_prepare_dataset(org(1), name => 'few', method => 'dpo', min_examples => 10, max_examples => 10, validation_fraction => 0);
-- An exemplar model shows the preferred replies.
SELECT training_examples FROM trainer_make_exemplar_model((SELECT id FROM training_datasets WHERE name = 'few'));
SELECT count(*) AS shown, count(*) FILTER (WHERE reply ~ '^(other|reply)') AS non_preferred FROM trainer_exemplars;
DELETE FROM custom_models;
DELETE FROM training_datasets;

-- --- each rule of pairs ---

INSERT INTO training_datasets (id, organization_id, name, training_params) VALUES
  (pick(1), org(1), 'pairs', '{"base_model": "gpt-4o", "method": "dpo", "epochs": 3}'), (pick(2), org(1), 'examples', '{"base_model": "gpt-4o", "method": "supervised", "epochs": 3}');
\set asked '[{"role":"system","content":"s"},{"role":"user","content":"u"},{"role":"assistant","content":"a"}]'
CREATE TEMP TABLE odd (n serial, messages json, non_preferred json);
INSERT INTO odd (messages, non_preferred) VALUES
  (:'asked', '[{"role":"assistant","content":"b"}]'), (:'asked', NULL), (:'asked', 'null'), (:'asked', '[]'), (:'asked', '{"role":"assistant","content":"b"}'),
  (:'asked', '[{"role":"assistant","content":"b"},{"role":"assistant","content":"c"}]'), (:'asked', '[{"role":"user","content":"b"}]'), (:'asked', '[7]'),
  (:'asked', '[{"role":"assistant","content":""}]'), (:'asked', '[{"role":"assistant","content":"a"}]'), (:'asked', '[{"role":"assistant","content":"<|im_end|>","mood":1}]'),
  (:'asked', '[{"role":"assistant","content":[{"type":"text","text":"b"}]}]'), (:'asked', '[{"role":"assistant","content":"b","tool_calls":[]}]'), (:'asked', '[{"role":"assistant","content":"b \ud800"}]'),
  ('[{"role":"system","content":"s"},{"role":"user","content":"u"}]', '[{"role":"assistant","content":"b"}]'), ('[{"role":"assistant","content":"a"}]', '[{"role":"assistant","content":"b"}]'),
  ('[{"role":"user","content":"u"},{"role":"assistant","content":"x"},{"role":"user","content":"v"},{"role":"assistant","content":"a"}]', '[{"role":"assistant","content":"b"}]'),
  ('"text"', '[{"role":"assistant","content":"b"}]'), ('[]', '[{"role":"assistant","content":"b"}]');
INSERT INTO training_examples (dataset_id, ordinal, organization_id, split, messages, non_preferred) SELECT pick(1), n, org(1), 'train', messages, non_preferred FROM odd;
SELECT n, line FROM trainer_dataset_jsonl(pick(1)) WITH ORDINALITY AS j (line, n) WHERE n IN (2, 3, 16, 18, 19);
SELECT s.bytes = (SELECT sum(octet_length(line) + 1) FROM trainer_dataset_jsonl(pick(1)) AS line) AS exact FROM trainer_file_sizes(pick(1)) AS s WHERE split = 'train';
SELECT ordinal, severity, code, message FROM trainer_validate_dataset(pick(1));
INSERT INTO training_examples (dataset_id, ordinal, organization_id, split, messages, non_preferred) SELECT pick(2), n, org(1), 'train', messages, non_preferred FROM odd WHERE n < 3;
SELECT ordinal, severity, code, message FROM trainer_validate_dataset(pick(2));
DELETE FROM training_datasets;

-- --- weighted by rating ---

SELECT count(*) AS roles FROM trainer_attach();
-- 20 responses, and 200 newer ones of two stars: the good ones are on the second page.
INSERT INTO comments SELECT comment(1000 + n), org(3), 'bluesky', 'comment ' || n FROM generate_series(1, 220) AS n;
INSERT INTO responses SELECT response(1000 + n), org(3), comment(1000 + n), 'reply ' || n, timestamptz '2026-01-01' + n * interval '1 minute' FROM generate_series(1, 220) AS n;
INSERT INTO roast_metadata SELECT response(1000 + n), 0.9 FROM generate_series(1, 220) AS n;
INSERT INTO model_feedback (organization_id, response_id, feedback_type, rating, created_at) SELECT org(3), response(1000 + n), 'approved', 2, '2026-02-01' FROM generate_series(21, 220) AS n;
INSERT INTO model_feedback (organization_id, response_id, feedback_type, rating, created_at) SELECT org(3), response(1000 + n), type, rating, '2026-02-01' FROM (VALUES
  (1, 'approved', 5), (2, 'approved', 5), (2, 'edited', 4), (3, 'approved', 1), (4, 'regenerated', 2), (5, 'approved', 2), (5, 'approved', 3), (6, 'approved', 3), (7, 'approved', 4), (8, 'approved', 5), (8, 'rejected', NULL)) AS f (n, type, rating)
  WHERE type <> 'edited';
INSERT INTO model_feedback (organization_id, response_id, feedback_type, edited_roast, rating, created_at) VALUES (org(3), response(1002), 'edited', 'reply 2, edited', 4, '2026-02-01');
SET session_replication_role = replica;
INSERT INTO model_feedback (organization_id, response_id, feedback_type, rating) VALUES (org(2), response(1009), 'approved', 5), (org(2), response(1010), 'approved', 1);
RESET session_replication_role;
SELECT trainer_prepare_dataset(org(3), min_examples => 18, max_examples => 18, options => '{"weight_by": "rating"}');
SELECT roast_count, validation_count, training_params, report FROM trainer_prepare_dataset(org(3), min_examples => 10, max_examples => 20, validation_fraction => 0, options => '{"seed": 1, "weight_by": "rating"}');
SELECT right(response_id::text, 2)::int AS response, count(*), max(ordinal) - min(ordinal) + 1 AS in_a_row, min(messages -> -1 ->> 'content') AS reply FROM training_examples
GROUP BY 1 HAVING count(*) > 1 OR right(response_id::text, 2)::int < 11 ORDER BY 1;
SELECT count(*) AS lines, count(DISTINCT line) AS different FROM trainer_dataset_jsonl((SELECT id FROM training_datasets)) AS line;
SELECT * FROM trainer_validate_dataset((SELECT id FROM training_datasets));
-- A copy is no exemplar.
SELECT training_examples FROM trainer_make_exemplar_model((SELECT id FROM training_datasets));
DELETE FROM custom_models;
DELETE FROM training_datasets;
-- What validates is measured once.
SELECT roast_count, validation_count, report ->> 'train' AS train, report ->> 'repeated' AS repeated FROM trainer_prepare_dataset(org(3), min_examples => 10, max_examples => 20, validation_fraction => 0.5, options => '{"seed": 3, "weight_by": "rating"}');
SELECT split, count(*), count(DISTINCT response_id) AS responses, count(*) FILTER (WHERE response_id IN (response(1001), response(1002))) AS of_five_stars FROM training_examples GROUP BY split ORDER BY 1;
DELETE FROM training_datasets;

-- --- options ---

SELECT trainer_prepare_dataset(org(1), method => 'dpo', options => '{"beta": 0}');
SELECT trainer_prepare_dataset(org(1), method => 'dpo', options => '{"beta": 2.001}');
SELECT trainer_prepare_dataset(org(1), method => 'dpo', options => '{"beta": "1"}');
\echo :SQLSTATE
SELECT trainer_prepare_dataset(org(1), options => '{"beta": 1}');
\echo :SQLSTATE
SELECT trainer_prepare_dataset(org(1), method => 'dpo', options => '{"weight_by": "rating"}');
SELECT trainer_prepare_dataset(org(1), options => '{"weight_by": "stars"}');
\echo :SQLSTATE
SELECT * FROM trainer_dataset_options('{"seed": 1, "batch_size": 2, "beta": 2, "weight_by": "rating"}');
SELECT * FROM trainer_dataset_options('{"beta": null, "weight_by": null}');

RESET search_path;
SET client_min_messages = warning;
DROP EXTENSION trainer;
DROP SCHEMA app CASCADE;
