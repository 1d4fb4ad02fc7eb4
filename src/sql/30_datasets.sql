-- Datasets: from the bound tables to examples (the work is done by src/pg/dataset.cpp), and what can be asked of them.

CREATE FUNCTION @extschema@.trainer_dataset_options(options jsonb, OUT seed bigint, OUT batch_size integer, OUT beta numeric, OUT weight_by text) RETURNS record
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  key text;
  value jsonb;
  most numeric;
  least numeric;
BEGIN
  IF jsonb_typeof(options) <> 'object' THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'options are not a JSON object';
  END IF;
  FOR key, value IN SELECT * FROM jsonb_each(options) LOOP
    CASE key
      WHEN 'seed' THEN least := 0; most := 2147483647;
      WHEN 'batch_size' THEN least := 1; most := 256;
      WHEN 'beta' THEN
        IF (CASE jsonb_typeof(value) WHEN 'null' THEN false WHEN 'number' THEN value::numeric <= 0 OR value::numeric > 2 ELSE true END) THEN
          RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'option "beta" is out of range',
            DETAIL = 'It must be a number greater than 0 and at most 2, or null.';
        END IF;
        CONTINUE;
      WHEN 'weight_by' THEN
        IF value NOT IN ('"rating"', 'null') THEN
          RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'option "weight_by" is not valid',
            DETAIL = 'It must be "rating", or null.';
        END IF;
        CONTINUE;
      ELSE
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('option "%s" is not known', key),
          HINT = 'The options are seed, batch_size, beta and weight_by.';
    END CASE;
    IF jsonb_typeof(value) <> 'number' OR value::numeric <> trunc(value::numeric) OR value::numeric NOT BETWEEN least AND most THEN
      RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('option "%s" is out of range', key),
        DETAIL = format('It must be a whole number between %s and %s.', least, most);
    END IF;
  END LOOP;
  seed := (options -> 'seed')::bigint;
  batch_size := (options -> 'batch_size')::integer;
  beta := (options ->> 'beta')::numeric;
  weight_by := options ->> 'weight_by';
END;
$$;
COMMENT ON FUNCTION @extschema@.trainer_dataset_options(jsonb) IS 'the options of trainer_prepare_dataset(), checked';

-- The bindings, as they are now: {role: {relation, columns}}. Statements over the app's tables are written from them alone: from regclasses and
-- names that exist, quoted.
CREATE FUNCTION @extschema@.trainer_bound_tables() RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  b jsonb;
  problems text;
BEGIN
  SELECT jsonb_object_agg(role, jsonb_build_object('relation', @extschema@.trainer_relation_name(relation), 'columns', columns))
    INTO b FROM @extschema@.trainer_bindings;
  IF b IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'TR008', MESSAGE = 'extension is not bound to the app''s tables',
      HINT = 'Run SELECT * FROM trainer_attach().';
  END IF;
  SELECT string_agg(p.problem, E'\n' ORDER BY p.problem COLLATE "C") INTO problems
  FROM @extschema@.trainer_bindings AS bound
  CROSS JOIN LATERAL @extschema@.trainer_binding_problems(bound.role, bound.relation, bound.columns) AS p
  WHERE p.kind = 'fit';
  IF problems IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'TR008', MESSAGE = 'host tables no longer fit', DETAIL = problems,
      HINT = 'Run trainer_attach() with what the tables and columns are called now.';
  END IF;
  RETURN b;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_bound_tables() IS
  'relations and columns that are bound, by role; TR008 when there are none or they no longer fit';

