-- Who may do what: trainer_grant() and trainer_revoke(). pg_dump leaves the policies of an extension's tables out, so what was
-- granted is a row of trainer_grants, and trainer_apply_grants() makes the policies of a restored dump again.

-- What a level may do with our tables and functions: privileges as GRANT has them.
CREATE FUNCTION @extschema@.trainer_level_privileges(
  level text, OUT member oid, OUT kind text, OUT name text, OUT privileges text)
RETURNS SETOF record
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH member AS (
    SELECT d.objid AS oid, d.classid FROM pg_depend AS d
    WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
      AND d.refobjid = (SELECT e.oid FROM pg_extension AS e WHERE e.extname = 'trainer')),
  relation AS (
    SELECT c.oid, c.relname, c.relkind,
           c.relkind = 'v' OR EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'organization_id') AS of_tenants
    FROM member JOIN pg_class AS c ON c.oid = member.oid AND c.relkind IN ('r', 'p', 'v')
    WHERE member.classid = 'pg_class'::regclass)
  SELECT r.oid, CASE r.relkind WHEN 'v' THEN 'view' ELSE 'table' END, format('@extschema@.%I', r.relname), wanted.privileges
  FROM relation AS r
  CROSS JOIN LATERAL (SELECT CASE
      WHEN $1 = 'admin' AND r.relname = 'trainer_ledger' THEN 'SELECT, INSERT'
      -- What the metrics are counted from, and no text of anybody's.
      WHEN $1 = 'monitor' THEN CASE r.relname
        WHEN 'trainer_metrics' THEN 'SELECT'
        WHEN 'trainer_metric_totals' THEN 'SELECT'
        WHEN 'trainer_feedback_totals' THEN 'SELECT'
        WHEN 'trainer_feedback_changes' THEN 'SELECT'
        WHEN 'trainer_feedback_rollup' THEN 'SELECT'
        WHEN 'model_feedback' THEN 'SELECT (organization_id, custom_model_id, feedback_type, rating, quality_score, tone_match, humor_effectiveness, '
          'edit_distance, created_at, xid)'
        WHEN 'custom_models' THEN 'SELECT (id, organization_id, version, status, kind, is_active, serving_since)'
        WHEN 'trainer_operations' THEN 'SELECT (state, due_at)'
        WHEN 'trainer_generation_requests' THEN 'SELECT (state, due_at)'
        WHEN 'trainer_installation' THEN 'SELECT (paused)'
        WHEN 'ab_tests' THEN 'SELECT (id, organization_id, status, started_at)'
        WHEN 'ab_test_metrics' THEN 'SELECT (ab_test_id, metric, custom_n, custom_mean, control_n, control_mean)'
        WHEN 'trainer_rollouts' THEN 'SELECT (id, organization_id, state, started_at, evidence)'
        WHEN 'trainer_drift_streams' THEN 'SELECT (stream, is_worse, since)'
        WHEN 'trainer_budgets' THEN 'SELECT'
        WHEN 'trainer_spending' THEN 'SELECT'
        WHEN 'trainer_spending_mark' THEN 'SELECT'
        WHEN 'trainer_webhook_deliveries' THEN 'SELECT (state)'
        WHEN 'trainer_ledger' THEN 'SELECT (organization_id, kind, amount_cents, counts_at, xid)'
        WHEN 'trainer_generations' THEN 'SELECT (organization_id, cost_cents, created_at, reserved, xid)'
      END
      WHEN $1 = 'admin' AND r.relkind <> 'v' AND r.relname NOT IN ('trainer_bindings', 'trainer_grants', 'trainer_generation_requests', 'trainer_spending', 'trainer_spending_mark') THEN 'SELECT, INSERT, UPDATE, DELETE'
      WHEN $1 = 'admin' AND r.relname = 'trainer_generation_requests' THEN 'SELECT, DELETE'
      -- A URL may have a secret in its path.
      WHEN r.relname = 'trainer_webhooks' THEN NULL
      WHEN $1 <> 'app' THEN 'SELECT'
      WHEN r.relname = 'trainer_metrics' THEN NULL  -- of all organizations
      -- A view reads with its owner's rights on servers before 15: past the policies.
      WHEN r.relkind = 'v' THEN CASE WHEN current_setting('server_version_num')::integer >= 150000 THEN 'SELECT' END
      -- Not id: whether a row of another tenant has it is nobody's affair.
      WHEN r.relname = 'model_feedback' THEN 'SELECT, INSERT (organization_id, custom_model_id, response_id, feedback_type, original_roast, '
        'edited_roast, rating, quality_score, tone_match, humor_effectiveness, metadata)'
      WHEN r.relname = 'trainer_generations' THEN 'SELECT, INSERT (organization_id, comment_id, response_id, custom_model_id, rung, reason, model, '
        'prompt_tokens, cached_tokens, completion_tokens, cost_cents, response_time_ms, withheld, experiment_id, arm, unit), UPDATE (response_id)'
      WHEN r.relname = 'trainer_variants' THEN 'SELECT, INSERT (organization_id, comment_id, set_id, generation_id, custom_model_id, rung, '
        'temperature, response_text, rank, score, parts), UPDATE (chosen_at)'
      WHEN r.relname = 'trainer_reference_roasts' THEN 'SELECT, INSERT (organization_id, category, comment, roast)'
      WHEN r.relname = 'trainer_notifications' THEN 'SELECT, UPDATE (acknowledged_at)'
      WHEN r.relname = 'trainer_model_usage' THEN 'SELECT, INSERT (organization_id, custom_model_id, replies, time_ms, priced, cost_cents)'
      WHEN r.of_tenants OR r.relname IN ('trainer_pricing', 'trainer_bindings', 'trainer_feedback_rollup', 'trainer_spending_mark') THEN 'SELECT'
    END AS privileges) AS wanted
  WHERE wanted.privileges IS NOT NULL
  UNION ALL
  SELECT p.oid, 'routine', p.oid::regprocedure::text, 'EXECUTE'
  FROM member JOIN pg_proc AS p ON p.oid = member.oid
  WHERE member.classid = 'pg_proc'::regclass AND p.prorettype <> 'trigger'::regtype
    AND CASE $1
      WHEN 'admin' THEN p.proname NOT IN ('trainer_grant', 'trainer_revoke', 'trainer_apply_grant', 'trainer_apply_grants')
      WHEN 'monitor' THEN p.proname IN (
          'trainer_metrics_prometheus', 'trainer_metric_families', 'trainer_metric_labels', 'trainer_measure', 'trainer_measure_worker',
          'trainer_measure_models', 'trainer_measure_feedback', 'trainer_measure_arms', 'trainer_measure_budgets', 'trainer_drift_stream_list', 'trainer_period_start', 'trainer_spent', 'trainer_process_counters', 'trainer_worker_slot', 'trainer_library_version',
          'trainer_tally_feedback')
      ELSE p.proname IN (
          'trainer_monitor_training', 'trainer_wait_for_training', 'trainer_progress_bar', 'trainer_fit',
          'trainer_dataset_jsonl', 'trainer_pair_line', 'trainer_pair_messages', 'trainer_known_dataset', 'trainer_known_split', 'trainer_file_sizes', 'trainer_max_file_bytes',
          'trainer_validate_dataset', 'trainer_readable_json', 'trainer_has_lone_surrogate', 'trainer_max_example_tokens', 'trainer_estimated_tokens',
          'trainer_count_tokens', 'trainer_model_encoding', 'trainer_example_tokens',
          'trainer_estimate_training_cost', 'trainer_calculate_training_cost', 'trainer_training_cost_cents', 'trainer_base_snapshot',
          'trainer_inference_cost_cents', 'trainer_inference_prices', 'trainer_compare_inference_costs', 'trainer_reply_costs',
          'trainer_recommend_base_model', 'trainer_base_evidence', 'trainer_base_test', 'trainer_base_costs', 'trainer_proportion_sequence',
          'trainer_period_start', 'trainer_spent',
          'trainer_relation_name', 'trainer_feedback_summary', 'trainer_count_feedback', 'trainer_tally_feedback', 'trainer_add_up_feedback',
          'trainer_quality_report', 'trainer_quality_statement', 'trainer_low_scores_query', 'trainer_limits_query', 'trainer_text_key',
          'trainer_bound_tables', 'trainer_persona_query',
          'trainer_binding_problems', 'trainer_host_columns', 'trainer_type_fits', 'trainer_live_column', 'trainer_base_type',
          'trainer_mean_difference', 'trainer_sample_ratio', 'trainer_sample_size', 'trainer_bucket', 'trainer_plan_ab_test', 'trainer_require_ab_test',
          'trainer_ab_test_results', 'trainer_measure_ab_test', 'trainer_ab_test_outcomes', 'trainer_experiment_outcomes', 'trainer_experiment_ratio', 'trainer_rollout_evidence', 'trainer_metric_text', 'trainer_difference_text',
          'trainer_drift_report', 'trainer_score_drift', 'trainer_category_drift', 'trainer_vocabulary_drift', 'trainer_word_set',
          'trainer_proportion_interval', 'trainer_drift_stream_list', 'trainer_count_text', 'trainer_day_text', 'trainer_drift_stream_text',
          'trainer_drift_window_text', 'trainer_html', 'trainer_money_text', 'trainer_percent_text', 'trainer_plot', 'trainer_plot_strip',
          'trainer_plural_text', 'trainer_report', 'trainer_report_approval', 'trainer_report_approval_plot', 'trainer_report_budgets',
          'trainer_report_change', 'trainer_report_cost_plot', 'trainer_report_costs', 'trainer_report_drift', 'trainer_report_events',
          'trainer_report_going_on', 'trainer_report_losses', 'trainer_report_notices', 'trainer_report_page', 'trainer_report_rollout',
          'trainer_report_row', 'trainer_report_section', 'trainer_report_serving', 'trainer_report_spent', 'trainer_report_style',
          'trainer_report_table', 'trainer_report_test', 'trainer_report_training', 'trainer_report_verdicts', 'trainer_report_versions',
          'trainer_require_reportable', 'trainer_time_text', 'trainer_version_text',
          'trainer_lineage', 'trainer_example_lineage', 'trainer_learned_responses', 'trainer_training_began')
        OR ($1 = 'app' AND p.proname IN (
          'trainer_collect_feedback', 'trainer_require_feedback', 'trainer_feedback_statement',
          'trainer_generate', 'trainer_request_generation', 'trainer_request_options', 'trainer_prompt', 'trainer_active_model', 'trainer_generation_options', 'trainer_require_recordable', 'trainer_link_response',
          'trainer_comment_statement', 'trainer_plans', 'trainer_acknowledge_notification',
          'trainer_generate_variants', 'trainer_variant_options', 'trainer_given_replies', 'trainer_rank_variants', 'trainer_choose_variant', 'trainer_require_reply',
          'trainer_exemplar_matches', 'trainer_exemplar_words', 'trainer_similarity', 'trainer_text_distance',
          'trainer_reference_roast', 'trainer_reference_matches', 'trainer_random_reference', 'trainer_reference_key', 'trainer_reference_stats',
          'trainer_add_reference_roast', 'trainer_load_reference_roasts'))
        OR ($1 = 'analyst' AND p.proname IN ('trainer_worker_status', 'trainer_worker_slot', 'trainer_library_version', 'trainer_process_counters',
          'trainer_metrics_prometheus', 'trainer_metric_families', 'trainer_metric_labels', 'trainer_measure', 'trainer_measure_worker',
          'trainer_measure_models', 'trainer_measure_feedback', 'trainer_measure_arms', 'trainer_measure_budgets'))
    END
