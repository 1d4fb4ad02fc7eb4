-- Views for people: all columns together fit a terminal of 120. Ids, what is cut off here and what else there is are in the tables that they show:
-- custom_models, trainer_operations and trainer_event_log. org is how the organization's id begins; it and the version tell which model it is.

CREATE VIEW @extschema@.trainer_progress AS
SELECT left(m.organization_id::text, 8) AS org, @extschema@.trainer_fit(m.name, 11, 3) AS name, m.version, m.status,
       @extschema@.trainer_progress_bar(
         CASE WHEN m.status = 'evaluating' THEN 1
              ELSE coalesce(m.current_step::double precision / nullif(m.total_steps, 0), 0) END, 10) AS progress,
       round(m.training_loss, 4) AS train_loss, to_char(m.estimated_finish, 'YYYY-MM-DD HH24:MI') AS estimated_finish,
       @extschema@.trainer_fit(o.last_error, 18, 5) AS waits_because
FROM @extschema@.custom_models m
LEFT JOIN LATERAL (
  SELECT o.last_error FROM @extschema@.trainer_operations o
  WHERE o.organization_id = m.organization_id AND o.custom_model_id = m.id
    AND o.state IN ('ready', 'sending', 'reconcile', 'checking') AND o.kind NOT IN ('sweep_duplicates', 'delete_file')
  ORDER BY o.due_at LIMIT 1) o ON true
WHERE m.status IN ('pending', 'uploading', 'validating', 'queued', 'running', 'paused', 'evaluating')
ORDER BY m.created_at;
COMMENT ON VIEW @extschema@.trainer_progress IS 'every live job, with a bar; trainer_monitor_training() tells all of one';

CREATE VIEW @extschema@.trainer_models AS
SELECT left(m.organization_id::text, 8) AS org, @extschema@.trainer_fit(m.name, 16, 2) AS name, m.version, m.status, m.is_active AS serves,
       @extschema@.trainer_fit(m.base_model, 18, 3) AS base_model, round(m.training_loss, 4) AS training_loss,
       round(m.training_cost_cents, 2) AS training_cost_cents
FROM @extschema@.custom_models m
ORDER BY m.organization_id, m.version;
COMMENT ON VIEW @extschema@.trainer_models IS 'every model, and which one serves';

CREATE VIEW @extschema@.trainer_operations_pending AS
SELECT left(o.organization_id::text, 8) AS org, @extschema@.trainer_fit(m.name, 10, 3) AS name, m.version, o.kind, o.state, o.attempt,
       date_trunc('second', greatest(o.due_at - now(), interval '0')) AS due_in,
       @extschema@.trainer_fit(nullif(concat_ws(' ', o.last_http_status, o.last_code, o.last_error), ''), 19, 5) AS last_error
FROM @extschema@.trainer_operations o
JOIN @extschema@.custom_models m ON m.organization_id = o.organization_id AND m.id = o.custom_model_id
WHERE o.state IN ('ready', 'sending', 'reconcile', 'checking')
ORDER BY o.due_at;
COMMENT ON VIEW @extschema@.trainer_operations_pending IS 'what the worker has to do, when, and why it waits';

CREATE VIEW @extschema@.trainer_events AS
SELECT e.id, date_trunc('second', e.created_at) AS created_at, left(e.organization_id::text, 8) AS org, @extschema@.trainer_fit(m.name, 11, 3) AS name, m.version, e.kind,
       (SELECT @extschema@.trainer_fit(string_agg(d.key || ': ' || d.value, ', ' ORDER BY d.key <> 'reason', d.place), 20, 6) FROM jsonb_each_text(e.detail) WITH ORDINALITY AS d (key, value, place)
        WHERE d.value !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$') AS detail
FROM @extschema@.trainer_event_log e
LEFT JOIN @extschema@.custom_models m ON m.organization_id = e.organization_id AND m.id = e.custom_model_id
ORDER BY e.id;
COMMENT ON VIEW @extschema@.trainer_events IS 'what happened, oldest first; all that is known of each is in the detail of trainer_event_log';

-- A view reads with its owner's rights unless told otherwise, which servers before 15 cannot be.
DO $$
BEGIN
  IF current_setting('server_version_num')::integer >= 150000 THEN
    ALTER VIEW @extschema@.trainer_progress SET (security_invoker = true);
    ALTER VIEW @extschema@.trainer_models SET (security_invoker = true);
    ALTER VIEW @extschema@.trainer_operations_pending SET (security_invoker = true);
    ALTER VIEW @extschema@.trainer_events SET (security_invoker = true);
  END IF;
END $$;

-- A worker may be waiting for the extension to appear in this database.
SELECT @extschema@.trainer_wake_worker();
