-- Feedback: verdicts on responses, attributed to the model that wrote them, and what they add up to. Whoever writes needs SELECT on the app's
-- responses; the trigger does the same work for a direct INSERT into model_feedback.

CREATE FUNCTION @extschema@.trainer_complete_feedback() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  wrote @extschema@.trainer_generations;
  b jsonb;
BEGIN
  IF NEW.response_id IS NULL THEN
    RETURN NEW;
  END IF;
  -- The model that wrote it, whichever serves by now. A response that is not ours to know stays with what it came with.
  SELECT * INTO wrote FROM @extschema@.trainer_generations AS g
    WHERE g.organization_id = NEW.organization_id AND g.response_id = NEW.response_id;
  IF wrote.id IS NOT NULL THEN
    NEW.custom_model_id := wrote.custom_model_id;
  END IF;
  -- A restored row has what it had.
  IF NEW.created_at <> now() THEN
    RETURN NEW;
  END IF;
  b := (SELECT jsonb_object_agg(t.role, jsonb_build_object('relation', @extschema@.trainer_relation_name(t.relation), 'columns', t.columns))
        FROM @extschema@.trainer_bindings AS t WHERE t.role IN ('responses', 'quality') AND has_table_privilege(t.relation, 'SELECT'));
  IF NEW.original_roast IS NULL AND b ? 'responses' THEN
    EXECUTE format('SELECT r.%I::text FROM %s AS r WHERE r.%I = $1', b #>> '{responses,columns,response_text}', b #>> '{responses,relation}',
                   b #>> '{responses,columns,id}') INTO NEW.original_roast USING NEW.response_id;
  END IF;
  IF NEW.quality_score IS NULL AND b ? 'quality' THEN
    -- A score beyond 0 to 1 is of another scale: it says nothing here.
    EXECUTE format('SELECT max(q.%1$I::numeric) FROM %2$s AS q WHERE q.%3$I = $1 AND q.%1$I BETWEEN 0 AND 1', b #>> '{quality,columns,rqc_score}',
                   b #>> '{quality,relation}', b #>> '{quality,columns,response_id}') INTO NEW.quality_score USING NEW.response_id;
  END IF;
  RETURN NEW;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_complete_feedback() IS
  'fills in what is known of a response: the model that wrote it, its text and its quality score';
CREATE TRIGGER trainer_complete_feedback BEFORE INSERT ON @extschema@.model_feedback
  FOR EACH ROW EXECUTE FUNCTION @extschema@.trainer_complete_feedback();

CREATE FUNCTION @extschema@.trainer_collect_feedback(
  response_id uuid, feedback_type text, edited_text text DEFAULT NULL, rating integer DEFAULT NULL, tone_match boolean DEFAULT NULL,
  humor_effectiveness numeric DEFAULT NULL, metadata jsonb DEFAULT '{}')
RETURNS @extschema@.model_feedback
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  bound jsonb := @extschema@.trainer_bound_tables();
  organization uuid;
  collected @extschema@.model_feedback;
BEGIN
  PERFORM @extschema@.trainer_require_feedback($1, $2, $3, $4, $6, $7);
  EXECUTE format('SELECT r.%I FROM %s AS r WHERE r.%I = $1', bound #>> '{responses,columns,organization_id}', bound #>> '{responses,relation}',
                 bound #>> '{responses,columns,id}') INTO organization USING $1;
  IF organization IS NULL THEN
    RAISE EXCEPTION 'response % does not exist', $1 USING ERRCODE = 'no_data_found';
  END IF;
  INSERT INTO @extschema@.model_feedback AS f
      (organization_id, response_id, feedback_type, edited_roast, rating, tone_match, humor_effectiveness, metadata)
    VALUES (organization, $1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (organization_id, (metadata ->> 'idempotency_key')) WHERE metadata ? 'idempotency_key' DO NOTHING
    RETURNING * INTO collected;
  IF collected.id IS NULL THEN
    SELECT * INTO collected FROM @extschema@.model_feedback AS f
      WHERE f.organization_id = organization AND f.metadata ->> 'idempotency_key' = $7 ->> 'idempotency_key' AND f.metadata ? 'idempotency_key';
    IF (collected.response_id, collected.feedback_type) IS DISTINCT FROM ($1, $2::varchar) THEN
      RAISE EXCEPTION 'the idempotency key belongs to other feedback' USING ERRCODE = 'unique_violation',
        DETAIL = format('Feedback %s with this key is of another response or another type.', collected.id);
    END IF;
  END IF;
  RETURN collected;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_collect_feedback(uuid, text, text, integer, boolean, numeric, jsonb) IS
  'a verdict on a response of the app, counted for the model that wrote it; repeated with the same metadata.idempotency_key it returns the first row';

CREATE FUNCTION @extschema@.trainer_require_feedback(
  response_id uuid, feedback_type text, edited_text text, rating integer, humor_effectiveness numeric, metadata jsonb) RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  problem text;
  hint text;
BEGIN
  IF response_id IS NULL THEN
    problem := 'response_id must not be null';
  ELSIF feedback_type IS NULL OR feedback_type NOT IN ('approved', 'rejected', 'edited', 'regenerated') THEN
    problem := format('feedback type %s is not known', coalesce('"' || left(feedback_type, 100) || '"', 'null'));
    hint := 'The types are approved, rejected, edited and regenerated. Feedback as JSON is cast: ''{...}''::jsonb.';
  ELSIF feedback_type = 'edited' AND coalesce(btrim(edited_text, E' \t\r\n'), '') = '' THEN
    problem := 'feedback of type "edited" needs the edited text';
  ELSIF feedback_type <> 'edited' AND edited_text IS NOT NULL THEN
    problem := 'only feedback of type "edited" has an edited text';
  ELSIF NOT rating BETWEEN 1 AND 5 THEN
    problem := 'rating is out of range';
    hint := 'It must be between 1 and 5.';
  ELSIF NOT humor_effectiveness BETWEEN 0 AND 1 THEN
    problem := 'humor_effectiveness is out of range';
    hint := 'It must be between 0 and 1.';
  ELSIF metadata IS NULL OR jsonb_typeof(metadata) <> 'object' THEN
    problem := 'metadata is not a JSON object';
  ELSIF metadata ? 'idempotency_key'
        AND (jsonb_typeof(metadata -> 'idempotency_key') <> 'string' OR length(metadata ->> 'idempotency_key') NOT BETWEEN 1 AND 200) THEN
    problem := 'metadata.idempotency_key is not valid';
    hint := 'It must be a string of 1 to 200 characters.';
  END IF;
  IF problem IS NOT NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = problem, HINT = coalesce(hint, '');
  END IF;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_require_feedback(uuid, text, text, integer, numeric, jsonb) IS
  'an error when the arguments of trainer_collect_feedback() are not valid';

CREATE FUNCTION @extschema@.trainer_collect_feedback(response_id uuid, feedback jsonb) RETURNS @extschema@.model_feedback
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  field record;
  taken jsonb := '{}';
BEGIN
  IF jsonb_typeof(feedback) IS DISTINCT FROM 'object' THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'feedback is not a JSON object';
  END IF;
  FOR field IN
    SELECT e.key, e.value, known.name, known.type FROM jsonb_each(feedback) AS e
    LEFT JOIN (VALUES ('type', 'type', 'string'), ('edited_text', 'editedText', 'string'), ('rating', 'rating', 'number'),
                      ('tone_match', 'toneMatch', 'boolean'), ('humor_effectiveness', 'humorEffectiveness', 'number'), ('metadata', 'metadata', 'object'))
      AS known (name, camel, type) ON e.key IN (known.name, known.camel)
  LOOP
    IF field.name IS NULL OR taken ? field.name THEN
      RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
        MESSAGE = format(CASE WHEN field.name IS NULL THEN 'feedback has an unknown key "%s"' ELSE 'feedback has "%s" twice' END, left(field.key, 100)),
        HINT = 'The keys are type, editedText, rating, toneMatch, humorEffectiveness and metadata.';
    END IF;
    CONTINUE WHEN field.value = 'null';
    IF jsonb_typeof(field.value) <> field.type OR field.name = 'rating' AND (field.value #>> '{}')::numeric NOT IN (1, 2, 3, 4, 5) THEN
      RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('"%s" of the feedback is not valid', field.key),
        HINT = CASE field.name WHEN 'rating' THEN 'It must be a whole number between 1 and 5.' ELSE format('It must be a JSON %s.', field.type) END;
    END IF;
    taken := taken || jsonb_build_object(field.name, field.value);
  END LOOP;
  RETURN @extschema@.trainer_collect_feedback(response_id, taken ->> 'type', taken ->> 'edited_text', (taken ->> 'rating')::numeric::integer,
    (taken ->> 'tone_match')::boolean, (taken ->> 'humor_effectiveness')::numeric, coalesce(taken -> 'metadata', '{}'));
END $$;
COMMENT ON FUNCTION @extschema@.trainer_collect_feedback(uuid, jsonb) IS
  'the same from JSON: type, editedText, rating, toneMatch, humorEffectiveness, metadata; snake_case is taken as well';

CREATE FUNCTION @extschema@.trainer_feedback_summary(organization_id uuid, since timestamptz DEFAULT NULL)
RETURNS TABLE (custom_model_id uuid, model_name text, version integer, feedback bigint, approved bigint, rejected bigint, edited bigint, regenerated bigint,
  approval_rate numeric, mean_rating numeric, stars bigint[], mean_quality numeric, tone_match_rate numeric, mean_humor numeric)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT f.custom_model_id, m.name::text, m.version, f.feedback, f.approved, f.rejected, f.edited, f.regenerated,
         round(f.approved::numeric / f.feedback, 4), round(f.mean_rating, 2), f.stars, round(f.mean_quality, 4), round(f.tone_match_rate, 4), round(f.mean_humor, 4)
  FROM (SELECT f.custom_model_id, count(*) AS feedback,
               count(*) FILTER (WHERE f.feedback_type = 'approved') AS approved, count(*) FILTER (WHERE f.feedback_type = 'rejected') AS rejected,
               count(*) FILTER (WHERE f.feedback_type = 'edited') AS edited, count(*) FILTER (WHERE f.feedback_type = 'regenerated') AS regenerated,
               avg(f.rating) AS mean_rating, avg(f.quality_score) AS mean_quality, avg(f.tone_match::integer) AS tone_match_rate,
               avg(f.humor_effectiveness) AS mean_humor,
               ARRAY[count(*) FILTER (WHERE f.rating = 1), count(*) FILTER (WHERE f.rating = 2), count(*) FILTER (WHERE f.rating = 3),
                     count(*) FILTER (WHERE f.rating = 4), count(*) FILTER (WHERE f.rating = 5)] AS stars
        FROM @extschema@.model_feedback AS f WHERE f.organization_id = $1 AND ($2 IS NULL OR f.created_at >= $2)
        GROUP BY f.custom_model_id) AS f
  LEFT JOIN @extschema@.custom_models AS m ON m.id = f.custom_model_id
  ORDER BY m.version NULLS FIRST
$$;
COMMENT ON FUNCTION @extschema@.trainer_feedback_summary(uuid, timestamptz) IS
  'what an organization''s feedback says of each model: counts by type, approval rate, mean rating, how many of one to five stars; null: the base model';