-- Should an organization have two, the same one is found each time.
CREATE FUNCTION @extschema@.trainer_persona_query(b jsonb, organization text) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT format('SELECT %s FROM %s AS p WHERE p.%I = %s ORDER BY 1, 2, 3, 4, 5 LIMIT 1',
                string_agg(CASE WHEN b #> ARRAY['persona', 'columns', name] IS NULL THEN 'NULL::text'
                                ELSE format('p.%I::text', b #>> ARRAY['persona', 'columns', name]) END,
                           ', ' ORDER BY position),
                b #>> '{persona,relation}', b #>> '{persona,columns,organization_id}', organization)
  FROM unnest('{lo_que_me_define,lo_que_no_tolero,lo_que_me_da_igual,tone,custom_style_prompt}'::text[])
    WITH ORDINALITY AS of_persona (name, position)
  WHERE b ? 'persona'
  HAVING count(*) > 0
$$;
COMMENT ON FUNCTION @extschema@.trainer_persona_query(jsonb, text) IS
  'the query for the five texts of an organization''s persona; null when none is bound';

-- Parameters: $1 organization; of candidates $2 least score, $3 row limit, $4 and $5 where the last page ended.
CREATE FUNCTION @extschema@.trainer_dataset_statements(
  OUT organization text, OUT persona text, OUT candidates text, OUT more_candidates text, OUT scored text)
RETURNS record
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  b jsonb := @extschema@.trainer_bound_tables();
  good text;
  rejected text;
  body text;
  score_type regtype;
BEGIN
  IF NOT b ? 'quality' THEN
    RAISE EXCEPTION USING ERRCODE = 'TR008', MESSAGE = 'no quality scores are bound',
      DETAIL = 'Examples are chosen by the quality score of a response.',
      HINT = 'Name the table or view that holds the scores, for example trainer_attach(quality => ''app.reviews'').';
  END IF;

  SELECT @extschema@.trainer_base_type((@extschema@.trainer_live_column(relation, columns ->> 'rqc_score')).type)
    INTO score_type FROM @extschema@.trainer_bindings WHERE role = 'quality';

  organization := format('SELECT FROM %s AS o WHERE o.%I = $1', b #>> '{organizations,relation}', b #>> '{organizations,columns,id}');

  persona := @extschema@.trainer_persona_query(b, '$1');

  -- A response with several scores is good when one of them is: they have no date by which one would be the last, and the veto
  -- is the rejection. The score is compared in its own type, or 0.7 as real would be below 0.7; NaN is above every number.
  good := format('EXISTS (SELECT FROM %1$s AS q WHERE q.%2$I = r.%3$I AND q.%4$I >= $2::%5$s AND q.%4$I < ''NaN''::%5$s)',
    b #>> '{quality,relation}', b #>> '{quality,columns,response_id}', b #>> '{responses,columns,id}',
    b #>> '{quality,columns,rqc_score}', score_type);
  rejected := format('EXISTS (SELECT FROM @extschema@.model_feedback AS f WHERE f.response_id = r.%I AND f.organization_id = $1 '
                     'AND f.feedback_type = ''rejected'')', b #>> '{responses,columns,id}');
  scored := format('SELECT count(*), count(*) FILTER (WHERE %s) FROM %s AS r WHERE r.%I = $1 AND %s',
    rejected, b #>> '{responses,relation}', b #>> '{responses,columns,organization_id}', good);

  body := format(
    'SELECT r.%1$I, r.%2$I, c.%3$I, c.%4$I::text, %5$s, coalesce(e.edited_roast, r.%6$I::text) '
    'FROM %7$s AS r '
    'JOIN %8$s AS c ON c.%3$I = r.%9$I AND c.%10$I = $1 '
    'LEFT JOIN LATERAL (SELECT f.edited_roast FROM @extschema@.model_feedback AS f '
      'WHERE f.response_id = r.%2$I AND f.organization_id = $1 AND f.feedback_type = ''edited'' '
      'ORDER BY f.created_at DESC, f.id DESC LIMIT 1) AS e ON true '
    'WHERE r.%11$I = $1 AND r.%1$I IS NOT NULL AND %12$s AND NOT %13$s',
    b #>> '{responses,columns,created_at}', b #>> '{responses,columns,id}', b #>> '{comments,columns,id}',
    b #>> '{comments,columns,original_text}',
    CASE WHEN b #> '{comments,columns,platform}' IS NULL THEN 'NULL::text'
         ELSE format('c.%I::text', b #>> '{comments,columns,platform}') END,
    b #>> '{responses,columns,response_text}', b #>> '{responses,relation}', b #>> '{comments,relation}',
    b #>> '{responses,columns,comment_id}', b #>> '{comments,columns,organization_id}',
    b #>> '{responses,columns,organization_id}', good, rejected);
  candidates := body || format(' ORDER BY r.%1$I DESC, r.%2$I DESC LIMIT $3',
    b #>> '{responses,columns,created_at}', b #>> '{responses,columns,id}');
  more_candidates := body || format(' AND (r.%1$I, r.%2$I) < ($4, $5) ORDER BY r.%1$I DESC, r.%2$I DESC LIMIT $3',
    b #>> '{responses,columns,created_at}', b #>> '{responses,columns,id}');
END;
$$;
COMMENT ON FUNCTION @extschema@.trainer_dataset_statements() IS
  'the statements over the app''s tables that a dataset is built with; TR008 when those are not bound or no longer fit';

CREATE FUNCTION @extschema@.trainer_prepare_dataset(
  organization_id uuid, name text DEFAULT NULL, min_quality_score numeric DEFAULT 0.7, base_model text DEFAULT 'gpt-4o',
  epochs integer DEFAULT 3, learning_rate_multiplier numeric DEFAULT 0.1, include_persona boolean DEFAULT true,
  include_platform_context boolean DEFAULT true, max_examples integer DEFAULT 1000,
  min_examples integer DEFAULT
    coalesce(nullif(pg_catalog.current_setting('trainer.min_training_examples', true), ''), '100')::pg_catalog.int4,
  validation_fraction numeric DEFAULT 0.1, method text DEFAULT 'supervised', options jsonb DEFAULT '{}')
RETURNS @extschema@.training_datasets
LANGUAGE c
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'trainer_prepare_dataset';
COMMENT ON FUNCTION @extschema@.trainer_prepare_dataset(
  uuid, text, numeric, text, integer, numeric, boolean, boolean, integer, integer, numeric, text, jsonb) IS
  'makes a dataset of an organization''s newest good responses; TR001 when there are too few';

CREATE FUNCTION @extschema@.trainer_known_dataset(dataset_id uuid) RETURNS @extschema@.training_datasets
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  found_dataset @extschema@.training_datasets;
BEGIN
  SELECT * INTO found_dataset FROM @extschema@.training_datasets AS d WHERE d.id = dataset_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'no_data_found',
      MESSAGE = format('training dataset %s does not exist', coalesce(dataset_id::text, 'NULL')),
      HINT = 'Make one with trainer_prepare_dataset().';
  END IF;
  RETURN found_dataset;
END;
$$;
COMMENT ON FUNCTION @extschema@.trainer_known_dataset(uuid) IS 'the dataset; an error when there is none';

CREATE FUNCTION @extschema@.trainer_known_split(split text) RETURNS text
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF split IN ('train', 'validation') THEN
    RETURN split;
  END IF;
  RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
    MESSAGE = format('split %s is not known', coalesce('"' || split || '"', 'NULL')),
    HINT = 'The splits are train and validation.';
END;
$$;
COMMENT ON FUNCTION @extschema@.trainer_known_split(text) IS 'the split; an error when it is not one';

-- Line breaks of JSON that was edited by hand stand between tokens, never in strings, so a space is as good.
CREATE FUNCTION @extschema@.trainer_dataset_jsonl(dataset_id uuid, split text DEFAULT 'train') RETURNS SETOF text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE WHEN e.non_preferred IS NULL THEN '{"messages":' || replace(replace(e.messages::text, E'\n', ' '), E'\r', ' ') || '}'
              ELSE @extschema@.trainer_pair_line(e.messages, e.non_preferred) END
  FROM @extschema@.training_examples AS e
  WHERE e.dataset_id = (SELECT id FROM @extschema@.trainer_known_dataset($1))
    AND e.split = (SELECT @extschema@.trainer_known_split($2))
  ORDER BY e.ordinal
$$;
COMMENT ON FUNCTION @extschema@.trainer_dataset_jsonl(uuid, text) IS
  'the lines of the training or validation file, byte for byte as uploaded but for the line feed at the end of each';
