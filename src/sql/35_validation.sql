-- Is a dataset fit to be uploaded, and what would training on it cost? Examples may have been edited by hand since they were made,
-- so any JSON is looked at without failing.

-- trainer_count_tokens() and trainer_example_tokens() run no SQL, and are called for every row of a table: they do without a search path of their
-- own, which takes as long to set as a short text to count. Only where the database is not in UTF8 it decides which conversion is found, as for convert_to().

CREATE FUNCTION @extschema@.trainer_max_example_tokens(model text) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'trainer_max_example_tokens';
COMMENT ON FUNCTION @extschema@.trainer_max_example_tokens(text) IS 'tokens of one example behind which the provider cuts it off';

CREATE FUNCTION @extschema@.trainer_estimated_tokens(bytes bigint) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'trainer_estimated_tokens';
COMMENT ON FUNCTION @extschema@.trainer_estimated_tokens(bigint) IS 'tokens of a text of so many bytes, estimated, for want of the text';

CREATE FUNCTION @extschema@.trainer_count_tokens(content text, model text DEFAULT 'gpt-4o') RETURNS integer
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'trainer_count_tokens';
COMMENT ON FUNCTION @extschema@.trainer_count_tokens(text, text) IS 'tokens of a text, exactly as the model''s provider counts them';

