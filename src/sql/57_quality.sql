-- Quality: which of an organization's responses are poor, and by which rule. docs/quality.md has the rules.

-- Bound when it is created, and without settings of its own: the server puts it in the place of the call.
CREATE FUNCTION @extschema@.trainer_text_key(content text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN pg_catalog.md5(pg_catalog.lower(pg_catalog.btrim(content, E' \t\r\n')));
COMMENT ON FUNCTION @extschema@.trainer_text_key(text) IS 'equal for texts that differ in their case and the space around them alone';

-- Of long texts the first 10,000 characters: a tsvector has its limits.
CREATE FUNCTION @extschema@.trainer_limits_query(b jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE WHEN b ? 'persona' THEN
    format('SELECT array_agg(word) AS words FROM (%s) AS p (defines, limits, indifferent, tone, style), '
           'unnest(tsvector_to_array(to_tsvector(''simple'', left(p.limits, 10000)))) AS word '
           'WHERE length(word) >= 5 AND word !~ ''[0-9[:punct:]]''', @extschema@.trainer_persona_query(b, '$1'))
    ELSE 'SELECT NULL::text[] AS words' END
$$;
COMMENT ON FUNCTION @extschema@.trainer_limits_query(jsonb) IS
  'the query for the words that the persona of organization $1 does not tolerate: one row, null when there are none';

-- As a dataset sees it: the best of several scores counts, compared in its own type; NaN is none.
CREATE FUNCTION @extschema@.trainer_low_scores_query(b jsonb) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT coalesce(
    (SELECT format('SELECT q.%2$I AS response_id, max(q.%3$I)::numeric AS score FROM %1$s AS q JOIN said AS s ON s.id = q.%2$I '
                   'WHERE q.%3$I < ''NaN''::%4$s GROUP BY 1 HAVING max(q.%3$I) < $2::%4$s',
                   b #>> '{quality,relation}', b #>> '{quality,columns,response_id}', b #>> '{quality,columns,rqc_score}',
                   @extschema@.trainer_base_type((@extschema@.trainer_live_column(q.relation, q.columns ->> 'rqc_score')).type)::regtype)
     FROM @extschema@.trainer_bindings AS q WHERE q.role = 'quality'),
    'SELECT NULL::uuid AS response_id, NULL::numeric AS score LIMIT 0')
$$;
COMMENT ON FUNCTION @extschema@.trainer_low_scores_query(jsonb) IS
  'the query for the responses (of "said") whose scores are all below $2; no rows when no scores are bound';

-- Parameters: $1 organization, $2 least score.
CREATE FUNCTION @extschema@.trainer_quality_statement() RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  b jsonb := @extschema@.trainer_bound_tables();
BEGIN
  RETURN format($query$
    WITH said AS (
      SELECT r.%1$I::uuid AS id, r.%2$I::uuid AS comment_id, r.%3$I AS created_at, coalesce(r.%4$I::text, '') AS content,
             @extschema@.trainer_text_key(coalesce(r.%4$I::text, '')) AS key
      FROM %5$s AS r WHERE r.%6$I = $1),
    low AS (%7$s),
    verdict AS (
      SELECT f.response_id, count(*) FILTER (WHERE f.feedback_type = 'rejected') AS rejected, count(*) FILTER (WHERE f.rating = 1) AS one_star,
             count(*) FILTER (WHERE f.feedback_type = 'regenerated') AS regenerated
      FROM @extschema@.model_feedback AS f WHERE f.organization_id = $1 AND f.response_id IS NOT NULL GROUP BY 1),
    repeated AS (
      SELECT s.key, count(DISTINCT s.comment_id) AS comments FROM said AS s
      WHERE s.key <> @extschema@.trainer_text_key('') GROUP BY 1 HAVING count(DISTINCT s.comment_id) >= 3),
    limits AS (%8$s)
    SELECT s.id, s.comment_id, g.custom_model_id, rule.name, rule.detail, rule.value, rule.threshold
    FROM said AS s
    LEFT JOIN low ON low.response_id = s.id
    LEFT JOIN verdict AS v ON v.response_id = s.id
    LEFT JOIN repeated ON repeated.key = s.key
    LEFT JOIN @extschema@.trainer_generations AS g ON g.organization_id = $1 AND g.response_id = s.id
    CROSS JOIN limits
    CROSS JOIN LATERAL (
      SELECT count(*) AS words, string_agg(word, ', ' ORDER BY word) AS shown
      FROM unnest(tsvector_to_array(to_tsvector('simple', left(s.content, 10000)))) AS word
      WHERE limits.words IS NOT NULL AND word = ANY (limits.words)) AS hit
    CROSS JOIN LATERAL (VALUES
      (1, 'low_score', low.score IS NOT NULL, 'The best of its scores is ' || low.score || '.', low.score, $2),
      (2, 'rejected', v.rejected > 0, 'Verdicts that reject it: ' || v.rejected || '.', v.rejected, 1),
      (3, 'one_star', v.one_star > 0, 'Ratings of one star: ' || v.one_star || '.', v.one_star, 1),
      (4, 'regenerated', v.regenerated > 1, 'Verdicts that asked for another: ' || v.regenerated || '.', v.regenerated, 2),
      (5, 'empty_text', s.key = @extschema@.trainer_text_key(''), 'There is no text.', 0, 1),
      (6, 'repeated_text', repeated.key IS NOT NULL, 'The same text was given to ' || repeated.comments || ' comments.', repeated.comments, 3),
      (7, 'persona_limit', hit.words > 0, 'Words of the persona''s limits in it: ' || hit.shown || '.', hit.words, 1)
    ) AS rule (place, name, applies, detail, value, threshold)
    WHERE rule.applies
    ORDER BY s.created_at DESC NULLS LAST, s.id, rule.place
    $query$,
    b #>> '{responses,columns,id}', b #>> '{responses,columns,comment_id}', b #>> '{responses,columns,created_at}',
    b #>> '{responses,columns,response_text}', b #>> '{responses,relation}', b #>> '{responses,columns,organization_id}',
    @extschema@.trainer_low_scores_query(b), @extschema@.trainer_limits_query(b));
END $$;
COMMENT ON FUNCTION @extschema@.trainer_quality_statement() IS
  'the statement over the app''s tables that finds poor responses; TR008 when those are not bound or no longer fit';

CREATE FUNCTION @extschema@.trainer_quality_report(organization_id uuid, min_quality_score numeric DEFAULT 0.7)
RETURNS TABLE (response_id uuid, comment_id uuid, custom_model_id uuid, rule text, detail text, value numeric, threshold numeric)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF (min_quality_score BETWEEN 0 AND 1) IS NOT TRUE THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'min_quality_score is out of range', HINT = 'It must be between 0 and 1.';
  END IF;
  RETURN QUERY EXECUTE @extschema@.trainer_quality_statement() USING organization_id, min_quality_score;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_quality_report(uuid, numeric) IS
  'an organization''s poor responses, newest first: one row a response and rule that it breaks, read with the caller''s rights';
