-- Variants: several replies to one comment, ranked, of which a person chooses one. docs/quality.md has the rule.

CREATE FUNCTION @extschema@.trainer_variant_options(options jsonb, OUT rungs text[], OUT max_tokens integer) RETURNS record
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  unknown text;
  tokens jsonb := coalesce(options -> 'max_tokens', '200');
BEGIN
  IF options IS NULL OR jsonb_typeof(options) <> 'object' THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'options are not a JSON object';
  END IF;
  SELECT key INTO unknown FROM jsonb_object_keys(options) AS key WHERE key NOT IN ('rung', 'max_tokens') LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('option "%s" is not known', left(unknown, 100)),
      HINT = 'The options are rung and max_tokens.';
  END IF;
  rungs := CASE jsonb_typeof(options -> 'rung') WHEN 'array' THEN ARRAY(SELECT jsonb_array_elements_text(options -> 'rung'))
                                                ELSE ARRAY[options ->> 'rung'] END;
  IF rungs = '{}' OR NOT coalesce(rungs <@ '{fine_tuned,exemplar,base}', false) AND options ->> 'rung' IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'option "rung" is not known',
      HINT = 'The rungs are fine_tuned, exemplar and base; of several in an array the variants take one each, in turn.';
  END IF;
  IF jsonb_typeof(tokens) <> 'number' OR tokens::numeric <> trunc(tokens::numeric) OR tokens::numeric NOT BETWEEN 1 AND 16384 THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'option "max_tokens" is out of range',
      DETAIL = 'It must be a whole number between 1 and 16384.';
  END IF;
  max_tokens := tokens::integer;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_variant_options(jsonb) IS 'the options of trainer_generate_variants(), checked; a rung that is null is free';

CREATE FUNCTION @extschema@.trainer_given_replies(comment_id uuid) RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  b jsonb := @extschema@.trainer_bound_tables();
  given text[];
