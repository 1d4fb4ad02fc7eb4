-- Notifications: which events somebody should hear of, in which words; what was heard; and where they are sent (src/pg/notifications.cpp).

-- A kind is one line: {model} is the event's model, any other name a member of its detail.
CREATE FUNCTION @extschema@.trainer_notification_kinds(OUT kind text, OUT sentence text)
RETURNS SETOF record
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  VALUES
    ('training_succeeded', 'The training of {model} has succeeded.'),
    ('training_failed', 'The training of {model} has failed ({code}): {message}'),
    ('training_cancelled', 'The training of {model} was cancelled.'),
    ('model_unavailable', '{model} was trained and does not answer ({code}): {message}'),
    ('model_deployed', '{model} serves from now on.'),
    ('model_rolled_back', '{model} serves no more, and what served before it does: {reason}'),
    ('ab_test_completed', 'The A/B test of {model} is complete ({reason}); the better one: {decision}'),
    ('ab_test_stopped', 'The A/B test of {model} was stopped: {reason}'),
    ('rollout_promoted', 'The rollout of {model} has reached its last step: {reason}'),
    ('rollout_rolled_back', 'The rollout of {model} was taken back: {reason}'),
    ('rollout_held', 'The rollout of {model} is held: {reason}'),
    ('retraining_training', '{model} is being trained anew: {reason}'),
    ('retraining_refused', '{model} is not trained anew: {reason}'),
    ('retraining_deployed', '{model} has proved itself beside the version that served: {reason}'),
    ('retraining_held_back', '{model} has not proved itself beside the version that serves: {reason}'),
    ('drift', 'The stream {stream} of {model} has drifted.'),
    ('budget_warning', 'Of the budget of {limit_cents} cents ({scope}, {period}) {used_cents} are used.'),
    ('webhook_disabled', 'The webhook is disabled, since its endpoint says that it is gone.')
$$;
COMMENT ON FUNCTION @extschema@.trainer_notification_kinds() IS 'the kinds of events that become notifications, and the sentence of each';