$$;
COMMENT ON FUNCTION @extschema@.trainer_level_privileges(text) IS
  'what a role of the level is granted: one row a table, view or function';

CREATE FUNCTION @extschema@.trainer_require_owner() RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NOT pg_has_role((SELECT c.relowner FROM pg_class AS c WHERE c.oid = '@extschema@.custom_models'::regclass), 'USAGE') THEN
    RAISE EXCEPTION 'permission denied to grant access to extension "trainer"'
      USING ERRCODE = 'insufficient_privilege', HINT = 'Only the owner of its tables may do that.';
  END IF;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_require_owner() IS 'an error unless the caller owns the extension''s tables';

-- Takes from a role what it has, and gives it what its row says: nothing when there is none.
CREATE FUNCTION @extschema@.trainer_apply_grant(role regrole) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  given @extschema@.trainer_grants;
  object record;
  own text;
  shared boolean;  -- rows of no organization are everybody's to see, and nobody's to write
BEGIN
  FOR object IN
    SELECT p.polname, format('@extschema@.%I', c.relname) AS relation
    FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid
    WHERE p.polroles = ARRAY[role::oid] AND p.polname LIKE 'trainer\_%'
      AND p.polrelid IN (SELECT member FROM @extschema@.trainer_level_privileges('admin') WHERE kind = 'table')
  LOOP
    EXECUTE format('DROP POLICY %I ON %s', object.polname, object.relation);
  END LOOP;
  FOR object IN SELECT * FROM @extschema@.trainer_level_privileges('admin') LOOP
    EXECUTE format('REVOKE ALL ON %s %s FROM %s', CASE object.kind WHEN 'routine' THEN 'ROUTINE' ELSE 'TABLE' END, object.name, role);
  END LOOP;
  EXECUTE format('REVOKE USAGE ON SCHEMA @extschema@ FROM %s', role);

  SELECT * INTO given FROM @extschema@.trainer_grants AS g WHERE g.role_oid = trainer_apply_grant.role;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  EXECUTE format('GRANT USAGE ON SCHEMA @extschema@ TO %s', role);
  FOR object IN SELECT * FROM @extschema@.trainer_level_privileges(given.level) LOOP
    EXECUTE format('GRANT %s ON %s %s TO %s', object.privileges, CASE object.kind WHEN 'routine' THEN 'ROUTINE' ELSE 'TABLE' END,
                   object.name, role);
    CONTINUE WHEN object.kind <> 'table';
    -- The organization of a session is evaluated once a statement, not once a row.
    SELECT format('organization_id = (SELECT (%s)::uuid)', given.organization), NOT a.attnotnull INTO own, shared
      FROM pg_attribute AS a WHERE a.attrelid = object.member AND a.attname = 'organization_id' AND given.level = 'app';
    -- Privileges say what the role may do, the policy with which rows. It is found again by its role: names only have to differ.
    EXECUTE format('CREATE POLICY %I ON %s TO %s USING (%s) WITH CHECK (%s)',
                   format('trainer_%s_%s', given.level, left(gen_random_uuid()::text, 8)), object.name, role,
                   coalesce(CASE WHEN shared THEN 'organization_id IS NULL OR ' || own ELSE own END, 'true'), coalesce(own, 'true'));
  END LOOP;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_apply_grant(regrole) IS 'makes privileges and policies of a role what its row of trainer_grants says';

