-- Prices: the seed, and what is computed from them.

-- Per 1,000,000 tokens: training, inference on the fine-tuned model, and on the base itself. Bases that are billed by the hour are not
-- here, nor the base prices of those that are no longer served untuned.
INSERT INTO @extschema@.trainer_pricing (model, valid_from, training, input, cached, output, base_input, base_cached, base_output, source, seeded)
SELECT model, '2026-11-22', training, input, cached, output, base_input, base_cached, base_output,
       'OpenAI''s price list for fine-tuning, as of 2026-11-22', true
FROM (VALUES
  ('gpt-4.1-2025-04-14', 25.00, 3.00, 0.75, 12.00, 2.00, 0.50, 8.00),
  ('gpt-4.1-mini-2025-04-14', 5.00, 0.80, 0.20, 3.20, 0.40, 0.10, 1.60),
  ('gpt-4.1-nano-2025-04-14', 1.50, 0.20, 0.05, 0.80, 0.10, 0.025, 0.40),
  ('gpt-4o-2024-08-06', 25.00, 3.75, 1.875, 15.00, 2.50, 1.25, 10.00),
  ('gpt-4o-mini-2024-07-18', 3.00, 0.30, 0.15, 1.20, 0.15, 0.075, 0.60),
  ('gpt-3.5-turbo-0125', 8.00, 3.00, NULL, 6.00, NULL, NULL, NULL),
  ('davinci-002', 6.00, 12.00, NULL, 12.00, NULL, NULL, NULL),
  ('babbage-002', 0.40, 1.60, NULL, 1.60, NULL, NULL, NULL)
) AS seed (model, training, input, cached, output, base_input, base_cached, base_output);

-- Called for every price of every reply, so not in SQL, which takes ten times as long to begin.
CREATE FUNCTION @extschema@.trainer_base_snapshot(model text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- A tuned model is named ft:<base>:<organization>:<suffix>:<id>, at Azure <base>.ft-<id>.
  base text := CASE WHEN model LIKE 'ft:%' THEN split_part(model, ':', 2) ELSE regexp_replace(model, '[.]ft-[0-9a-f]+$', '') END;
BEGIN
  RETURN CASE base
    WHEN 'gpt-4.1' THEN 'gpt-4.1-2025-04-14'
    WHEN 'gpt-4.1-mini' THEN 'gpt-4.1-mini-2025-04-14'
    WHEN 'gpt-4.1-nano' THEN 'gpt-4.1-nano-2025-04-14'
    WHEN 'gpt-4o' THEN 'gpt-4o-2024-08-06'
    WHEN 'gpt-4o-mini' THEN 'gpt-4o-mini-2024-07-18'
    WHEN 'gpt-3.5-turbo' THEN 'gpt-3.5-turbo-0125'
    ELSE base
  END;
END $$;
COMMENT ON FUNCTION @extschema@.trainer_base_snapshot(text) IS
  'the base snapshot that a model''s name, an alias or a tuned model''s name stands for';

CREATE FUNCTION @extschema@.trainer_training_cost_cents(base_model text, trained_tokens bigint) RETURNS numeric
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
  -- Dollars per million tokens are cents per ten thousand. Before the first price is valid, the first one is the best known.
  -- A price that is no number is none; NaN sorts above Infinity.
  SELECT CASE WHEN training < 'Infinity' THEN trim_scale(trained_tokens * training / 10000) END
  -- Days are UTC's, as those of budgets are, whatever the session's time zone.
  FROM @extschema@.trainer_pricing, (SELECT (now() AT TIME ZONE 'UTC')::date AS day) AS today
  WHERE @extschema@.trainer_base_snapshot(model) = @extschema@.trainer_base_snapshot(base_model)
  ORDER BY valid_from <= today.day DESC,
           CASE WHEN valid_from <= today.day THEN today.day - valid_from ELSE valid_from - today.day END,
           model = base_model DESC
  LIMIT 1
$$;
COMMENT ON FUNCTION @extschema@.trainer_training_cost_cents(text, bigint) IS
  'exact cost of training on so many tokens, in US cents; null when the model has no price';

CREATE FUNCTION @extschema@.trainer_calculate_training_cost(base_model text, trained_tokens bigint) RETURNS integer
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  cents numeric := @extschema@.trainer_training_cost_cents(base_model, trained_tokens);
BEGIN
  IF trained_tokens < 0 THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
      MESSAGE = 'number of tokens must not be negative',
      DETAIL = format('The number is %s.', trained_tokens);
  END IF;
  IF cents IS NULL THEN
    RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
      MESSAGE = format('no price is known for training model "%s"', base_model),
      HINT = 'Add a row for it to trainer_pricing.';
  END IF;
  RETURN ceil(cents)::integer;
END;
$$;
COMMENT ON FUNCTION @extschema@.trainer_calculate_training_cost(text, bigint) IS
  'cost of training on so many tokens, all epochs included, in US cents rounded up';
