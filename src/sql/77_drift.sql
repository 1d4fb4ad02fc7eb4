-- Drift: are scores, approvals and comments still what they were when the model was put to serve? The worker looks (src/pg/drift.cpp), as the role that
-- attached the app's tables. What a look sees follows from rows and from how far the last one came: a look that is lost is made again, and two at a time
-- write one result. docs/experiments.md tells what each stream means.

-- A reference is of a week at least, since Mondays are not Sundays, and of 300 units; a window of the inputs of a day and 300 comments. What is younger than
-- an hour may not have been committed; scores and verdicts have a day to come.
CREATE FUNCTION @extschema@.trainer_drift_limits(
  OUT least_units integer, OUT reference_time interval, OUT window_time interval, OUT lag interval, OUT outcome_window interval, OUT most_comments integer,
  OUT alpha double precision)
RETURNS record
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  -- A false alarm in 1,000 windows, by any of the three streams of inputs.
  SELECT 300, interval '7 days', interval '1 day', interval '1 hour', interval '24 hours', 1000, 0.001 / 3
$$;
COMMENT ON FUNCTION @extschema@.trainer_drift_limits() IS 'the least and the most that a drift is judged by';

-- tolerance: a change of the mean that is none. worse: the side on which a change is a regression of the model. Times and errors that fall are no drift: is_one_sided.
CREATE FUNCTION @extschema@.trainer_drift_stream_list(
  OUT stream text, OUT place integer, OUT tolerance double precision, OUT worse text, OUT is_one_sided boolean)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  VALUES ('quality_score', 1, 0.02::double precision, 'drop', false), ('user_approval', 2, 0.03, 'drop', false), ('response_time_ms', 3, 0.02, 'rise', true),
         ('errors', 4, 0.02, 'rise', true), ('input_length', 5, NULL, NULL, NULL), ('platform_mix', 6, NULL, NULL, NULL), ('input_vocabulary', 7, NULL, NULL, NULL)
$$;
COMMENT ON FUNCTION @extschema@.trainer_drift_stream_list() IS 'the streams of an organization, and what a change of each is';

CREATE FUNCTION @extschema@.trainer_score_drift(
  n bigint, total double precision, squares double precision, tolerance double precision, outcomes double precision[], INOUT masses double precision[],
  OUT fall double precision, OUT rise double precision, OUT threshold double precision)
RETURNS record
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_score_drift(bigint, double precision, double precision, double precision, double precision[], double precision[]) IS
  'has the mean of values from 0 to 1 left that of a reference? By n, sum and squares of the reference, outcomes in their order, and the masses after those before ({} at first): a change when one of the two reaches the threshold';

CREATE FUNCTION @extschema@.trainer_category_drift(
  reference bigint[], current bigint[], alpha double precision DEFAULT 0.001, OUT statistic double precision, OUT threshold double precision,
  OUT p_value double precision, OUT drifted boolean)
RETURNS record
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_category_drift(bigint[], bigint[], double precision) IS
  'the population stability index of two windows by their counts per category, what it must exceed to be more than chance and more than 0.1, and Pearson''s p';

CREATE FUNCTION @extschema@.trainer_word_set(content text) RETURNS bytea
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_word_set(text) IS 'the words of a text as 256 bits: each word sets one';

CREATE FUNCTION @extschema@.trainer_vocabulary_drift(
  reference bytea, current bytea, alpha double precision DEFAULT 0.001, seed bigint DEFAULT 0, OUT statistic double precision, OUT threshold double precision,
  OUT drifted boolean)
RETURNS record
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_vocabulary_drift(bytea, bytea, double precision, bigint) IS
  'do two windows, each the word sets of its texts in a row, use the same words? The statistic is one by how often texts that are dealt out at random differ as much';

-- Every reply after the last one that was seen, in their order. Scores and verdicts are of those that became a response; a reply that nobody judged within a day
-- says nothing, since a weekend without reviewers would look like a bad model. A reply is slow when it took longer than 95 in 100 of the reference did, and an
-- error when another one had to answer for the model that serves.
CREATE FUNCTION @extschema@.trainer_drift_units(seen @extschema@.trainer_drift_streams, most integer DEFAULT 5000)
RETURNS TABLE (created_at timestamptz, id uuid, value double precision)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  b jsonb;
  counts text := 'g.custom_model_id IS NOT DISTINCT FROM $2 AND NOT g.withheld AND g.response_id IS NOT NULL';
  value text;