CREATE FUNCTION @extschema@.trainer_notification_sentence(sentence text, facts jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  -- In one pass: what a fact says is never taken for a name.
  SELECT string_agg(concat(part[1], CASE WHEN part[2] IS NOT NULL THEN coalesce($2 ->> part[2], 'unknown') END), '' ORDER BY place)
  FROM regexp_matches($1, '([^{]*)(?:\{(\w+)\})?', 'g') WITH ORDINALITY AS m (part, place)
$$;
COMMENT ON FUNCTION @extschema@.trainer_notification_sentence(text, jsonb) IS 'a sentence with its facts filled in';

CREATE FUNCTION @extschema@.trainer_add_notification(event bigint) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO @extschema@.trainer_notifications (id, organization_id, payload)
    SELECT e.id, e.organization_id, jsonb_build_object(
      'kind', e.kind, 'event', e.id, 'at', e.created_at, 'organization_id', e.organization_id,
      'model', CASE WHEN m.id IS NOT NULL THEN jsonb_build_object('id', m.id, 'name', m.name, 'version', m.version) END,
      'message', @extschema@.trainer_notification_sentence(k.sentence, e.detail || jsonb_build_object(
        'model', CASE WHEN m.id IS NOT NULL THEN format('"%s" (version %s)', m.name, m.version) ELSE 'the base model' END)),
      'detail', e.detail)
    FROM @extschema@.trainer_event_log AS e
    JOIN @extschema@.trainer_notification_kinds() AS k ON k.kind = e.kind
    LEFT JOIN @extschema@.custom_models AS m ON m.organization_id = e.organization_id AND m.id = e.custom_model_id
    WHERE e.id = $1;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  -- An organization's own webhook stands in the place of the one for all, whatever it says.
  INSERT INTO @extschema@.trainer_webhook_deliveries (notification_id, webhook_id)
    SELECT n.id, w.id
    FROM @extschema@.trainer_notifications AS n
    CROSS JOIN LATERAL (SELECT w.* FROM @extschema@.trainer_webhooks AS w
                        WHERE w.organization_id = n.organization_id OR w.organization_id IS NULL ORDER BY w.organization_id IS NULL LIMIT 1) AS w
    WHERE n.id = $1 AND w.enabled AND (w.kinds IS NULL OR n.payload ->> 'kind' = ANY (w.kinds));
  IF FOUND THEN
    PERFORM @extschema@.trainer_wake_worker();
  END IF;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_add_notification(bigint) IS
  'the notification of an event, where its kind is one that somebody should hear of, and its way to a webhook, where there is one';

-- One by one, and not up to an id: an event with a lower one may be committed later.
CREATE FUNCTION @extschema@.trainer_acknowledge_notification(VARIADIC notification_ids bigint[]) RETURNS integer
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH heard AS (
    UPDATE @extschema@.trainer_notifications AS n SET acknowledged_at = now() WHERE n.id = ANY ($1) AND n.acknowledged_at IS NULL RETURNING 1)
  SELECT count(*)::integer FROM heard
$$;
COMMENT ON FUNCTION @extschema@.trainer_acknowledge_notification(bigint[]) IS 'says that notifications have been heard; of how many that is new';

CREATE FUNCTION @extschema@.trainer_webhook_problem(url text) RETURNS text
LANGUAGE c VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_webhook_problem(text) IS
  'why nothing can be sent to a URL: a host that trainer.webhook_allowed_hosts does not have, a secret that cannot be read; null when it can';

CREATE FUNCTION @extschema@.trainer_set_webhook(url text, organization_id uuid DEFAULT NULL, kinds text[] DEFAULT NULL)
RETURNS @extschema@.trainer_webhooks
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  problem text := CASE WHEN $1 IS NULL THEN 'The URL is null.' ELSE @extschema@.trainer_webhook_problem($1) END;
  unknown text := (SELECT string_agg(coalesce(quote_literal(w.kind), 'NULL'), ', ') FROM unnest($3) AS w (kind)
                   WHERE NOT EXISTS (SELECT FROM @extschema@.trainer_notification_kinds() AS k WHERE k.kind = w.kind));
  made @extschema@.trainer_webhooks;
BEGIN
  IF problem IS NOT NULL THEN
    RAISE EXCEPTION 'cannot send notifications to this URL'
      USING ERRCODE = 'invalid_parameter_value', DETAIL = problem,
            HINT = 'A superuser lists the hosts in trainer.webhook_allowed_hosts, and names the file of the secret in trainer.webhook_secret_file. '
              'DELETE FROM trainer_webhooks takes a webhook away.';
  END IF;
  IF unknown IS NOT NULL THEN
    RAISE EXCEPTION 'there are no notifications of kind %', unknown
      USING ERRCODE = 'invalid_parameter_value', HINT = 'The kinds are listed by SELECT kind FROM trainer_notification_kinds().';
  END IF;
  INSERT INTO @extschema@.trainer_webhooks AS w (organization_id, url, kinds) VALUES ($2, $1, $3)
    ON CONFLICT ((coalesce(organization_id, '00000000-0000-0000-0000-000000000000')))
    DO UPDATE SET url = excluded.url, kinds = excluded.kinds, enabled = true, disabled_because = NULL, free_at = now(), failures = 0
    RETURNING * INTO made;
  PERFORM @extschema@.trainer_call_worker();
  RETURN made;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_set_webhook(text, uuid, text[]) IS
  'has notifications from now on sent to a URL: those of an organization, or (null) of every one that has no webhook of its own; kinds null: all';

-- Set again, a webhook is told what happens from then on: what waited meanwhile is of the past, and in the rows.
CREATE FUNCTION @extschema@.trainer_cancel_messages() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  UPDATE @extschema@.trainer_webhook_deliveries AS d
    SET state = 'cancelled', finished_at = now(), last_error = coalesce(NEW.disabled_because, 'The webhook was disabled.')
    WHERE d.webhook_id = NEW.id AND d.state IN ('ready', 'sending');
  -- A try that is under way is of a message that is cancelled, and would not say when the next one may be sent.
  UPDATE @extschema@.trainer_webhooks AS w SET free_at = now(), failures = 0 WHERE w.id = NEW.id AND w.enabled;
  RETURN NULL;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_cancel_messages() IS 'cancels what a webhook that is disabled has yet to send; enabled again, it begins anew';

CREATE FUNCTION @extschema@.trainer_check_webhooks()
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT 'webhooks', f.problems IS NULL,
         coalesce(f.problems, CASE f.webhooks WHEN 0 THEN 'there is none' ELSE format('webhooks: %s, nothing is known against them', f.webhooks) END),
         CASE WHEN f.problems IS NOT NULL THEN 'See trainer.webhook_allowed_hosts, trainer.webhook_secret_file and trainer_webhook_deliveries.last_error; '
           'trainer_set_webhook() enables one again.' END
  FROM (SELECT count(*) AS webhooks, string_agg(coalesce('organization ' || w.organization_id, 'every organization') || ': ' || p.problem, ' ' ORDER BY w.organization_id) AS problems
        FROM @extschema@.trainer_webhooks AS w
        CROSS JOIN LATERAL (SELECT CASE WHEN NOT w.enabled THEN coalesce(w.disabled_because, 'disabled') || '.'
                                        ELSE coalesce(@extschema@.trainer_webhook_problem(w.url), CASE WHEN w.failures > 0 THEN format('no answer, %s times in a row.', w.failures) END)
                                   END AS problem) AS p) AS f
$$;
COMMENT ON FUNCTION @extschema@.trainer_check_webhooks() IS 'the row of trainer_check() about webhooks';
