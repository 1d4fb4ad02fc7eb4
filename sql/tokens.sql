-- trainer_count_tokens(): by the encoding of the model, as tiktoken counts.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
CREATE EXTENSION trainer CASCADE;
RESET client_min_messages;
\set SHOW_CONTEXT never

SELECT trainer_count_tokens('Hello, world!') AS hello, trainer_count_tokens('tiktoken is great!', 'gpt-4o-mini') AS great, trainer_count_tokens('tiktoken is great!', 'gpt-4') AS by_cl100k,
       trainer_count_tokens('') AS none, trainer_count_tokens(NULL) AS unknown, trainer_count_tokens('x', NULL) AS of_no_model;
SELECT text, trainer_count_tokens(text, 'gpt-4o') AS o200k, trainer_count_tokens(text, 'gpt-3.5-turbo') AS cl100k
FROM unnest(ARRAY['antidisestablishmentarianism', E'    if (x) {\r\n\r\n', 'Größe 大きさ ขนาด размер', '👩‍👩‍👧‍👦 🏳️‍🌈', E'e\u0301t\u0301e', '1234567890', 'don''t DON''T don''ſ', '<|endoftext|>', E'a\u0085b \ufeff c']) AS text;

-- A model is its family; a tuned one is its base; of any other one nothing is known.
SELECT model, trainer_model_encoding(model) AS encoding
FROM unnest('{gpt-4o,gpt-4o-2024-08-06,gpt-4.1-nano,o4-mini,gpt-5,gpt-4,gpt-3.5-turbo-0125,ft:gpt-4.1-mini-2025-04-14:org::id,ft:gpt-3.5-turbo-0125:org::id,gpt-4ooo,llama-3,NULL}'::text[]) AS model;
SELECT trainer_count_tokens('x', 'llama-3');
\echo :LAST_ERROR_SQLSTATE
SELECT trainer_count_tokens('x', '');
SELECT trainer_count_tokens('x', E'a\nmodel ' || repeat('x', 100));

-- OpenAI's own examples of messages: 129 and 124 by the API, 26 by both.
SELECT trainer_example_tokens(messages, 'gpt-4') AS by_cl100k, trainer_example_tokens(messages, 'gpt-4o') AS by_o200k, trainer_example_tokens(messages, 'llama-3') AS not_known
FROM (VALUES ('[{"role": "system", "content": "You are a helpful, pattern-following assistant that translates corporate jargon into plain English."},
  {"role": "system", "name": "example_user", "content": "New synergies will help drive top-line growth."},
  {"role": "system", "name": "example_assistant", "content": "Things working well together will increase revenue."},
  {"role": "system", "name": "example_user", "content": "Let''s circle back when we have more bandwidth to touch base on opportunities for increased leverage."},
  {"role": "system", "name": "example_assistant", "content": "Let''s talk later when we''re less busy about how to do better."},
  {"role": "user", "content": "This late pivot means we don''t have time to boil the ocean for the client deliverable."}]'),
 ('[{"role":"system","content":"You are a classifier."},{"role":"user","content":"I love this product!"},{"role":"assistant","content":"positive"}]'),
 ('[]'), ('{}'), ('no JSON')) AS list (messages);

-- However long a word is, and however it is stored; and a count can be stopped.
SELECT trainer_count_tokens(repeat('a', 100000)) AS letters, trainer_count_tokens(repeat('-', 100000)) AS dashes, trainer_count_tokens(repeat(' word', 100000)) AS words;
CREATE TEMP TABLE stored AS SELECT repeat('word ', 100000) AS text;
SELECT trainer_count_tokens(text) FROM stored;
SET statement_timeout = '50ms';
SELECT trainer_count_tokens(repeat('a', 8000000));
\echo :LAST_ERROR_SQLSTATE
RESET statement_timeout;
SELECT trainer_count_tokens(repeat('a', 67108865));
\echo :LAST_ERROR_SQLSTATE
DROP EXTENSION trainer;
