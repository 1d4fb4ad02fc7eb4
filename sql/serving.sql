-- Serving: which rung of the ladder replies to a comment, and why. The provider is replaced by answers as OpenAI's chat
-- completions give them, recorded below; what becomes of them on their way over a network is the matter of test/t/060_serving.pl.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
CREATE EXTENSION trainer CASCADE;
SELECT trainer_pause_worker('a regression test');
CREATE SCHEMA serving;
SET search_path = serving, public;
\pset format unaligned

-- Organization 1 has a tuned model and an exemplar model, 2 an exemplar model alone, 3 none.
CREATE TABLE organizations (id uuid PRIMARY KEY, plan_id text);
CREATE TABLE comments (id uuid PRIMARY KEY, organization_id uuid, platform text, original_text text);
CREATE TABLE responses (id uuid PRIMARY KEY, organization_id uuid, comment_id uuid, response_text text, created_at timestamptz);
CREATE TABLE roast_metadata (response_id uuid, rqc_score numeric);
CREATE FUNCTION org(n int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT lpad(n::text, 32, '0')::uuid $$;
CREATE FUNCTION comment_of(organization int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT md5(organization || ' 1')::uuid $$;
INSERT INTO organizations SELECT org(n), 'plus' FROM generate_series(1, 3) n;
INSERT INTO comments SELECT md5(o || ' ' || n)::uuid, org(o), 'bluesky', 'Comment number ' || n || ' of yours' FROM generate_series(1, 3) o, generate_series(1, 12) n;
INSERT INTO responses SELECT id, organization_id, id, 'Reply to: ' || original_text, '2026-01-01' FROM comments;
INSERT INTO roast_metadata SELECT id, 0.9 FROM responses;
SELECT count(*) FROM trainer_attach();
SELECT m.kind, m.status FROM generate_series(1, 2) n, trainer_prepare_dataset(org(n), method => 'exemplar', min_examples => 10, base_model => 'gpt-4o-mini') d,
  trainer_submit_training(d.id) m;
UPDATE custom_models SET is_active = false, status = 'succeeded' WHERE organization_id = org(1);
INSERT INTO custom_models (organization_id, name, version, base_model, status, fine_tuned_model_id, is_active, verified_at)
  VALUES (org(1), 'tuned', 2, 'gpt-4.1-mini-2025-04-14', 'deployed', 'ft:gpt-4.1-mini-2025-04-14:acme::B1', true, '2026-01-01');

-- Without a status, the connection breaks before an answer comes.
CREATE TABLE recorded (name text PRIMARY KEY, status int, body text, retry_after text);
INSERT INTO recorded VALUES
  ('well', 200, '{"id":"chatcmpl-1","object":"chat.completion","created":1767225600,"model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":{"role":"assistant","content":"Well said.","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":120,"completion_tokens":30,"total_tokens":150,"prompt_tokens_details":{"cached_tokens":20,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default","system_fingerprint":"fp_1"}'),
  ('without usage', 200, '{"id":"chatcmpl-2","object":"chat.completion","created":1767225600,"model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":{"role":"assistant","content":"Well said."},"finish_reason":"stop"}]}'),
  ('cut', 200, '{"id":"chatcmpl-3","object":"chat.completion","created":1767225600,"model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":{"role":"assistant","content":"Well, as far as","refusal":null},"logprobs":null,"finish_reason":"length"}],"usage":{"prompt_tokens":120,"completion_tokens":200,"total_tokens":320}}'),
  ('content_filter', 200, '{"id":"chatcmpl-4","object":"chat.completion","created":1767225600,"model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":{"role":"assistant","content":"Well,","refusal":null},"logprobs":null,"finish_reason":"content_filter"}],"usage":{"prompt_tokens":120,"completion_tokens":2,"total_tokens":122}}'),
  ('refusal', 200, '{"id":"chatcmpl-5","object":"chat.completion","created":1767225600,"model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":{"role":"assistant","content":null,"refusal":"I''m sorry, I can''t help with that."},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":120,"completion_tokens":9,"total_tokens":129}}'),
  ('empty', 200, '{"id":"chatcmpl-6","object":"chat.completion","created":1767225600,"model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":{"role":"assistant","content":" \n","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":120,"completion_tokens":1,"total_tokens":121}}'),
  ('model_not_found', 404, '{"error":{"message":"The model `ft:gpt-4.1-mini-2025-04-14:acme::B1` does not exist or you do not have access to it.","type":"invalid_request_error","param":null,"code":"model_not_found"}}'),
  ('too_long', 400, '{"error":{"message":"This model''s maximum context length is 16385 tokens. However, your messages resulted in 20000 tokens. Please reduce the length of the messages.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}'),
  ('no_temperature', 400, '{"error":{"message":"Unsupported value: ''temperature'' does not support 0.8 with this model. Only the default (1) value is supported.","type":"invalid_request_error","param":"temperature","code":"unsupported_value"}}'),
  ('no_max_completion_tokens', 400, '{"error":{"message":"Unrecognized request argument supplied: max_completion_tokens","type":"invalid_request_error","param":null,"code":null}}'),
  ('invalid_api_key', 401, '{"error":{"message":"Incorrect API key provided: sk-proj-********************abcd. You can find your API key at https://platform.openai.com/account/api-keys.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}'),
  ('insufficient_quota', 429, '{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}'),
  ('too_large', 429, '{"error":{"message":"Request too large for gpt-4o in organization org-acme on tokens per min (TPM): Limit 30000, Requested 40000.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}'),
  ('server_error', 500, '{"error":{"message":"The server had an error while processing your request. Sorry about that!","type":"server_error","param":null,"code":null}}'),
  ('bad_gateway', 502, E'<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n'),
  ('overloaded', 503, '{"error":{"message":"The server is currently overloaded with other requests. Sorry about that! Please retry your requests after a brief wait.","type":"service_unavailable_error","param":null,"code":"server_is_overloaded"}}'),
  ('broken', NULL, NULL);
INSERT INTO recorded
  SELECT 'throttled for ' || seconds || ' s', 429, '{"error":{"message":"Rate limit reached for gpt-4o in organization org-acme on requests per min (RPM): Limit 500, Used 500, Requested 1. Please try again in 120ms.","type":"requests","param":null,"code":"rate_limit_exceeded"}}', seconds
  FROM unnest('{1,60}'::text[]) seconds;

CREATE FUNCTION test_answers(answers json) RETURNS json LANGUAGE c AS '$libdir/trainer', 'trainer_test_answers';
CREATE FUNCTION answers(names text[]) RETURNS json STABLE LANGUAGE sql AS $$
  SELECT json_agg(r ORDER BY n) FROM unnest(names) WITH ORDINALITY AS wanted (name, n) JOIN recorded AS r USING (name)
$$;
-- Replies to the organization's comment with the answers that are named: which rung does and why (else the error and its detail), which
-- models were asked, in turn, and how many of the answers nobody has asked for.
CREATE FUNCTION ask(organization int, names text[], options jsonb DEFAULT '{}', OUT rung text, OUT why text, OUT reply text, OUT asked text, OUT unused bigint)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM test_answers(answers(names));
  BEGIN
    SELECT g.rung, g.reason, g.response_text INTO rung, why, reply FROM trainer_generate(comment_of(organization), options => ask.options) AS g;
  EXCEPTION WHEN SQLSTATE 'TR007' THEN
    rung := SQLSTATE;
    GET STACKED DIAGNOSTICS why = PG_EXCEPTION_DETAIL;
  END;
  SELECT string_agg(regexp_replace(request ->> 'model', '^ft:.*', 'ft:*'), ' ' ORDER BY n), cardinality(names) - count(*) INTO asked, unused
  FROM json_array_elements(test_answers(NULL)) WITH ORDINALITY AS made (request, n);
END $$;

-- --- the best that there is ---

SELECT * FROM ask(1, '{well}');
SELECT * FROM ask(2, '{well}');
SELECT * FROM ask(3, '{well}');
SELECT * FROM ask(1, '{without usage}');
-- What max_tokens has cut is a reply.
SELECT * FROM ask(1, '{cut}');
-- The best that may answer.
SELECT * FROM unnest('{fine_tuned,exemplar,base}'::text[]) best, ask(1, '{well}', jsonb_build_object('rung', best));

-- --- a model that does not answer ---

SELECT * FROM ask(1, '{model_not_found,well}');
-- A server's error is tried again, twice.
SELECT * FROM ask(1, '{server_error,server_error,server_error,well}');
SELECT * FROM ask(1, '{server_error,overloaded,well}');
SELECT * FROM ask(1, '{bad_gateway,bad_gateway,bad_gateway,well}');
SELECT * FROM ask(1, '{broken,well}');
SELECT * FROM ask(1, '{broken,broken,broken,well}');
SELECT * FROM ask(1, '{well}');
-- The next one may fail as well.
SELECT * FROM ask(1, '{model_not_found,server_error,broken,server_error,well}');
SELECT * FROM ask(1, '{well}');

-- --- a model that has nothing to say ---

SELECT * FROM unnest('{content_filter,refusal,empty,too_long}'::text[]) first, ask(1, ARRAY[first, 'well']);
SELECT * FROM ask(1, '{refusal,content_filter,well}');

-- --- limits: a short wait is waited for, a long one is not ---

SELECT clock_timestamp() AS began \gset
SELECT * FROM ask(1, '{throttled for 1 s,well}');
SELECT clock_timestamp() - :'began' >= interval '1 s' AS waited;
SELECT * FROM ask(1, '{throttled for 60 s,well}');
SELECT clock_timestamp() - :'began' < interval '20 s' AS at_once;
SELECT * FROM ask(1, '{too_large,well}');

-- --- a key or a payment: no other model will fare better ---

SELECT * FROM ask(1, '{invalid_api_key,well,well}');
SELECT * FROM ask(1, '{insufficient_quota,well,well}');
SELECT * FROM ask(1, '{model_not_found,insufficient_quota,well}');
SELECT * FROM ask(1, '{well}');

-- --- none answers ---

SELECT * FROM ask(1, '{model_not_found,server_error,server_error,server_error,empty}');
SELECT * FROM ask(1, '{content_filter,too_long,overloaded,bad_gateway,broken}');
SELECT * FROM ask(3, '{model_not_found}');
SELECT * FROM ask(1, '{model_not_found,well}', '{"rung": "base"}');
SELECT test_answers(answers('{model_not_found}'));
SELECT trainer_generate(comment_of(3));
SELECT json_array_length(test_answers('[]')) AS requests;
-- Which is not said where a test has recorded too little.
SELECT test_answers(answers('{server_error}'));
SELECT trainer_generate(comment_of(3));
SELECT json_array_length(test_answers(NULL)) AS requests;

-- --- a plan without custom models, as long as it lasts ---

UPDATE organizations SET plan_id = 'free' WHERE id = org(1);
SELECT * FROM ask(1, '{well}');
SELECT * FROM ask(1, '{well}', '{"rung": "fine_tuned"}');
SELECT * FROM ask(1, '{server_error,server_error,server_error}');
UPDATE organizations SET plan_id = 'plus' WHERE id = org(1);
SELECT * FROM ask(1, '{well}');

-- --- the circuit breaker: five failures in a row, and a model is passed over ---

SELECT * FROM ask(1, '{server_error,server_error,server_error,well}');
SELECT * FROM ask(1, '{model_not_found,well}');
-- These are no failures of its own; and a model that says something works, whether it can be used or not.
SELECT * FROM ask(1, '{content_filter,well}');
SELECT * FROM ask(1, '{too_large,well}');
-- An answer ends the row.
SELECT * FROM ask(1, '{well}');
-- Each attempt counts.
SELECT * FROM ask(1, '{server_error,server_error,server_error,well}');
SELECT n, a.* FROM generate_series(2, 4) n, ask(1, CASE WHEN n < 4 THEN '{model_not_found,well}' ELSE '{well}' END::text[]) a;
-- The exemplar model has a breaker of its own, and the base model has none.
SELECT n, a.* FROM generate_series(1, 6) n, ask(1, CASE WHEN n < 6 THEN '{model_not_found,well}' ELSE '{well}' END::text[]) a;
SELECT a.rung, a.asked, count(*) FROM generate_series(1, 6) n, ask(1, '{model_not_found}') a GROUP BY 1, 2;
SELECT * FROM ask(1, '{well}');
-- Another organization's model on the same base is not concerned.
SELECT * FROM ask(2, '{well}');

-- --- what is sent, and how a model wants to be asked, as the session finds out ---

CREATE FUNCTION sent(names text[]) RETURNS SETOF jsonb LANGUAGE plpgsql AS $$
BEGIN
  PERFORM test_answers(answers(names)), trainer_generate(comment_of(3), temperature => 0.5, max_tokens => 100);
  RETURN QUERY SELECT request::jsonb FROM json_array_elements(test_answers(NULL)) AS request;
END $$;
SELECT request - 'messages' AS request, request -> 'messages' = trainer_prompt(comment_of(3))::jsonb AS as_shown FROM sent('{server_error,well}') request;
SET trainer.default_base_model = 'o4-mini';
SELECT request - 'messages' AS request FROM sent('{no_temperature,well}') request;
SELECT request - 'messages' AS request FROM sent('{well}') request;
SET trainer.default_base_model = 'an-older-service';
SELECT request - 'messages' AS request FROM sent('{no_max_completion_tokens,no_temperature,well}') request;
SELECT request - 'messages' AS request FROM sent('{well}') request;
RESET trainer.default_base_model;
SELECT request - 'messages' AS request FROM sent('{well}') request;

-- --- what is written down: a reply each, and what was paid for before it and held back ---

SELECT rung, reason, model, custom_model_id = m.id AS custom, prompt_tokens, cached_tokens, completion_tokens, cost_cents, withheld
FROM trainer_generations AS g LEFT JOIN custom_models AS m ON m.id = g.custom_model_id ORDER BY g.created_at, g.withheld, g.rung, g.reason;
SELECT g.organization_id = o.id AND g.comment_id = c.id AS of_its_comment, count(*)
FROM trainer_generations AS g JOIN comments AS c ON c.id = g.comment_id JOIN organizations AS o ON o.id = c.organization_id GROUP BY 1;
SELECT m.organization_id = org(1) AS first_organization, m.name, sum(u.replies) AS replies, sum(u.priced) AS priced, sum(u.cost_cents) AS cost_cents,
       ROW(sum(u.replies), sum(u.priced), sum(u.cost_cents), sum(u.time_ms)) = (SELECT count(*), count(g.cost_cents), sum(g.cost_cents), sum(g.response_time_ms)
          FROM trainer_generations AS g WHERE g.custom_model_id = m.id) AS as_written
FROM trainer_model_usage AS u JOIN custom_models AS m ON m.id = u.custom_model_id GROUP BY m.organization_id, m.id ORDER BY m.organization_id, m.version;

DROP SCHEMA serving CASCADE;
DROP EXTENSION trainer CASCADE;