CREATE FUNCTION @extschema@.trainer_model_encoding(model text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'trainer_model_encoding';
COMMENT ON FUNCTION @extschema@.trainer_model_encoding(text) IS 'encoding by which the tokens of a model are counted; null when it is not known';

CREATE FUNCTION @extschema@.trainer_example_tokens(messages text, model text) RETURNS bigint
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'trainer_example_tokens';
COMMENT ON FUNCTION @extschema@.trainer_example_tokens(text, text) IS
  'tokens of a list of messages, with what the provider adds for each; by o200k_base when the model''s encoding is not known';

-- The server cannot read the JSON escapes of U+0000, of half a surrogate pair, or of what its encoding lacks; nothing that is
-- checked depends on characters beyond ASCII. Three bytes for one, as most of them take. To rewrite the longest texts would take more
-- memory than a value may have.
CREATE FUNCTION @extschema@.trainer_readable_json(messages text) RETURNS json
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE WHEN octet_length(messages) > 67108864 THEN NULL
    WHEN strpos(messages, E'\\u') = 0 THEN messages::json
    ELSE regexp_replace(messages,
      E'\\\\u(?:0000|00[89a-fA-F][0-9a-fA-F]|0[1-9a-fA-F][0-9a-fA-F]{2}|[1-9a-fA-F][0-9a-fA-F]{3})',
      E'\\\\u003f\\\\u003f\\\\u003f', 'g')::json END
$$;
COMMENT ON FUNCTION @extschema@.trainer_readable_json(text) IS 'the same JSON with ? for escapes that the server may not be able to read; null when it is longer than 64 MB';

CREATE FUNCTION @extschema@.trainer_has_lone_surrogate(messages text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  -- Without escaped backslashes, every backslash that is left begins an escape.
  SELECT CASE WHEN strpos(messages, E'\\ud') = 0 AND strpos(messages, E'\\uD') = 0 THEN false
    ELSE replace(messages, E'\\\\', '') ~ E'\\\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\\\u[dD][c-fC-F])'
      OR replace(messages, E'\\\\', '') ~ E'(?<!\\\\u[dD][89abAB][0-9a-fA-F]{2})\\\\u[dD][c-fC-F]' END
$$;
COMMENT ON FUNCTION @extschema@.trainer_has_lone_surrogate(text) IS 'is half of a surrogate pair escaped in this JSON?';

-- In one statement: a call of a function for each message would take ten times as long. `content` of parts (images) is an array.
-- OpenAI's limit for a file of fine-tuning data: 512 MB.
CREATE FUNCTION @extschema@.trainer_max_file_bytes() RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$ SELECT 536870912 $$;
COMMENT ON FUNCTION @extschema@.trainer_max_file_bytes() IS 'the largest file that the provider takes';

CREATE FUNCTION @extschema@.trainer_file_sizes(dataset_id uuid) RETURNS TABLE (split text, examples bigint, bytes bigint)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
  -- Each line is wrapped in {"messages":}, or is a pair's, and ends with a line feed.
  SELECT s.split, count(e.ordinal), coalesce(sum(CASE WHEN e.non_preferred IS NULL THEN octet_length(e.messages::text) + 14
    ELSE octet_length(@extschema@.trainer_pair_line(e.messages, e.non_preferred)) + 1 END), 0)::bigint
  FROM (VALUES ('train'), ('validation')) AS s (split)
  LEFT JOIN @extschema@.training_examples AS e ON e.split = s.split AND e.dataset_id = $1
  GROUP BY s.split
$$;
COMMENT ON FUNCTION @extschema@.trainer_file_sizes(uuid) IS 'what a dataset''s files would be, in bytes';

CREATE FUNCTION @extschema@.trainer_validate_dataset(dataset_id uuid)
RETURNS TABLE (ordinal integer, response_id uuid, severity text, code text, message text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH dataset AS (
    SELECT id, coalesce(training_params ->> 'base_model', '') AS base_model,
           @extschema@.trainer_max_example_tokens(coalesce(training_params ->> 'base_model', '')) AS token_limit,
           coalesce(training_params ->> 'method' = 'dpo', false) AS of_pairs
    FROM @extschema@.trainer_known_dataset($1)),
  example AS NOT MATERIALIZED (
    SELECT e.ordinal, e.response_id, e.comment_id, e.split, e.non_preferred IS NOT NULL AS is_pair,
           CASE WHEN e.non_preferred IS NULL THEN e.messages::text ELSE @extschema@.trainer_pair_messages(e.messages, e.non_preferred) END AS line
    FROM @extschema@.training_examples AS e WHERE e.dataset_id = (SELECT id FROM dataset)),
  message AS (
    SELECT e.ordinal, e.response_id, m.position, m.value AS json, json_typeof(m.value) AS type,
           json_typeof(m.value -> 'role') AS role_type, m.value ->> 'role' AS role,
           json_typeof(m.value -> 'content') AS content_type, m.value ->> 'content' AS content,
           coalesce(json_typeof(m.value -> 'tool_calls') = 'array' OR json_typeof(m.value -> 'function_call') = 'object', false) AS calls,
           (m.value -> 'weight')::text AS weight
    FROM example AS e
    CROSS JOIN LATERAL (SELECT @extschema@.trainer_readable_json(e.line) AS list OFFSET 0) AS readable
    CROSS JOIN LATERAL json_array_elements(CASE WHEN json_typeof(list) = 'array' THEN list ELSE '[]' END)
      WITH ORDINALITY AS m (value, position)),
  unknown_key AS (
    SELECT m.ordinal, m.response_id, m.position, string_agg(key, ', ' ORDER BY key) AS names
    FROM message AS m CROSS JOIN LATERAL json_object_keys(CASE WHEN m.type = 'object' THEN m.json ELSE '{}' END) AS key
    WHERE key NOT IN ('role', 'content', 'name', 'weight', 'refusal', 'tool_calls', 'tool_call_id', 'function_call')
    GROUP BY m.ordinal, m.response_id, m.position),
  summary AS (
    SELECT m.ordinal, bool_or(role IN ('system', 'developer')) AS has_system, bool_or(role = 'user') AS has_user,
           bool_or(role = 'assistant') AS has_assistant
    FROM message AS m GROUP BY m.ordinal),
  -- The non-preferred reply is the message behind those of the list.
  pair AS (
    SELECT e.ordinal, e.response_id, e.asked, e.others, bool_or(m.content_type <> 'string' OR m.calls) AS beyond_text,
           count(*) FILTER (WHERE m.position <= e.asked AND m.role = 'assistant') AS replies,
           max(m.role) FILTER (WHERE m.position = e.asked) AS last_role, max(m.role) FILTER (WHERE m.position = e.asked + 1) AS other_role,
           max(m.content) FILTER (WHERE m.position = e.asked) AS reply, max(m.content) FILTER (WHERE m.position = e.asked + 1) AS other_reply
    FROM (SELECT t.ordinal, t.response_id, CASE json_typeof(t.messages) WHEN 'array' THEN json_array_length(t.messages) END AS asked,
                 CASE json_typeof(t.non_preferred) WHEN 'array' THEN json_array_length(t.non_preferred) ELSE 0 END AS others
          FROM @extschema@.training_examples AS t WHERE t.dataset_id = (SELECT id FROM dataset) AND t.non_preferred IS NOT NULL) AS e
    JOIN message AS m ON m.ordinal = e.ordinal
    GROUP BY e.ordinal, e.response_id, e.asked, e.others),
  problem AS (
    SELECT m.ordinal, m.response_id, 'error' AS severity, p.code, format('message %s %s', m.position, p.problem) AS problem
    FROM message AS m
    CROSS JOIN LATERAL (VALUES
      (m.type <> 'object', 'data_type', 'is not an object'),
      (m.type = 'object' AND m.role_type IS NULL, 'message_missing_key', 'has no role'),
      (m.type = 'object' AND m.content_type IS NULL AND NOT m.calls, 'message_missing_key', 'has no content'),
      (m.role_type <> 'string' OR m.role NOT IN ('system', 'developer', 'user', 'assistant', 'tool', 'function'),
        'unrecognized_role', 'has a role that does not exist'),
      (NOT m.calls AND (m.content_type NOT IN ('string', 'array') OR m.content IN ('', '[]')), 'missing_content', 'has no text as content'),
      (m.weight NOT IN ('0', '1') OR (m.weight IS NOT NULL AND m.role IS DISTINCT FROM 'assistant'),
        'invalid_weight', 'may have a weight of 0 or 1 only, and only from the assistant'),
      (strpos(m.content, '<|') > 0 AND m.content ~ '<[|][A-Za-z0-9_]+[|]>',
        'special_token', 'contains a special token, which the provider refuses')
    ) AS p (found, code, problem)
    WHERE p.found
    UNION ALL
    SELECT u.ordinal, u.response_id, 'error', 'message_unrecognized_key',
           format('message %s has keys that the provider does not take: %s', u.position, left(u.names, 200))
    FROM unknown_key AS u
    UNION ALL
    SELECT e.ordinal, e.response_id, p.severity, p.code, p.problem
    FROM example AS e
    LEFT JOIN summary AS s USING (ordinal)
    CROSS JOIN LATERAL (SELECT CASE WHEN s.ordinal IS NOT NULL THEN
      @extschema@.trainer_example_tokens(e.line, (SELECT base_model FROM dataset)) END AS tokens OFFSET 0) AS counted
    CROSS JOIN LATERAL (VALUES
      (octet_length(e.line) > 67108864, 'error', 'too_large', 'longer than 64 MB, and not looked into'),
      (s.ordinal IS NULL AND octet_length(e.line) <= 67108864, 'error', 'missing_messages_list', 'there is no list of messages'),
      (e.is_pair AND NOT (SELECT of_pairs FROM dataset), 'error', 'wrong_method', 'a preference pair, and the method of the dataset is another'),
      ((SELECT of_pairs FROM dataset) AND NOT e.is_pair, 'error', 'wrong_method', 'no preference pair, and the method of the dataset is dpo'),
      (s.has_assistant IS NOT TRUE AND s.ordinal IS NOT NULL, 'error', 'example_missing_assistant_message', 'no message is from the assistant'),
      (s.has_system IS NOT TRUE AND s.ordinal IS NOT NULL, 'warning', 'missing_system_message', 'no message is from the system'),
      (s.has_user IS NOT TRUE AND s.ordinal IS NOT NULL, 'warning', 'missing_user_message', 'no message is from the user'),
      (tokens > (SELECT token_limit FROM dataset), 'warning', 'too_long',
        format('%s tokens; the provider cuts an example off behind %s', tokens, (SELECT token_limit FROM dataset))),
      (strpos(e.line, E'\\u') > 0 AND @extschema@.trainer_has_lone_surrogate(e.line),
        'error', 'invalid_unicode', 'half of a surrogate pair is escaped'),
      (strpos(e.line, E'\\u0000') > 0 AND strpos(replace(e.line, E'\\\\', ''), E'\\u0000') > 0,
        'warning', 'control_character', 'the character U+0000 is escaped')
    ) AS p (found, severity, code, problem)
    WHERE p.found
    UNION ALL
    -- Of one turn, and of text alone: OpenAI's rules for preferences, besides those for every message.
    SELECT s.ordinal, s.response_id, p.severity, p.code, p.problem
    FROM pair AS s
    CROSS JOIN LATERAL (VALUES
      (s.others <> 1 OR s.other_role IS DISTINCT FROM 'assistant', 'error', 'invalid_pair', 'the non-preferred side is not one message from the assistant'),
      (s.last_role IS DISTINCT FROM 'assistant', 'error', 'invalid_pair', 'the last message is not from the assistant'),
      (s.asked < 2, 'error', 'invalid_pair', 'no message comes before the preferred reply'),
      (s.replies > 1, 'error', 'invalid_pair', 'more than one message is from the assistant, and a pair is of one turn'),
      (s.beyond_text, 'error', 'pair_not_text', 'a message holds more than text'),
      (s.reply = s.other_reply, 'warning', 'equal_replies', 'the two replies are the same')
    ) AS p (found, severity, code, problem)
    WHERE p.found
    UNION ALL
    SELECT e.ordinal, e.response_id, 'error', 'shared_comment', 'an example of the training split answers the same comment'
    FROM example AS e
    WHERE e.split = 'validation'
      AND e.comment_id IN (SELECT t.comment_id FROM example AS t WHERE t.split = 'train' AND t.comment_id IS NOT NULL)
    UNION ALL
    SELECT NULL, NULL, 'error', 'too_few_examples', format('the training split has %s examples; the provider takes no fewer than 10', examples)
    FROM @extschema@.trainer_file_sizes($1) WHERE split = 'train' AND examples < 10
    UNION ALL
    SELECT NULL, NULL, 'error', 'file_too_large', format('the %s file has %s bytes; the provider takes %s', split, bytes, @extschema@.trainer_max_file_bytes())
    FROM @extschema@.trainer_file_sizes($1) WHERE bytes > @extschema@.trainer_max_file_bytes()
  )
  SELECT * FROM problem AS p ORDER BY p.ordinal NULLS LAST, p.severity COLLATE "C", p.code COLLATE "C", p.problem COLLATE "C"
$$;
COMMENT ON FUNCTION @extschema@.trainer_validate_dataset(uuid) IS
  'every example that the provider would refuse (error) or treat otherwise than meant (warning), and why; no rows when clean';

CREATE FUNCTION @extschema@.trainer_estimate_training_cost(dataset_id uuid)
RETURNS TABLE (base_model text, training_tokens bigint, epochs integer, billable_tokens bigint, cost_cents numeric, exact boolean, limits jsonb)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH dataset AS (
    SELECT d.id, d.training_params ->> 'base_model' AS base_model, (d.training_params ->> 'epochs')::integer AS epochs,
           @extschema@.trainer_max_example_tokens(d.training_params ->> 'base_model') AS token_limit
    FROM @extschema@.trainer_known_dataset($1) AS d),
  example AS (
    SELECT CASE WHEN e.non_preferred IS NULL THEN octet_length(e.messages::text) + 14
             ELSE octet_length(@extschema@.trainer_pair_line(e.messages, e.non_preferred)) + 1 END AS bytes,
           CASE WHEN octet_length(line) <= 67108864 THEN @extschema@.trainer_example_tokens(line, (SELECT base_model FROM dataset)) END AS tokens,
           -- Within a string a quote is escaped, so this is a key.
           octet_length(line) <= 67108864 AND line !~ '"(content|tool_calls|function_call)"[ \t\r\n]*:[ \t\r\n]*[[{]' AS of_text
    FROM @extschema@.training_examples AS e
    CROSS JOIN LATERAL (SELECT CASE WHEN e.non_preferred IS NULL THEN e.messages::text
      ELSE @extschema@.trainer_pair_messages(e.messages, e.non_preferred) END AS line OFFSET 0) AS list
    WHERE e.dataset_id = (SELECT id FROM dataset) AND e.split = 'train'),
  total AS (
    SELECT sum(CASE WHEN x.bytes IS NULL THEN 0 ELSE least(coalesce(x.tokens, d.token_limit), d.token_limit) END)::bigint AS tokens, coalesce(sum(x.bytes), 0) AS bytes,
           count(*) FILTER (WHERE x.tokens > d.token_limit) AS over_limit, coalesce(bool_and(x.of_text), true) AS of_text
    FROM dataset AS d LEFT JOIN example AS x ON true)
  SELECT d.base_model, t.tokens, d.epochs, t.tokens * d.epochs,
         @extschema@.trainer_training_cost_cents(d.base_model, t.tokens * d.epochs),
         t.of_text AND @extschema@.trainer_model_encoding(d.base_model) IS NOT NULL,
         jsonb_build_object('max_example_tokens', d.token_limit, 'examples_over_limit', t.over_limit,
                            'max_file_bytes', @extschema@.trainer_max_file_bytes(), 'training_file_bytes', t.bytes)
  FROM dataset AS d CROSS JOIN total AS t
$$;
COMMENT ON FUNCTION @extschema@.trainer_estimate_training_cost(uuid) IS
  'what training on the dataset would cost, in US cents; exact when the base model''s encoding is known and all is text; validation examples are free';
