-- Feedback: verdicts on responses, attributed to the model that wrote them. Whoever writes needs SELECT on the app's responses; the trigger does the
-- same work for a direct INSERT into model_feedback (src/pg/feedback.cpp).

-- $1 is the organization, $2 the response. Its text and its score: with several the best counts, as for examples; one beyond 0 to 1 is of another scale
-- and says nothing here.
CREATE FUNCTION @extschema@.trainer_feedback_statement() RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  b jsonb;
BEGIN
  IF NOT EXISTS (SELECT FROM @extschema@.trainer_bindings) THEN
    RETURN NULL;
  END IF;
  b := @extschema@.trainer_bound_tables();
  RETURN format('SELECT r.%1$I::text, %2$s FROM %3$s AS r WHERE r.%4$I = $2 AND r.%5$I = $1',
    b #>> '{responses,columns,response_text}',
    (SELECT format('(SELECT max(q.%1$I::numeric)::numeric(3,2) FROM %2$s AS q WHERE q.%3$I = $2 AND q.%1$I BETWEEN 0 AND 1)', t.columns ->> 'rqc_score',
                   b #>> '{quality,relation}', t.columns ->> 'response_id')
     FROM @extschema@.trainer_bindings AS t WHERE t.role = 'quality' AND has_table_privilege(t.relation, 'SELECT')
     UNION ALL SELECT 'NULL::numeric' LIMIT 1),
    b #>> '{responses,relation}', b #>> '{responses,columns,id}', b #>> '{responses,columns,organization_id}');
END $$;
COMMENT ON FUNCTION @extschema@.trainer_feedback_statement() IS
  'the statement that reads text and score of a response; null when nothing is bound, TR008 when the app''s tables no longer fit';

-- It pins the search path itself, and only where it runs SQL: the server's way would take a tenth of the time of an INSERT.
CREATE FUNCTION @extschema@.trainer_complete_feedback() RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_complete_feedback() IS
  'fills in what is known of a response: the model that wrote it, its text and its quality score; refuses one that is not the organization''s own, and values out of range';

CREATE FUNCTION @extschema@.trainer_score_arrived() RETURNS trigger
LANGUAGE c
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_score_arrived() IS 'fills in the scores that arrive in the app''s table after the feedback';

CREATE FUNCTION @extschema@.trainer_response_linked() RETURNS trigger
LANGUAGE c
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_response_linked() IS 'attributes feedback that came before it was known which model wrote the response';

-- A column of the app that says approved or rejected (or true and false), edited or regenerated, by each change. A text that changes together with
-- the approval is an edit.
CREATE FUNCTION @extschema@.trainer_response_judged() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  old_row jsonb := to_jsonb(OLD);
  new_row jsonb := to_jsonb(NEW);
  verdict text := lower(new_row ->> TG_ARGV[0]);
  is_edited boolean := old_row ->> TG_ARGV[3] IS DISTINCT FROM new_row ->> TG_ARGV[3];
BEGIN
  verdict := CASE verdict WHEN 'true' THEN 'approved' WHEN 'false' THEN 'rejected' ELSE verdict END;
  IF verdict = 'approved' AND is_edited THEN
    verdict := 'edited';
  END IF;
  IF verdict NOT IN ('approved', 'rejected', 'edited', 'regenerated') OR verdict = 'edited' AND coalesce(new_row ->> TG_ARGV[3], '') = '' THEN
    RETURN NULL;
  END IF;
  INSERT INTO @extschema@.model_feedback (organization_id, response_id, feedback_type, original_roast, edited_roast, metadata)
    VALUES ((new_row ->> TG_ARGV[2])::uuid, (new_row ->> TG_ARGV[1])::uuid, verdict, old_row ->> TG_ARGV[3],
            CASE WHEN verdict = 'edited' THEN new_row ->> TG_ARGV[3] END, '{"source": "app"}');
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  -- The app's own change is worth more than what we make of it.
  RAISE WARNING USING ERRCODE = SQLSTATE, MESSAGE = format('the verdict on response %s was not counted: %s', new_row ->> TG_ARGV[1], SQLERRM);
  RETURN NULL;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_response_judged() IS
  'turns the app''s own approvals and rejections into feedback, with the rights of whoever changes the response';

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
  BEGIN
    INSERT INTO @extschema@.model_feedback AS f
        (organization_id, response_id, feedback_type, edited_roast, rating, tone_match, humor_effectiveness, metadata)
      VALUES (organization, $1, $2, $3, $4, $5, $6, $7)
      ON CONFLICT (organization_id, (metadata ->> 'idempotency_key')) WHERE metadata ? 'idempotency_key' DO NOTHING
      RETURNING * INTO collected;
  EXCEPTION WHEN insufficient_privilege THEN
    -- The policy's own refusal names the table; whether another organization has the response is nobody's affair.
    IF NOT row_security_active('@extschema@.model_feedback') OR position('"model_feedback"' IN SQLERRM) = 0 THEN
      RAISE;
    END IF;
    RAISE EXCEPTION 'response % does not exist', $1 USING ERRCODE = 'no_data_found';
  END;
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