-- A person says it, and nothing else does: a role that has the name of another may not be the one that was let in.
CREATE FUNCTION @extschema@.trainer_apply_grants() RETURNS SETOF @extschema@.trainer_grants
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM @extschema@.trainer_require_owner();
  UPDATE @extschema@.trainer_grants AS g SET role_oid = r.oid FROM pg_roles AS r WHERE r.rolname = g.role;
  PERFORM @extschema@.trainer_apply_grant(r.oid) FROM @extschema@.trainer_grants AS g JOIN pg_roles AS r ON r.oid = g.role_oid AND r.rolname = g.role;
  RETURN QUERY SELECT g.* FROM @extschema@.trainer_grants AS g JOIN pg_roles AS r ON r.oid = g.role_oid AND r.rolname = g.role;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_apply_grants() IS
  'after a restore: lets the roles in that have the names in trainer_grants, and returns them';

CREATE FUNCTION @extschema@.trainer_grant(role regrole, level text, organization text DEFAULT NULL) RETURNS @extschema@.trainer_grants
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  role_name name := (SELECT r.rolname FROM pg_roles AS r WHERE r.oid = role);
  given @extschema@.trainer_grants;
BEGIN
  PERFORM @extschema@.trainer_require_owner();
  IF level IS NULL OR level NOT IN ('app', 'analyst', 'admin', 'monitor') THEN
    RAISE EXCEPTION 'level % is not known', coalesce(quote_literal(level), 'NULL')
      USING ERRCODE = 'invalid_parameter_value', HINT = 'The levels are app, analyst, admin and monitor.';
  END IF;
  IF role_name IS NULL THEN
    RAISE EXCEPTION 'role % does not exist', coalesce(role::text, 'NULL') USING ERRCODE = 'undefined_object';
  END IF;
  IF organization IS NOT NULL AND level <> 'app' THEN
    RAISE EXCEPTION 'level % is not bound to an organization', quote_literal(level)
      USING ERRCODE = 'invalid_parameter_value', DETAIL = 'Its roles see the rows of all organizations.';
  END IF;

  IF organization IS NOT NULL THEN
    BEGIN
      -- By itself: as a part of the policy it might speak of the row, or end the policy before its time.
      EXECUTE format('SELECT (%s)::uuid', organization);
    EXCEPTION WHEN data_exception THEN
      NULL;  -- no value in this session
    END;
  END IF;
  DELETE FROM @extschema@.trainer_grants AS g WHERE g.role = role_name OR g.role_oid = trainer_grant.role;
  INSERT INTO @extschema@.trainer_grants AS g
    VALUES (role_name, role, level, CASE WHEN level = 'app' THEN
      coalesce(organization, $default$nullif(current_setting('trainer.organization_id', true), '')$default$) END)
    RETURNING g.* INTO given;
  PERFORM @extschema@.trainer_apply_grant(role);
  RETURN given;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_grant(regrole, text, text) IS
  'lets a role use the extension as an app (its own organization), an analyst (reads all), an admin or a monitor (reads the metrics); organization: an SQL expression for an app''s own';

