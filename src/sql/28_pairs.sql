-- Preference pairs (method dpo): two replies to the same comment, of which a person preferred one. Which there are, and how they are written.

-- OpenAI's line of preferences: what was asked stands in the input, and each side is a list of one message. The last of our messages is the
-- preferred reply. json keeps the text of its parts, so that the line holds the same bytes as the columns; line breaks of JSON that was edited by
-- hand stand between tokens, and a space is as good.
CREATE FUNCTION @extschema@.trainer_pair_line(messages json, non_preferred json) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT replace(replace(
    '{"input":{"messages":[' || coalesce(string_agg(m.json, ',' ORDER BY m.place) FILTER (WHERE m.place < m.last), '')
      || ']},"preferred_output":[' || coalesce(string_agg(m.json, ',') FILTER (WHERE m.place = m.last), '')
      || '],"non_preferred_output":' || $2::text || '}', E'\n', ' '), E'\r', ' ')
  FROM (SELECT e.value::text AS json, e.place, count(*) OVER () AS last
        FROM json_array_elements(CASE WHEN json_typeof($1) = 'array' THEN $1 ELSE '[]' END) WITH ORDINALITY AS e (value, place)) AS m
$$;
COMMENT ON FUNCTION @extschema@.trainer_pair_line(json, json) IS 'a preference pair as a line of a training file';

CREATE FUNCTION @extschema@.trainer_pair_messages(messages json, non_preferred json) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE WHEN json_typeof($1) <> 'array' OR json_typeof($2) <> 'array' THEN $1::text
    WHEN json_array_length($1) = 0 OR json_array_length($2) = 0 THEN $1::text
    ELSE left(rtrim($1::text, E' \t\r\n'), -1) || ',' || substr(ltrim($2::text, E' \t\r\n'), 2) END
$$;
COMMENT ON FUNCTION @extschema@.trainer_pair_messages(json, json) IS
  'all messages of a preference pair as one list, the non-preferred reply behind the others; without it where there is none';

-- Columns as of trainer_dataset_statements(), and behind them the mean rating (which does not matter here), the reply that the other is preferred over,
-- and whether it is of variants. What was rejected is preferred to nothing: neither the response as it was edited, nor its text where it comes from
-- elsewhere, since an app that posts a variant need not say so.
CREATE FUNCTION @extschema@.trainer_pair_statements(OUT organization text, OUT persona text, OUT candidates text, OUT counts text) RETURNS record
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  b jsonb := @extschema@.trainer_bound_tables();
  edits text;
  variants text := 'SELECT v.chosen_at, v.set_id, o.rank, true, g.response_id, v.comment_id, v.response_text, o.response_text '
    'FROM @extschema@.trainer_variants AS v '
    'JOIN @extschema@.trainer_variants AS o ON o.set_id = v.set_id AND o.organization_id = $1 AND o.comment_id = v.comment_id AND o.chosen_at IS NULL '
    'LEFT JOIN @extschema@.trainer_generations AS g ON g.id = v.generation_id AND g.organization_id = $1 '
    'WHERE v.organization_id = $1 AND v.chosen_at IS NOT NULL';
  rejected text;
  body text;
BEGIN
  organization := format('SELECT FROM %s AS o WHERE o.%I = $1', b #>> '{organizations,relation}', b #>> '{organizations,columns,id}');
  persona := @extschema@.trainer_persona_query(b, '$1');

  edits := format(
    'SELECT e.created_at AS at, e.id AS key, 0 AS place, false AS is_variant, e.response_id, r.%I AS comment_id, e.edited_roast AS preferred, '
      'coalesce(e.original_roast, r.%I::text) AS non_preferred '
    'FROM (SELECT DISTINCT ON (f.response_id) f.id, f.response_id, f.created_at, f.edited_roast, f.original_roast '
      'FROM @extschema@.model_feedback AS f '
      'WHERE f.organization_id = $1 AND f.feedback_type = ''edited'' AND f.response_id IS NOT NULL '
      'ORDER BY f.response_id, f.created_at DESC, f.id DESC) AS e '
    'JOIN %s AS r ON r.%I = e.response_id AND r.%I = $1',
    b #>> '{responses,columns,comment_id}', b #>> '{responses,columns,response_text}', b #>> '{responses,relation}',
    b #>> '{responses,columns,id}', b #>> '{responses,columns,organization_id}');
  rejected := format(
    'EXISTS (SELECT FROM @extschema@.model_feedback AS f WHERE f.response_id = p.response_id AND f.organization_id = $1 '
      'AND f.feedback_type = ''rejected'') '
    'OR ((p.comment_id, btrim(p.preferred, E'' \t\r\n'')) IN (SELECT r.%I, btrim(t.rejected, E'' \t\r\n'') '
      'FROM @extschema@.model_feedback AS f JOIN %s AS r ON r.%I = f.response_id AND r.%I = $1 '
      'CROSS JOIN LATERAL (VALUES (r.%I::text), (f.original_roast)) AS t (rejected) '
      'WHERE f.organization_id = $1 AND f.feedback_type = ''rejected'' AND t.rejected IS NOT NULL)) IS TRUE',
    b #>> '{responses,columns,comment_id}', b #>> '{responses,relation}', b #>> '{responses,columns,id}',
    b #>> '{responses,columns,organization_id}', b #>> '{responses,columns,response_text}');

  body := format('FROM (SELECT p.*, %s AS rejected FROM (%s UNION ALL %s) AS p) AS p JOIN %s AS c ON c.%I = p.comment_id AND c.%I = $1',
    rejected, edits, variants, b #>> '{comments,relation}', b #>> '{comments,columns,id}', b #>> '{comments,columns,organization_id}');
  candidates := format(
    'SELECT p.at, p.response_id, p.comment_id, c.%I::text, %s, p.preferred, NULL::float8, p.non_preferred, p.is_variant %s '
    'WHERE NOT p.rejected ORDER BY p.at DESC, p.key DESC, p.place',
    b #>> '{comments,columns,original_text}',
    CASE WHEN b #> '{comments,columns,platform}' IS NULL THEN 'NULL::text' ELSE format('c.%I::text', b #>> '{comments,columns,platform}') END,
    body);
  counts := 'SELECT count(*) FILTER (WHERE NOT p.is_variant), count(*) FILTER (WHERE p.rejected), count(*) FILTER (WHERE p.is_variant) ' || body;
END;
$$;
COMMENT ON FUNCTION @extschema@.trainer_pair_statements() IS
  'the statements over the app''s tables that a dataset of preference pairs is built with; TR008 when those are not bound or no longer fit';
