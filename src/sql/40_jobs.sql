-- Jobs: submitted, steered and watched in SQL, carried out by the worker.

CREATE FUNCTION @extschema@.trainer_wake_worker() RETURNS boolean
LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_wake_worker() IS
  'wakes the database''s worker when the transaction commits; false when this server will not start one';

CREATE FUNCTION @extschema@.trainer_progress_bar(fraction double precision, width integer) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_progress_bar(double precision, integer) IS
  'a bar of so many cells for a fraction from 0 to 1';

CREATE FUNCTION @extschema@.trainer_log_event(organization_id uuid, custom_model_id uuid, kind text, detail jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  event bigint;
BEGIN
  INSERT INTO @extschema@.trainer_event_log AS e (organization_id, custom_model_id, kind, detail)
    VALUES (organization_id, custom_model_id, kind, jsonb_strip_nulls(detail)) RETURNING e.id INTO event;
  -- Whoever may connect may listen, past every policy: the payload says that something has happened, the row to whom and what.
  PERFORM pg_notify('trainer', jsonb_build_object('kind', kind, 'event', event)::text);
  PERFORM @extschema@.trainer_add_notification(event);
END $$;
COMMENT ON FUNCTION @extschema@.trainer_log_event(uuid, uuid, text, jsonb) IS
  'writes a row of the event log, with its notification, and sends NOTIFY trainer with it';

CREATE FUNCTION @extschema@.trainer_find_model(custom_model_id uuid) RETURNS @extschema@.custom_models
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  model @extschema@.custom_models;
BEGIN
  SELECT * INTO model FROM @extschema@.custom_models WHERE id = custom_model_id FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'custom model % does not exist', coalesce(custom_model_id::text, 'NULL')
      USING ERRCODE = 'no_data_found', HINT = 'The models are listed by SELECT id, name, status FROM custom_models.';
  END IF;
  RETURN model;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_find_model(uuid) IS 'the model''s row, locked; an error when there is none';

CREATE FUNCTION @extschema@.trainer_operation_id(custom_model_id uuid, kind text) RETURNS uuid
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
  -- The token of a paid call must be the same on a server that has lost the operation's row and makes it anew.
  SELECT CASE WHEN $2 IN ('upload_training_file', 'upload_validation_file', 'create_job')
              THEN md5(concat_ws('/', $1, $2, (SELECT m.retries FROM @extschema@.custom_models m WHERE m.id = $1)))::uuid
              ELSE gen_random_uuid() END
$$;
COMMENT ON FUNCTION @extschema@.trainer_operation_id(uuid, text) IS
  'the id of a new operation; of a paid call it follows from the model, the kind and the number of retries';

CREATE FUNCTION @extschema@.trainer_call_worker() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT @extschema@.trainer_wake_worker() THEN
    RAISE WARNING 'no trainer worker runs on this server'
      USING DETAIL = 'The request is kept and will be carried out once there is one.',
            HINT = 'Add trainer to shared_preload_libraries, leave room in max_worker_processes, and see trainer_check().';
  END IF;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_call_worker() IS
  'wakes the worker for what this transaction asks of it, and warns when there is none';

CREATE FUNCTION @extschema@.trainer_add_operation(model @extschema@.custom_models, kind text, argument text DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  INSERT INTO @extschema@.trainer_operations (id, organization_id, custom_model_id, kind, argument)
    VALUES (@extschema@.trainer_operation_id(model.id, kind), model.organization_id, model.id, kind, argument)
    ON CONFLICT DO NOTHING;
  PERFORM @extschema@.trainer_call_worker();
END $$;
COMMENT ON FUNCTION @extschema@.trainer_add_operation(@extschema@.custom_models, text, text) IS
  'gives the worker something to do for a model, once the transaction commits';

CREATE FUNCTION @extschema@.trainer_plans() RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- The first C function of a session loads the library: it brings the setting, and drops what was planted under its name.
  PERFORM @extschema@.trainer_progress_bar(0, 1);
  RETURN (SELECT coalesce(array_agg(btrim(name, ' "')), '{}')
          FROM unnest(string_to_array(current_setting('trainer.plans_with_custom_models'), ',')) AS name WHERE name ~ '[^ "]');
END $$;
COMMENT ON FUNCTION @extschema@.trainer_plans() IS 'the plans that include custom models';

CREATE FUNCTION @extschema@.trainer_require_plan(organization_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  bound @extschema@.trainer_bindings;
  plan text;
  plans text[] := @extschema@.trainer_plans();
BEGIN
  SELECT * INTO bound FROM @extschema@.trainer_bindings WHERE role = 'organizations';
  IF NOT FOUND THEN
    RAISE EXCEPTION 'trainer is not attached to the app''s tables'
      USING ERRCODE = 'TR008', HINT = 'Run SELECT * FROM trainer_attach().';
  END IF;
  -- The app may have no plans at all; the binding says so by a null.
  IF bound.columns->>'plan_id' IS NULL THEN
    RETURN;
  END IF;
  EXECUTE format('SELECT %I::text FROM %s WHERE %I = $1', bound.columns->>'plan_id', bound.relation,
                 bound.columns->>'id')
    INTO plan USING organization_id;
  IF (plan = ANY (plans)) IS NOT TRUE THEN
    RAISE EXCEPTION 'the organization''s plan does not include custom models'
      USING ERRCODE = 'TR004',
            DETAIL = format('Organization %s has plan %s; the plans with custom models are %s.', organization_id,
                            coalesce(quote_literal(plan), 'none'), coalesce(nullif(array_to_string(plans, ', '), ''), 'none')),
            HINT = 'Upgrade the organization''s plan, or add the plan to trainer.plans_with_custom_models.';
  END IF;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_require_plan(uuid) IS 'an error unless the organization''s plan includes custom models';

CREATE FUNCTION @extschema@.trainer_require_new_snapshots() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    RAISE EXCEPTION 'could not serialize access due to concurrent update'
      USING ERRCODE = 'serialization_failure', HINT = 'The transaction might succeed if retried.';
  END IF;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_require_new_snapshots() IS
  'an error where trying again in the same transaction would see the same rows for ever';

CREATE FUNCTION @extschema@.trainer_add_model(
  dataset @extschema@.training_datasets, name text, suffix text, parent @extschema@.custom_models)
RETURNS @extschema@.custom_models
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  model @extschema@.custom_models;
  next_version integer;
  violated text;
BEGIN
  LOOP
    SELECT coalesce(max(version), 0) + 1 INTO next_version
      FROM @extschema@.custom_models m WHERE m.organization_id = dataset.organization_id;
    BEGIN
      INSERT INTO @extschema@.custom_models
        (organization_id, name, version, base_model, training_dataset_id, parent_model_id, suffix,
         learning_rate_multiplier, training_examples)
      VALUES
        (dataset.organization_id, coalesce(name, format('Custom model v%s', next_version)), next_version,
         coalesce(parent.fine_tuned_model_id, dataset.training_params->>'base_model'), dataset.id, parent.id, suffix,
         (dataset.training_params->>'learning_rate_multiplier')::double precision,
         dataset.roast_count - dataset.validation_count)
      RETURNING * INTO model;
      RETURN model;
    EXCEPTION WHEN unique_violation THEN
      -- Somebody else has just taken the version: take the next one.
      GET STACKED DIAGNOSTICS violated = CONSTRAINT_NAME;
      IF violated <> 'custom_models_organization_id_version_key' THEN
        RAISE;
      END IF;
      PERFORM @extschema@.trainer_require_new_snapshots();
    END;
  END LOOP;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_add_model(@extschema@.training_datasets, text, text, @extschema@.custom_models) IS
  'a model row with the organization''s next version';

CREATE FUNCTION @extschema@.trainer_submit_training(
  dataset_id uuid, name text DEFAULT NULL, suffix text DEFAULT NULL, parent_model_id uuid DEFAULT NULL)
RETURNS @extschema@.custom_models
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  dataset @extschema@.training_datasets;
  parent @extschema@.custom_models;
  model @extschema@.custom_models;
  file record;
  is_exemplar boolean;
BEGIN
  SELECT * INTO dataset FROM @extschema@.training_datasets d WHERE d.id = dataset_id FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'training dataset % does not exist', coalesce(dataset_id::text, 'NULL')
      USING ERRCODE = 'no_data_found', HINT = 'Make one with trainer_prepare_dataset().';
  END IF;
  is_exemplar := coalesce(dataset.training_params ->> 'method' = 'exemplar', false);
  IF dataset.status IN ('preparing', 'training') THEN
    RAISE EXCEPTION 'training dataset is %', CASE dataset.status WHEN 'training' THEN 'in training' ELSE 'not ready' END
      USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = format('Dataset %s has status %s.', dataset.id, dataset.status);
  END IF;
  IF suffix !~ '^[A-Za-z0-9_-]{1,64}$' THEN
    RAISE EXCEPTION 'invalid suffix'
      USING ERRCODE = 'invalid_parameter_value',
            DETAIL = 'A suffix has 1 to 64 characters of A-Z, a-z, 0-9, _ and -.';
  END IF;
  IF name = '' OR char_length(name) > 255 THEN
    RAISE EXCEPTION 'invalid name'
      USING ERRCODE = 'invalid_parameter_value', DETAIL = 'A name has 1 to 255 characters.';
  END IF;
  PERFORM @extschema@.trainer_require_plan(dataset.organization_id);
  IF parent_model_id IS NOT NULL THEN
    parent := @extschema@.trainer_find_model(parent_model_id);
    IF parent.organization_id <> dataset.organization_id OR parent.fine_tuned_model_id IS NULL OR parent.erased_at IS NOT NULL THEN
      RAISE EXCEPTION 'cannot train on from the parent model'
        USING ERRCODE = 'object_not_in_prerequisite_state',
              DETAIL = CASE WHEN parent.erased_at IS NULL THEN 'The parent is a trained model of the dataset''s own organization.'
                            ELSE format('Model %s has been erased.', parent.id) END;
    END IF;
  END IF;

  -- Examples may have been edited by hand since the dataset was made.
  FOR file IN SELECT * FROM @extschema@.trainer_file_sizes(dataset.id) LOOP
    IF file.split = 'train' AND file.examples < 10 THEN
      RAISE EXCEPTION 'insufficient training data'
        USING ERRCODE = 'TR001',
              DETAIL = format('Examples in the training split: %s; the provider takes no fewer than 10.', file.examples),
              HINT = 'Make another dataset with trainer_prepare_dataset().';
    END IF;
    IF file.bytes > @extschema@.trainer_max_file_bytes() AND NOT is_exemplar THEN
      RAISE EXCEPTION 'training file is too large'
        USING ERRCODE = 'program_limit_exceeded',
              DETAIL = format('The %s file would have %s bytes; the provider takes %s.', file.split, file.bytes, @extschema@.trainer_max_file_bytes()),
              HINT = 'Make a dataset of fewer examples: trainer_prepare_dataset(max_examples => ...).';
    END IF;
  END LOOP;
  IF is_exemplar THEN
    IF suffix IS NOT NULL OR parent_model_id IS NOT NULL THEN
      RAISE EXCEPTION 'an exemplar model has no suffix and no parent'
        USING ERRCODE = 'invalid_parameter_value', DETAIL = 'The provider trains nothing, and names nothing.';
    END IF;
    UPDATE @extschema@.training_datasets d SET status = 'completed', updated_at = now() WHERE d.id = dataset.id;
    RETURN @extschema@.trainer_finish_exemplar_model(@extschema@.trainer_add_model(dataset, name, NULL, NULL));
  END IF;

  model := @extschema@.trainer_add_model(dataset, name, suffix, parent);
  PERFORM @extschema@.trainer_reserve_training(model);
  UPDATE @extschema@.training_datasets d SET status = 'training', updated_at = now() WHERE d.id = dataset.id;
  PERFORM @extschema@.trainer_log_event(model.organization_id, model.id, 'training_requested',
                                        jsonb_build_object('dataset_id', dataset.id, 'examples', dataset.roast_count));
  PERFORM @extschema@.trainer_add_operation(model, 'upload_training_file');
  RETURN model;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_submit_training(uuid, text, text, uuid) IS
  'asks for a model trained from the dataset; returns at once, and nothing is sent before the transaction commits';

CREATE FUNCTION @extschema@.trainer_cancel_training(custom_model_id uuid) RETURNS @extschema@.custom_models
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  model @extschema@.custom_models;
  unsent integer;
  file text;
BEGIN
  -- Operations first, then the model: the order in which the worker locks them.
  PERFORM FROM @extschema@.trainer_operations o
    WHERE o.custom_model_id = trainer_cancel_training.custom_model_id
      AND o.state IN ('ready', 'sending', 'reconcile', 'checking')
    ORDER BY o.id FOR UPDATE;
  model := @extschema@.trainer_find_model(custom_model_id);
  IF model.status NOT IN ('pending', 'uploading', 'validating', 'queued', 'running', 'paused') THEN
    RAISE EXCEPTION 'training has ended already'
      USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = format('Model %s has status %s.', model.id, model.status);
  END IF;
  UPDATE @extschema@.custom_models m SET cancel_requested_at = coalesce(cancel_requested_at, now()), updated_at = now()
    WHERE m.id = model.id RETURNING * INTO model;

  -- What is ready has certainly not been sent: it is over here and now.
  UPDATE @extschema@.trainer_operations o SET state = 'cancelled', finished_at = now()
    WHERE o.custom_model_id = model.id AND o.state = 'ready'
      AND o.kind IN ('upload_training_file', 'upload_validation_file', 'create_job');
  GET DIAGNOSTICS unsent = ROW_COUNT;
  IF unsent > 0 THEN
    UPDATE @extschema@.custom_models m
      SET status = 'cancelled', training_completed_at = now(), updated_at = now()
      WHERE m.id = model.id RETURNING * INTO model;
    UPDATE @extschema@.training_datasets d SET status = 'ready', updated_at = now()
      WHERE d.id = model.training_dataset_id AND d.status = 'training';
    FOREACH file IN ARRAY array_remove(ARRAY[model.training_file_id, model.validation_file_id], NULL) LOOP
      PERFORM @extschema@.trainer_add_operation(model, 'delete_file', file);
    END LOOP;
    -- A creation that was sent before, and taken for lost, may yet turn up.
    PERFORM @extschema@.trainer_add_operation(model, 'sweep_duplicates', o.id::text)
      FROM @extschema@.trainer_operations o
      WHERE o.custom_model_id = model.id AND o.kind = 'create_job' AND o.state = 'cancelled' AND o.sent_at IS NOT NULL;
    PERFORM @extschema@.trainer_log_event(model.organization_id, model.id, 'training_cancelled', '{}');
  ELSIF model.provider_job_id IS NOT NULL THEN
    PERFORM @extschema@.trainer_add_operation(model, 'cancel_job');
  END IF;
  -- Else its job is being created at this moment: the first poll of it sees the wish.
  RETURN model;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_cancel_training(uuid) IS
  'ends a training: at once when nothing has been sent, else the worker cancels the job at the provider';

CREATE FUNCTION @extschema@.trainer_order_job(custom_model_id uuid, kind text, statuses text[])
RETURNS @extschema@.custom_models
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  model @extschema@.custom_models := @extschema@.trainer_find_model(custom_model_id);
BEGIN
  IF model.provider_job_id IS NULL OR NOT model.status = ANY (statuses) THEN
    RAISE EXCEPTION 'training is not %', array_to_string(statuses, ' or ')
      USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = format('Model %s has status %s.', model.id, model.status);
  END IF;
  PERFORM @extschema@.trainer_add_operation(model, kind);
  RETURN model;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_order_job(uuid, text, text[]) IS
  'asks the worker to pause or resume a model''s job, when the model is in one of the statuses';

CREATE FUNCTION @extschema@.trainer_pause_training(custom_model_id uuid) RETURNS @extschema@.custom_models
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ SELECT * FROM @extschema@.trainer_order_job(custom_model_id, 'pause_job', ARRAY['queued', 'running']) $$;
COMMENT ON FUNCTION @extschema@.trainer_pause_training(uuid) IS 'asks the provider to pause the model''s job';

CREATE FUNCTION @extschema@.trainer_resume_training(custom_model_id uuid) RETURNS @extschema@.custom_models
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ SELECT * FROM @extschema@.trainer_order_job(custom_model_id, 'resume_job', ARRAY['paused']) $$;
COMMENT ON FUNCTION @extschema@.trainer_resume_training(uuid) IS 'asks the provider to go on with a paused job';

CREATE FUNCTION @extschema@.trainer_monitor_training(custom_model_id uuid)
RETURNS TABLE (status text, provider_status text, percent_done numeric, step integer, total_steps integer,
               train_loss numeric, valid_loss numeric, estimated_finish timestamptz, elapsed interval, cost_cents numeric,
               error_code text, error_message text, next_poll timestamptz)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RETURN QUERY
    SELECT m.status::text, m.provider_status,
           CASE WHEN m.status IN ('evaluating', 'succeeded', 'deployed', 'retired') THEN 100
                ELSE round(coalesce(100.0 * m.current_step / nullif(m.total_steps, 0), 0), 1) END,
           m.current_step, m.total_steps, m.training_loss, m.validation_loss, m.estimated_finish,
           coalesce(m.training_completed_at, now()) - m.training_started_at, m.training_cost_cents, m.error_code,
           m.error_message,
           (SELECT o.due_at FROM @extschema@.trainer_operations o
            WHERE o.custom_model_id = m.id AND o.kind = 'poll_job' AND o.state = 'ready')
    FROM @extschema@.custom_models m WHERE m.id = trainer_monitor_training.custom_model_id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'custom model % does not exist', coalesce(custom_model_id::text, 'NULL')
      USING ERRCODE = 'no_data_found';
  END IF;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_monitor_training(uuid) IS 'a model''s job as it is known now';

CREATE PROCEDURE @extschema@.trainer_wait_for_training(custom_model_id uuid, timeout interval DEFAULT '1 hour')
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  model record;
  deadline timestamptz := clock_timestamp() + timeout;
BEGIN
  IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    RAISE EXCEPTION 'cannot wait for a training under isolation level %', current_setting('transaction_isolation')
      USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'The snapshot would never show the end of the job.';
  END IF;
  LOOP
    -- Each statement of a read committed transaction sees what is committed by then, and holds no snapshot between.
    SELECT m.status, m.error_sqlstate, m.error_code, m.error_message, m.created_at INTO model
      FROM @extschema@.custom_models m WHERE m.id = custom_model_id;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'custom model % does not exist', coalesce(custom_model_id::text, 'NULL')
        USING ERRCODE = 'no_data_found';
    END IF;
    EXIT WHEN model.status IN ('succeeded', 'deployed', 'retired');
    IF model.status = 'failed' THEN
      RAISE EXCEPTION '%', CASE model.error_sqlstate
          WHEN 'TR003' THEN 'the model does not answer'
          WHEN 'TR006' THEN 'the provider no longer trains models for this account'
          WHEN 'TR007' THEN 'the provider is unavailable'
          ELSE 'training job failed' END
        USING ERRCODE = coalesce(model.error_sqlstate, 'TR002'),
              DETAIL = format('%s: %s', coalesce(model.error_code, 'no code'), coalesce(model.error_message, 'no message')),
              HINT = CASE model.error_sqlstate
                WHEN 'TR006' THEN 'The provider is closing its training for new jobs. Another service with the same API can be set in trainer.api_base.'
                WHEN 'TR003' THEN 'trainer_deploy_model() tries the model again.'
                ELSE 'What happened is told by SELECT * FROM trainer_events.' END;
    ELSIF model.status = 'cancelled' THEN
      RAISE EXCEPTION 'training job was cancelled' USING ERRCODE = 'TR002';
    ELSIF model.status = 'pending' AND model.created_at = now() AND txid_current_if_assigned() IS NOT NULL THEN
      -- By its time, which is the transaction's: a row that was written under a savepoint has another xmin.
      RAISE EXCEPTION 'cannot wait for a training that this very transaction has submitted'
        USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Nothing is sent before the transaction commits.';
    ELSIF clock_timestamp() >= deadline THEN
      RAISE EXCEPTION 'training has not ended within %', timeout
        USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = format('Its status is %s.', model.status);
    END IF;
    PERFORM pg_sleep(greatest(0, least(0.2, extract(epoch FROM deadline - clock_timestamp()))));
  END LOOP;
END $$;
COMMENT ON PROCEDURE @extschema@.trainer_wait_for_training(uuid, interval) IS
  'waits until a model''s training has ended; an error tells when it did not end well';