BEGIN
  CASE seen.stream
    WHEN 'quality_score' THEN
      b := @extschema@.trainer_bound_tables();
      value := CASE WHEN b ? 'quality'
        THEN format('(SELECT max(q.%1$I::numeric) FROM %2$s AS q WHERE q.%3$I = g.response_id AND q.%1$I BETWEEN 0 AND 1)',
                    b #>> '{quality,columns,rqc_score}', b #>> '{quality,relation}', b #>> '{quality,columns,response_id}')
        ELSE '(SELECT max(f.quality_score) FROM @extschema@.model_feedback AS f WHERE f.organization_id = $1 AND f.response_id = g.response_id)' END;
    WHEN 'user_approval' THEN
      value := $value$(SELECT max((f.feedback_type = 'approved')::integer) FROM @extschema@.model_feedback AS f
        WHERE f.organization_id = $1 AND f.response_id = g.response_id AND f.feedback_type IN ('approved', 'rejected', 'edited', 'regenerated')
          AND f.created_at < g.created_at + $6)$value$;
    WHEN 'response_time_ms' THEN
      counts := 'g.custom_model_id IS NOT DISTINCT FROM $2 AND NOT g.withheld';
      value := CASE WHEN seen.reference IS NULL THEN '0' ELSE format('(g.response_time_ms > %L::double precision)::integer', seen.reference ->> 'p95') END;
    WHEN 'errors' THEN
      counts := format('g.experiment_id IS NULL AND (g.custom_model_id = $2 OR g.reason ~ %L)',
                       (SELECT '(^|; )' || m.kind || ': ' FROM @extschema@.custom_models AS m WHERE m.id = seen.custom_model_id));
      value := '(g.custom_model_id IS DISTINCT FROM $2)::integer';
  END CASE;
  RETURN QUERY EXECUTE format($query$
    SELECT g.created_at, g.id, CASE WHEN %s THEN %s::double precision END
    FROM (SELECT r.* FROM @extschema@.trainer_generations AS r
          WHERE r.organization_id = $1 AND (r.created_at, r.id) > ($3, $4) AND r.created_at <= now() - $5 ORDER BY r.created_at, r.id LIMIT $7) AS g
    ORDER BY g.created_at, g.id $query$, counts, value)
    USING seen.organization_id, seen.custom_model_id, seen.seen_at, seen.seen_id,
          (SELECT CASE WHEN seen.stream IN ('user_approval', 'quality_score') THEN l.outcome_window ELSE l.lag END FROM @extschema@.trainer_drift_limits() AS l),
          (SELECT l.outcome_window FROM @extschema@.trainer_drift_limits() AS l), most;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_drift_units(@extschema@.trainer_drift_streams, integer) IS
  'what the next replies of a stream of scores or approvals came to; null: does not count';

-- Of the comments that replies were asked for in a window no more than 1,000, chosen by their ids.
CREATE FUNCTION @extschema@.trainer_drift_inputs(organization_id uuid, after timestamptz, until timestamptz)
RETURNS TABLE (place bigint, content text, platform text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  b jsonb := @extschema@.trainer_bound_tables();
  chosen uuid[] := ARRAY(
    SELECT g.comment_id FROM @extschema@.trainer_generations AS g WHERE g.organization_id = $1 AND g.created_at > $2 AND g.created_at <= $3
    GROUP BY g.comment_id ORDER BY md5(g.comment_id::text) LIMIT (SELECT l.most_comments FROM @extschema@.trainer_drift_limits() AS l));
BEGIN
  -- A comment that is longer than 100,000 characters is long, whatever comes then.
  RETURN QUERY EXECUTE format(
    'SELECT s.place, left(c.%1$I::text, 100000), %2$s FROM unnest($2) WITH ORDINALITY AS s (id, place) JOIN %3$s AS c ON c.%4$I = s.id AND c.%5$I = $1 '
    'WHERE c.%1$I IS NOT NULL',
    b #>> '{comments,columns,original_text}',
    CASE WHEN b #>> '{comments,columns,platform}' IS NULL THEN 'NULL::text' ELSE format('left(c.%I::text, 64)', b #>> '{comments,columns,platform}') END,
    b #>> '{comments,relation}', b #>> '{comments,columns,id}', b #>> '{comments,columns,organization_id}') USING $1, chosen;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_drift_inputs(uuid, timestamptz, timestamptz) IS
  'comments of the app that replies were asked for in a window, the same ones each time';

CREATE FUNCTION @extschema@.trainer_drift_window_end(organization_id uuid, after timestamptz, shortest interval) RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT greatest($2 + $3, enough.at)
  FROM @extschema@.trainer_drift_limits() AS l
  CROSS JOIN LATERAL (
    SELECT min(g.created_at) AS at FROM @extschema@.trainer_generations AS g
    WHERE $2 + $3 <= now() - l.lag AND g.organization_id = $1 AND g.created_at > $2 AND g.created_at <= now() - l.lag
    GROUP BY g.comment_id ORDER BY 1 OFFSET l.least_units - 1 LIMIT 1) AS enough
$$;
COMMENT ON FUNCTION @extschema@.trainer_drift_window_end(uuid, timestamptz, interval) IS
  'when a window of inputs has been long enough and has 300 comments; null: it is not over';

-- What a deployment leaves behind, and what is accepted, is no reference any more. Of the past a month is looked at.
CREATE FUNCTION @extschema@.trainer_begin_drift_streams(organization_id uuid, begins_at timestamptz) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  DELETE FROM @extschema@.trainer_drift_streams AS d WHERE d.organization_id = $1;
  INSERT INTO @extschema@.trainer_drift_streams (organization_id, stream, custom_model_id, serving_since, begins_at, seen_at)
    SELECT $1, s.stream, m.id, m.serving_since, t.at, t.at
    FROM @extschema@.trainer_drift_stream_list() AS s
    LEFT JOIN @extschema@.custom_models AS m ON m.organization_id = $1 AND m.is_active
    CROSS JOIN LATERAL (SELECT greatest($2, now() - interval '30 days') AS at) AS t
    ON CONFLICT DO NOTHING;
$$;
COMMENT ON FUNCTION @extschema@.trainer_begin_drift_streams(uuid, timestamptz) IS 'begins a new reference of each stream, by the model that serves now';

CREATE FUNCTION @extschema@.trainer_roll_back_regression(drifted @extschema@.trainer_drift_streams) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  previous @extschema@.custom_models;
BEGIN
  IF NOT current_setting('trainer.rollback_on_regression')::boolean THEN
    RETURN false;
  END IF;
  PERFORM FROM @extschema@.custom_models AS m
    WHERE m.organization_id = drifted.organization_id AND m.id = drifted.custom_model_id AND m.is_active AND m.serving_since IS NOT DISTINCT FROM drifted.serving_since FOR UPDATE;
  -- What serves by now may be another one, and an experiment may have begun. And what makes two versions worse within a day is not the version.
  IF NOT FOUND
     OR @extschema@.trainer_lock_experiments(drifted.organization_id) IS NOT NULL
     OR EXISTS (SELECT FROM @extschema@.trainer_event_log AS e
                WHERE e.organization_id = drifted.organization_id AND e.kind = 'regression_rolled_back' AND e.created_at > clock_timestamp() - interval '1 day') THEN
    RETURN false;
  END IF;
  previous := @extschema@.trainer_rollback_model(drifted.organization_id, 'regression of ' || drifted.stream);
  PERFORM @extschema@.trainer_log_event(drifted.organization_id, drifted.custom_model_id, 'regression_rolled_back',
    jsonb_build_object('stream', drifted.stream, 'reference', drifted.reference, 'current', drifted.current, 'serving', previous.id));
  RETURN true;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_roll_back_regression(@extschema@.trainer_drift_streams) IS
  'goes back to the model that served before one that has become worse: true when it did. Not where trainer.rollback_on_regression is off, and once a day at most';

-- Once a drift: whoever is second finds it written. A retraining is considered where retraining is on at all, and goes by all other rules.
CREATE FUNCTION @extschema@.trainer_tell_drift(drifted @extschema@.trainer_drift_streams) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM @extschema@.trainer_log_event(drifted.organization_id, drifted.custom_model_id, 'drift', jsonb_build_object('stream', drifted.stream,
    'reference', drifted.reference, 'current', drifted.current, 'statistic', drifted.statistic, 'threshold', drifted.threshold,
    'regression', drifted.is_worse));
  -- What serves from now on is not what drifted.
  IF drifted.is_worse AND @extschema@.trainer_roll_back_regression(drifted) THEN
    RETURN;
  END IF;
  IF current_setting('trainer.retrain_threshold')::integer > 0 THEN
    INSERT INTO @extschema@.trainer_retraining_decisions (organization_id, custom_model_id, feedback, reason, drift)
      SELECT m.organization_id, m.id, coalesce(c.feedback, 0), 'drift of ' || drifted.stream, drifted.stream
      FROM @extschema@.custom_models AS m
      LEFT JOIN @extschema@.trainer_count_feedback(m.organization_id) AS c ON c.custom_model_id = m.id
      WHERE m.organization_id = drifted.organization_id AND m.id = drifted.custom_model_id AND m.is_active
      ON CONFLICT DO NOTHING;
  END IF;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_tell_drift(@extschema@.trainer_drift_streams) IS
  'tells of a stream that has drifted, and has a retraining of the model that serves considered';

CREATE FUNCTION @extschema@.trainer_slow_reference(seen @extschema@.trainer_drift_streams) RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT jsonb_build_object('p95', round(percentile_cont(0.95) WITHIN GROUP (ORDER BY g.response_time_ms)::numeric))
  FROM @extschema@.trainer_generations AS g
  WHERE g.organization_id = seen.organization_id AND g.custom_model_id IS NOT DISTINCT FROM seen.custom_model_id AND NOT g.withheld
    AND g.created_at > seen.begins_at AND (g.created_at, g.id) <= (seen.seen_at, seen.seen_id)
$$;
COMMENT ON FUNCTION @extschema@.trainer_slow_reference(@extschema@.trainer_drift_streams) IS 'the milliseconds that 95 of 100 replies of the reference did not need';

-- A batch at a time: first the reference, then what came after it.
CREATE FUNCTION @extschema@.trainer_look_at_scores(seen @extschema@.trainer_drift_streams) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
  limits record := @extschema@.trainer_drift_limits();
  judgement record := (SELECT l FROM @extschema@.trainer_drift_stream_list() AS l WHERE l.stream = seen.stream);
  batch record;
  judged record;
  result @extschema@.trainer_drift_streams := seen;
BEGIN
  WITH unit AS MATERIALIZED (
    SELECT u.*, row_number() OVER w AS place, count(u.value) OVER w AS units FROM @extschema@.trainer_drift_units(seen) AS u
    WINDOW w AS (ORDER BY u.created_at, u.id)),
  taken AS (
    -- The reference ends with the unit that makes it whole.
    SELECT * FROM unit AS u
    WHERE seen.reference IS NOT NULL OR u.place <= coalesce(
      (SELECT min(w.place) FROM unit AS w WHERE seen.n + w.units >= limits.least_units AND w.created_at >= seen.begins_at + limits.reference_time), u.place))
  SELECT max(t.created_at) AS at, (array_agg(t.id ORDER BY t.place DESC))[1] AS id, count(t.value) AS n, coalesce(sum(t.value), 0) AS total,
         coalesce(sum(t.value * t.value), 0) AS squares, coalesce(array_agg(t.value ORDER BY t.place) FILTER (WHERE t.value IS NOT NULL), '{}') AS outcomes
    INTO batch FROM taken AS t;
  IF batch.at IS NULL THEN
    RETURN false;
  END IF;
  result.seen_at := batch.at;
  result.seen_id := batch.id;
  IF seen.reference IS NULL THEN
    result.n := seen.n + batch.n;
    result.total := seen.total + batch.total;
    result.squares := seen.squares + batch.squares;
    IF result.n >= limits.least_units AND result.seen_at >= seen.begins_at + limits.reference_time THEN
      IF seen.stream = 'response_time_ms' THEN
        result.reference := @extschema@.trainer_slow_reference(result);
        result.total := result.n * 0.05;
        result.squares := result.total;
      END IF;
      result.reference := coalesce(result.reference, '{}') || jsonb_build_object('n', result.n, 'mean', round((result.total / result.n)::numeric, 4));
    END IF;
  ELSIF batch.n > 0 THEN
    judged := @extschema@.trainer_score_drift(seen.n, seen.total, seen.squares, judgement.tolerance, batch.outcomes, seen.masses);
    result.masses := judged.masses;
    result.statistic := CASE WHEN judgement.is_one_sided THEN judged.rise ELSE greatest(judged.fall, judged.rise) END;
    result.is_worse := seen.custom_model_id IS NOT NULL AND CASE judgement.worse WHEN 'drop' THEN judged.fall ELSE judged.rise END >= judged.threshold;
    result.threshold := judged.threshold;
    result.recent := (seen.recent || batch.outcomes)[greatest(1, cardinality(seen.recent) + cardinality(batch.outcomes) - 199):];
    result.current := (SELECT jsonb_build_object('n', count(*), 'mean', round(avg(r)::numeric, 4)) FROM unnest(result.recent) AS r);
    result.since := coalesce(seen.since, CASE WHEN result.statistic >= judged.threshold THEN clock_timestamp() END);
  END IF;
  RETURN @extschema@.trainer_write_drift_stream(seen, result);
END $$;
COMMENT ON FUNCTION @extschema@.trainer_look_at_scores(@extschema@.trainer_drift_streams) IS
  'goes on with a stream of scores or approvals: true when it is seen to have drifted now';

-- What somebody else has seen or begun anew meanwhile stands.
CREATE FUNCTION @extschema@.trainer_write_drift_stream(seen @extschema@.trainer_drift_streams, result @extschema@.trainer_drift_streams) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE @extschema@.trainer_drift_streams AS d
    SET begins_at = result.begins_at, seen_at = result.seen_at, seen_id = result.seen_id, n = result.n, total = result.total, squares = result.squares, masses = result.masses,
        recent = result.recent, words = result.words, reference = result.reference, current = result.current, statistic = result.statistic, threshold = result.threshold,
        is_worse = result.is_worse, since = result.since
    WHERE d.organization_id = seen.organization_id AND d.stream = seen.stream AND d.seen_at = seen.seen_at AND d.seen_id = seen.seen_id AND d.begins_at = seen.begins_at;
  IF NOT FOUND OR seen.since IS NOT NULL OR result.since IS NULL THEN
    RETURN false;
  END IF;
  PERFORM @extschema@.trainer_tell_drift(result);
  RETURN true;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_write_drift_stream(@extschema@.trainer_drift_streams, @extschema@.trainer_drift_streams) IS
  'writes down what a look has seen, unless another one was first, and tells of a drift: true when there was one to tell of';

CREATE FUNCTION @extschema@.trainer_compare_inputs(
  seen @extschema@.trainer_drift_streams, cells jsonb, words bytea, OUT statistic double precision, OUT threshold double precision, OUT drifted boolean)
RETURNS record
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  alpha double precision := (SELECT l.alpha FROM @extschema@.trainer_drift_limits() AS l);
BEGIN
  IF seen.stream = 'input_vocabulary' THEN
    -- The window's own seed: a second look gives the same.
    SELECT d.statistic, d.threshold, d.drifted INTO statistic, threshold, drifted
      FROM @extschema@.trainer_vocabulary_drift(seen.words, words, alpha, (extract(epoch FROM seen.seen_at) * 1000000)::bigint) AS d;
  ELSE
    SELECT d.statistic, d.threshold, d.drifted INTO statistic, threshold, drifted
      FROM (SELECT array_agg(coalesce((seen.reference #>> ARRAY['counts', key])::bigint, 0) ORDER BY key COLLATE "C") AS reference,
                   array_agg(coalesce((cells ->> key)::bigint, 0) ORDER BY key COLLATE "C") AS current
            FROM (SELECT jsonb_object_keys(seen.reference -> 'counts') UNION SELECT jsonb_object_keys(cells)) AS cell (key)) AS c
      CROSS JOIN LATERAL @extschema@.trainer_category_drift(c.reference, c.current, alpha) AS d;
  END IF;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_compare_inputs(@extschema@.trainer_drift_streams, jsonb, bytea) IS 'a window of inputs beside the reference of its stream';

-- A window at a time; the three streams of inputs go together.
CREATE FUNCTION @extschema@.trainer_look_at_inputs(organization_id uuid) RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
  limits record := @extschema@.trainer_drift_limits();
  seen @extschema@.trainer_drift_streams;
  result @extschema@.trainer_drift_streams;
  until timestamptz;
  inputs record;
  cells jsonb;
  judged record;
  told bigint := 0;
BEGIN
  SELECT d.* INTO seen FROM @extschema@.trainer_drift_streams AS d WHERE d.organization_id = $1 AND d.stream = 'input_length';
  until := @extschema@.trainer_drift_window_end($1, seen.seen_at, CASE WHEN seen.reference IS NULL THEN limits.reference_time ELSE limits.window_time END);
  IF until IS NULL OR until > now() - limits.lag THEN
    RETURN 0;
  END IF;
  WITH comment AS MATERIALIZED (
    SELECT i.place, i.content, coalesce(i.platform, '') AS platform,
           -- The bin of core/stats: floor(log2(1 + characters)), by the least length that is in it.
           (ARRAY['0', '1', '3', '7', '15', '31', '63', '127', '255', '511', '1023', '2047', '4095', '8191', '16383', '32767', '65535'])
             [1 + width_bucket(length(i.content), '{1,3,7,15,31,63,127,255,511,1023,2047,4095,8191,16383,32767,65535}'::integer[])] AS bin
    FROM @extschema@.trainer_drift_inputs($1, seen.seen_at, until) AS i)
  SELECT count(*) AS n, string_agg(@extschema@.trainer_word_set(c.content), '' ORDER BY c.place) AS words,
         (SELECT jsonb_object_agg(l.bin, l.n) FROM (SELECT c.bin, count(*) AS n FROM comment AS c GROUP BY 1) AS l) AS lengths,
         (SELECT jsonb_object_agg(p.platform, p.n) FROM (SELECT c.platform, count(*) AS n FROM comment AS c GROUP BY 1) AS p) AS platforms
    INTO inputs FROM comment AS c;
  FOR seen IN SELECT d.* FROM @extschema@.trainer_drift_streams AS d
              WHERE d.organization_id = $1 AND d.stream IN ('input_length', 'platform_mix', 'input_vocabulary') ORDER BY d.stream LOOP
    result := seen;
    result.seen_at := until;
    cells := CASE seen.stream WHEN 'input_length' THEN inputs.lengths WHEN 'platform_mix' THEN inputs.platforms END;
    IF inputs.n < limits.least_units THEN
      -- The app has deleted too many of them: of such a window nothing is said, and a reference begins after it.
      result.statistic := NULL;
      result.threshold := NULL;
      result.begins_at := CASE WHEN seen.reference IS NULL THEN until ELSE seen.begins_at END;
    ELSIF seen.reference IS NULL THEN
      result.reference := jsonb_strip_nulls(jsonb_build_object('n', inputs.n, 'counts', cells));
      result.words := CASE WHEN seen.stream = 'input_vocabulary' THEN inputs.words END;
    ELSE
      judged := @extschema@.trainer_compare_inputs(seen, cells, inputs.words);
      result.current := jsonb_strip_nulls(jsonb_build_object('n', inputs.n, 'counts', cells));
      result.statistic := judged.statistic;
      result.threshold := judged.threshold;
      result.since := coalesce(seen.since, CASE WHEN judged.drifted THEN clock_timestamp() END);
    END IF;
    told := told + @extschema@.trainer_write_drift_stream(seen, result)::integer;
  END LOOP;
  RETURN told;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_look_at_inputs(uuid) IS
  'goes on with the comments that replies were asked for, when a window of them is over: how many streams are seen to have drifted now';

CREATE FUNCTION @extschema@.trainer_look_at_drift(organization_id uuid) RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
  serving @extschema@.custom_models;
  known @extschema@.trainer_drift_streams;
  stream @extschema@.trainer_drift_streams;
  told bigint := 0;
BEGIN
  SELECT m.* INTO serving FROM @extschema@.custom_models AS m WHERE m.organization_id = $1 AND m.is_active;
  SELECT d.* INTO known FROM @extschema@.trainer_drift_streams AS d WHERE d.organization_id = $1 LIMIT 1;
  IF known.organization_id IS NULL OR (known.custom_model_id, known.serving_since) IS DISTINCT FROM (serving.id, serving.serving_since) THEN
    -- The base model serves from the first reply on, or from when no other did any more.
    PERFORM @extschema@.trainer_begin_drift_streams($1, coalesce(serving.serving_since, serving.deployed_at, CASE WHEN known.organization_id IS NOT NULL THEN now() END,
      (SELECT min(g.created_at) - interval '1 microsecond' FROM @extschema@.trainer_generations AS g WHERE g.organization_id = $1)));
  END IF;
  -- While an experiment runs, two models are compared by it at the same time, which is better than with the past: what they did is looked at when it has ended.
  IF @extschema@.trainer_running_experiment($1) IS NULL THEN
    FOR stream IN SELECT d.* FROM @extschema@.trainer_drift_streams AS d JOIN @extschema@.trainer_drift_stream_list() AS l ON l.stream = d.stream
                  WHERE d.organization_id = $1 AND l.tolerance IS NOT NULL ORDER BY l.place LOOP
      told := told + @extschema@.trainer_look_at_scores(stream)::integer;
    END LOOP;
  END IF;
  RETURN told + @extschema@.trainer_look_at_inputs($1);
END $$;
COMMENT ON FUNCTION @extschema@.trainer_look_at_drift(uuid) IS
  'looks at an organization''s streams as the worker does, a batch of each, and tells of a drift: how many there were to tell of';

CREATE FUNCTION @extschema@.trainer_drift_report(
  organization_id uuid, OUT stream text, OUT reference jsonb, OUT current jsonb, OUT statistic double precision, OUT threshold double precision,
  OUT drifted boolean, OUT since timestamptz)
RETURNS SETOF record
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT s.stream, d.reference, d.current, d.statistic, d.threshold, d.since IS NOT NULL, d.since
  FROM @extschema@.trainer_drift_stream_list() AS s
  LEFT JOIN @extschema@.custom_models AS m ON m.organization_id = $1 AND m.is_active
  LEFT JOIN @extschema@.trainer_drift_streams AS d
    ON d.organization_id = $1 AND d.stream = s.stream AND (d.custom_model_id, d.serving_since) IS NOT DISTINCT FROM (m.id, m.serving_since)
  ORDER BY s.place
$$;
COMMENT ON FUNCTION @extschema@.trainer_drift_report(uuid) IS
  'what scores, approvals and comments of an organization were when its model was put to serve, what they are, and whether they have drifted; a statistic of null says that there is too little to say';

CREATE FUNCTION @extschema@.trainer_accept_drift(
  organization_id uuid, OUT stream text, OUT reference jsonb, OUT current jsonb, OUT statistic double precision, OUT threshold double precision,
  OUT drifted boolean, OUT since timestamptz)
RETURNS SETOF record
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
  PERFORM @extschema@.trainer_begin_drift_streams($1, clock_timestamp());
  PERFORM @extschema@.trainer_log_event($1, NULL, 'drift_accepted', '{}');
  RETURN QUERY SELECT r.* FROM @extschema@.trainer_drift_report($1) AS r;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_accept_drift(uuid) IS
  'what comes from now on is the new reference of every stream: a drift is over, and the next one can be told from it';