BEGIN
  EXECUTE format('SELECT array_agg(r.%I::text) FROM %s AS r WHERE r.%I = $1', b #>> '{responses,columns,response_text}',
                 b #>> '{responses,relation}', b #>> '{responses,columns,comment_id}') INTO given USING comment_id;
  RETURN coalesce(given, '{}');
END $$;
COMMENT ON FUNCTION @extschema@.trainer_given_replies(uuid) IS 'what the app has replied to the comment so far';

-- Of long texts the first 1,000 characters are compared. What is taken off is negative, so that the score is the sum of its parts.
CREATE FUNCTION @extschema@.trainer_rank_variants(organization_id uuid, variants text[], given text[])
RETURNS TABLE (ordinal integer, rank integer, score numeric, parts jsonb)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH approved AS MATERIALIZED (
    SELECT left(coalesce(f.edited_roast, f.original_roast), 1000) AS content FROM @extschema@.model_feedback AS f
    WHERE f.organization_id = $1 AND f.feedback_type IN ('approved', 'edited') AND coalesce(f.edited_roast, f.original_roast) IS NOT NULL
    ORDER BY f.created_at DESC, f.id DESC LIMIT 100),
  rejected AS MATERIALIZED (
    SELECT left(f.original_roast, 1000) AS content FROM @extschema@.model_feedback AS f
    WHERE f.organization_id = $1 AND f.feedback_type = 'rejected' AND f.original_roast IS NOT NULL
    ORDER BY f.created_at DESC, f.id DESC LIMIT 100),
  variant AS (
    SELECT v.ordinal::integer AS ordinal, v.content, @extschema@.trainer_text_key(v.content) AS key
    FROM unnest($2) WITH ORDINALITY AS v (content, ordinal)),
  judged AS (
    SELECT v.ordinal,
           coalesce((SELECT max(@extschema@.trainer_similarity(left(v.content, 1000), a.content)) FROM approved AS a), 0)::numeric AS approved,
           - coalesce((SELECT max(@extschema@.trainer_similarity(left(v.content, 1000), r.content)) FROM rejected AS r), 0)::numeric AS rejected,
           CASE WHEN length(btrim(v.content, E' \t\r\n')) BETWEEN 20 AND 280 THEN 0 ELSE -0.5 END AS length,
           CASE WHEN row_number() OVER (PARTITION BY v.key ORDER BY v.ordinal) > 1
                  OR EXISTS (SELECT FROM unnest($3) AS g WHERE @extschema@.trainer_text_key(g) = v.key) THEN -1 ELSE 0 END AS duplicate
    FROM variant AS v),
  summed AS (
    SELECT j.*, trim_scale(round(j.approved, 4) + round(j.rejected, 4) + j.length + j.duplicate) AS score FROM judged AS j)
  SELECT s.ordinal, (row_number() OVER (ORDER BY s.score DESC, s.ordinal))::integer, s.score,
         jsonb_build_object('approved', trim_scale(round(s.approved, 4)), 'rejected', trim_scale(round(s.rejected, 4)),
                            'length', s.length, 'duplicate', s.duplicate)
  FROM summed AS s ORDER BY 2
$$;
COMMENT ON FUNCTION @extschema@.trainer_rank_variants(uuid, text[], text[]) IS
  'ranks replies to one comment: similarity to what the organization approved, less that to what it rejected, less 0.5 for an odd length and 1 for a text that is there already';

CREATE FUNCTION @extschema@.trainer_generate_variants(comment_id uuid, n integer DEFAULT 3, options jsonb DEFAULT '{}')
RETURNS TABLE (rank integer, variant_id uuid, response_text text, score numeric, parts jsonb, rung text, model text, custom_model_id uuid,
               temperature numeric, cost_cents numeric, generation_id uuid)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  asked record;
  made record;
  given text[];
  warmth numeric;
  texts text[] := '{}';
  temperatures numeric[] := '{}';
  generations uuid[] := '{}';
  set_id uuid := gen_random_uuid();
BEGIN
  IF ($2 BETWEEN 1 AND 8) IS NOT TRUE THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'number of variants is out of range', DETAIL = 'n must be between 1 and 8.';
  END IF;
  SELECT o.rungs, o.max_tokens INTO asked FROM @extschema@.trainer_variant_options($3) AS o;
  -- Before anything is paid for: who may not read the app's responses is told now.
  given := @extschema@.trainer_given_replies($1);
  FOR i IN 1 .. $2 LOOP
    warmth := CASE WHEN $2 = 1 THEN 0.8 ELSE trim_scale(round(0.5 + 0.6 * (i - 1) / ($2 - 1), 2)) END;
    BEGIN
      SELECT g.response_text, g.generation_id INTO made
      FROM @extschema@.trainer_generate($1, warmth, asked.max_tokens,
             jsonb_strip_nulls(jsonb_build_object('rung', asked.rungs[1 + (i - 1) % cardinality(asked.rungs)]))) AS g;
    EXCEPTION WHEN SQLSTATE 'TR007' OR SQLSTATE 'TR005' THEN
      -- What has been paid for is kept.
      IF i = 1 THEN
        RAISE;
      END IF;
      RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = format('only %s of %s variants were made', i - 1, $2),
        DETAIL = CASE SQLSTATE WHEN 'TR005' THEN 'A budget does not have the next one.' ELSE 'No model answered for the next one.' END;
      EXIT;
    END;
    texts := array_append(texts, made.response_text);
    temperatures := array_append(temperatures, warmth);
    generations := array_append(generations, made.generation_id);
  END LOOP;
  RETURN QUERY
    WITH ranked AS (
      SELECT r.rank, r.score, r.parts, t.content, t.temperature, g.id, g.organization_id, g.custom_model_id, g.rung, g.model, g.cost_cents
      FROM unnest(texts, temperatures, generations) WITH ORDINALITY AS t (content, temperature, generation, ordinal)
      JOIN @extschema@.trainer_generations AS g ON g.id = t.generation
      JOIN @extschema@.trainer_rank_variants((SELECT a.organization_id FROM @extschema@.trainer_generations AS a WHERE a.id = generations[1]), texts, given) AS r
        ON r.ordinal = t.ordinal),
    kept AS (
      INSERT INTO @extschema@.trainer_variants AS v
        (organization_id, comment_id, set_id, generation_id, custom_model_id, rung, temperature, response_text, rank, score, parts)
      SELECT r.organization_id, $1, set_id, r.id, r.custom_model_id, r.rung, r.temperature, r.content, r.rank, r.score, r.parts FROM ranked AS r
      RETURNING v.id, v.rank)
    SELECT r.rank, k.id, r.content, r.score, r.parts, r.rung, r.model, r.custom_model_id, r.temperature, r.cost_cents, r.id
    FROM ranked AS r JOIN kept AS k ON k.rank = r.rank ORDER BY r.rank;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_generate_variants(uuid, integer, jsonb) IS
  'several replies to the comment, from cool to warm, the best first by what the organization has approved and rejected so far';

CREATE FUNCTION @extschema@.trainer_require_reply(variant @extschema@.trainer_variants, response_id uuid) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  b jsonb := @extschema@.trainer_bound_tables();
  fits boolean;
BEGIN
  EXECUTE format('SELECT coalesce(r.%I = $2, false) FROM %s AS r WHERE r.%I = $1 AND r.%I = $3', b #>> '{responses,columns,comment_id}',
                 b #>> '{responses,relation}', b #>> '{responses,columns,id}', b #>> '{responses,columns,organization_id}')
    INTO fits USING $2, variant.comment_id, variant.organization_id;
  IF fits IS NULL THEN
    RAISE EXCEPTION 'response % does not exist', $2 USING ERRCODE = 'no_data_found';
  ELSIF NOT fits THEN
    RAISE EXCEPTION 'response % is no reply to the variant''s comment', $2
      USING ERRCODE = 'invalid_parameter_value', DETAIL = format('The variant was made for comment %s.', variant.comment_id);
  END IF;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_require_reply(@extschema@.trainer_variants, uuid) IS
  'an error unless the app''s response is one to the comment that the variant was made for';

CREATE FUNCTION @extschema@.trainer_choose_variant(variant_id uuid, response_id uuid DEFAULT NULL) RETURNS @extschema@.trainer_variants
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  chosen @extschema@.trainer_variants;
BEGIN
  SELECT * INTO chosen FROM @extschema@.trainer_variants AS v WHERE v.id = $1;
  IF chosen.id IS NULL THEN
    RAISE EXCEPTION 'variant % does not exist', coalesce($1::text, 'NULL')
      USING ERRCODE = 'no_data_found', HINT = 'Make some with trainer_generate_variants().';
  END IF;
  IF $2 IS NOT NULL THEN
    PERFORM @extschema@.trainer_require_reply(chosen, $2);
  END IF;
  BEGIN
    UPDATE @extschema@.trainer_variants AS v SET chosen_at = now() WHERE v.id = $1 AND v.chosen_at IS NULL;
  EXCEPTION WHEN unique_violation THEN
    RAISE EXCEPTION 'another variant of the set has been chosen' USING ERRCODE = 'object_not_in_prerequisite_state',
      DETAIL = coalesce((SELECT format('It is variant %s, of rank %s.', v.id, v.rank) FROM @extschema@.trainer_variants AS v
                         WHERE v.set_id = chosen.set_id AND v.chosen_at IS NOT NULL), 'It was chosen a moment ago.');
  END;
  SELECT * INTO chosen FROM @extschema@.trainer_variants AS v WHERE v.id = $1;
  IF $2 IS NOT NULL THEN
    BEGIN
      PERFORM @extschema@.trainer_link_response(chosen.generation_id, $2) WHERE chosen.generation_id IS NOT NULL;
    EXCEPTION WHEN unique_violation THEN
      RAISE EXCEPTION 'response % belongs to another generation', $2 USING ERRCODE = 'unique_violation';
    END;
    PERFORM @extschema@.trainer_collect_feedback($2, 'approved', metadata => jsonb_build_object('variant', $1, 'idempotency_key', $1));
  END IF;
  RETURN chosen;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_choose_variant(uuid, uuid) IS
  'says which variant of a set was taken, and as which response of the app: feedback for the model that wrote it; the same choice again changes nothing';
