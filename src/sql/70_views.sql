-- Views for people.

CREATE VIEW @extschema@.trainer_progress AS
SELECT m.organization_id, m.id AS custom_model_id, m.name, m.version, m.status,
       @extschema@.trainer_progress_bar(
         CASE WHEN m.status = 'evaluating' THEN 1
              ELSE coalesce(m.current_step::double precision / nullif(m.total_steps, 0), 0) END, 20) AS progress,
       m.current_step AS step, m.total_steps, round(m.training_loss, 4) AS train_loss,
       round(m.validation_loss, 4) AS valid_loss,
       date_trunc('second', now() - m.training_started_at) AS elapsed, m.estimated_finish,
       o.due_at AS next_step_at, o.kind AS next_step, o.last_error AS waits_because
FROM @extschema@.custom_models m
LEFT JOIN LATERAL (
  SELECT o.due_at, o.kind, o.last_error FROM @extschema@.trainer_operations o
  WHERE o.organization_id = m.organization_id AND o.custom_model_id = m.id
    AND o.state IN ('ready', 'sending', 'reconcile', 'checking') AND o.kind NOT IN ('sweep_duplicates', 'delete_file')
  ORDER BY o.due_at LIMIT 1) o ON true
WHERE m.status IN ('pending', 'uploading', 'validating', 'queued', 'running', 'paused', 'evaluating')
ORDER BY m.created_at;
COMMENT ON VIEW @extschema@.trainer_progress IS 'every live job, with a bar';

CREATE VIEW @extschema@.trainer_models AS
SELECT m.organization_id, m.id AS custom_model_id, m.name, m.version, m.status, m.is_active AS serves, m.base_model,
       m.fine_tuned_model_id, round(m.training_loss, 4) AS training_loss, round(m.validation_loss, 4) AS validation_loss,
       m.training_cost_cents, m.user_approval_rate, m.deployed_at
FROM @extschema@.custom_models m
ORDER BY m.organization_id, m.version;
COMMENT ON VIEW @extschema@.trainer_models IS 'every model, and which one serves';

CREATE VIEW @extschema@.trainer_operations_pending AS
SELECT o.id, o.organization_id, o.custom_model_id, o.kind, o.state, o.attempt, o.due_at,
       greatest(o.due_at - now(), interval '0') AS due_in, o.last_delivery, o.last_http_status, o.last_code, o.last_error,
       o.last_request_id, now() - o.created_at AS age
FROM @extschema@.trainer_operations o
WHERE o.state IN ('ready', 'sending', 'reconcile', 'checking')
ORDER BY o.due_at;
COMMENT ON VIEW @extschema@.trainer_operations_pending IS 'what the worker has to do, when, and why it waits';

CREATE VIEW @extschema@.trainer_events AS
SELECT e.id, e.created_at, e.organization_id, e.custom_model_id, m.name, e.kind, e.detail
FROM @extschema@.trainer_event_log e
LEFT JOIN @extschema@.custom_models m ON m.organization_id = e.organization_id AND m.id = e.custom_model_id
ORDER BY e.id;
COMMENT ON VIEW @extschema@.trainer_events IS 'what happened, oldest first';

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