CREATE FUNCTION @extschema@.trainer_revoke(role regrole) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM @extschema@.trainer_require_owner();
  DELETE FROM @extschema@.trainer_grants AS g WHERE g.role_oid = trainer_revoke.role;
  PERFORM @extschema@.trainer_apply_grant(role);
END $$;
COMMENT ON FUNCTION @extschema@.trainer_revoke(regrole) IS 'takes from a role what trainer_grant() gave it';

CREATE FUNCTION @extschema@.trainer_check_grants()
RETURNS TABLE (check_name text, ok boolean, detail text, hint text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT 'grants', lost.roles IS NULL,
         coalesce('Not what was let in, or without its policies: ' || lost.roles || '. A restored dump comes without policies.',
                  'Every role that was let in has its policies.'),
         CASE WHEN lost.roles IS NOT NULL THEN 'After a restore, run trainer_apply_grants() when the roles of these names are the ones that were let in; of a role '
           'that is gone or has another name, DELETE FROM trainer_grants, and grant again.' END
  FROM (SELECT string_agg(quote_ident(g.role), ', ' ORDER BY g.role) AS roles FROM @extschema@.trainer_grants AS g
        WHERE NOT EXISTS (SELECT FROM pg_policy AS p JOIN pg_roles AS r ON r.oid = g.role_oid AND r.rolname = g.role
                          WHERE p.polrelid = '@extschema@.custom_models'::regclass AND p.polroles = ARRAY[r.oid])) AS lost
$$;
COMMENT ON FUNCTION @extschema@.trainer_check_grants() IS 'the row of trainer_check() about roles that were let in';
