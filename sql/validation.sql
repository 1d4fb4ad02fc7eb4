-- trainer_validate_dataset() and trainer_estimate_training_cost(): examples may have been edited by hand.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
CREATE EXTENSION trainer CASCADE;
RESET client_min_messages;
\set org '00000000-0000-0000-0000-000000000001'
\set SHOW_CONTEXT never

INSERT INTO training_datasets (id, organization_id, name, training_params) VALUES (:'org', :'org', 'edited by hand', '{"base_model": "gpt-3.5-turbo-0613", "epochs": 3}');
CREATE TEMP TABLE good AS SELECT '[{"role":"system","content":"s"},{"role":"user","content":"u"},{"role":"assistant","content":"a"}]'::json AS messages;
INSERT INTO training_examples (dataset_id, ordinal, organization_id, split, response_id, comment_id, messages)
SELECT :'org', n, :'org', 'train', lpad(n::text, 32, '0')::uuid, lpad(n::text, 32, '0')::uuid, messages FROM good, generate_series(1, 10) AS n;
SELECT * FROM trainer_validate_dataset(:'org');
-- For each message 3 tokens besides its own, and 3 for the reply: 18 an example. A model without a price costs what nobody knows.
SELECT * FROM trainer_estimate_training_cost(:'org');

-- Fewer than 10 to train on; a comment on both sides.
UPDATE training_examples SET split = 'validation', comment_id = lpad('1', 32, '0')::uuid WHERE ordinal = 10;
SELECT ordinal, response_id, severity, code, message FROM trainer_validate_dataset(:'org');
DELETE FROM training_examples;
SELECT ordinal, severity, code, message FROM trainer_validate_dataset(:'org');
SELECT * FROM trainer_estimate_training_cost(:'org');

-- Each rule, and each kind of JSON.
CREATE TEMP TABLE odd (n serial, messages json);
INSERT INTO odd (messages) VALUES
  ('null'), ('{}'), ('[]'), ('"text"'), ('1e400000'), ('"\u0000"'),
  ('[null, 1, "x", [], {}]'),
  ('[{"role":"system","content":"s"},{"role":"user","content":"u"}]'),
  ('[{"role":"assistant","content":"a"}]'),
  ('[{"role":"developer","content":"d"},{"role":"user","content":[{"type":"text","text":"u"}]},{"role":"assistant","content":null,"tool_calls":[{"id":"x"}]},{"role":"tool","content":"t","tool_call_id":"x"}]'),
  ('[{"role":"system","content":""},{"role":"user","content":null},{"role":"user","content":[]},{"role":"user","content":7},{"role":"assistant"}]'),
  ('[{"role":"System","content":"s"},{"role":"user","content":"u","name":"n"},{"role":null,"content":"x"},{"role":["assistant"],"content":"a"},{"role":"assistant","content":"a"}]'),
  ('[{"role":"system","content":"s"},{"role":"user","content":"u","weight":1},{"role":"assistant","content":"a","weight":0},{"role":"assistant","content":"a","weight":2},{"role":"assistant","content":"a","weight":"1"},{"role":"assistant","content":"a","weight":null}]'),
  ('[{"role":"system","content":"s"},{"role":"user","content":"u","extra":1,"a\u0000b":2},{"role":"assistant","content":"a"}]'),
  ('[{"role":"system","content":"s"},{"role":"user","content":"<\u007cfim_suffix|> and < | x |>"},{"role":"assistant","content":"<|end of text|> <||> <|ok"}]'),
  ('[{"role":"system","content":"half \ud800 a pair"},{"role":"user","content":"the other \udc00 half"},{"role":"assistant","content":"a"}]'),
  ('[{"role":"system","content":"a pair \ud83d\ude00, no escape \\ud800, \\u0000"},{"role":"user","content":"nul \u0000"},{"role":"assistant","content":"a"}]');
INSERT INTO odd (messages)
  SELECT format('[{"role":"system","content":"s"},{"role":"user","content":"u"},{"role":"assistant","content":"%s"}]', repeat(' word', n))::json FROM unnest('{4079,4080}'::int[]) AS n;
INSERT INTO training_examples (dataset_id, ordinal, organization_id, split, messages) SELECT :'org', n, :'org', 'train', messages FROM odd;
SELECT ordinal, severity, code, message FROM trainer_validate_dataset(:'org');
SELECT base_model, training_tokens, cost_cents, limits FROM trainer_estimate_training_cost(:'org');
-- Lines stay lines.
UPDATE training_examples SET messages = E'[\r\n  {"role": "assistant",\n  "content": "two\\nlines"}\n]' WHERE ordinal = 1;
SELECT trainer_dataset_jsonl(:'org') LIMIT 1;
SELECT count(*) AS lines FROM trainer_dataset_jsonl(:'org');
DROP EXTENSION trainer;
