-- Prices of training, by the names that people type and the names that the provider answers with.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
CREATE EXTENSION trainer CASCADE;
RESET client_min_messages;
-- Days of prices are UTC's.
SET timezone = 'UTC';

SELECT model, training, input, cached, output, seeded, source IS NOT NULL AS has_source FROM trainer_pricing ORDER BY model COLLATE "C";

SELECT trainer_calculate_training_cost('gpt-4o', 1000000);
SELECT model, trainer_calculate_training_cost(model, 1000000)
FROM unnest('{gpt-4o,gpt-4o-2024-08-06,ft:gpt-4o-2024-08-06:acme:roasts:AbC123,ft:gpt-4o-mini-2024-07-18:acme::AbC123:ckpt-step-90,
  gpt-4.1-2025-04-14.ft-0123abcd,gpt-4.1,gpt-4.1-mini,gpt-4.1-nano,gpt-4o-mini,gpt-3.5-turbo,babbage-002}'::text[]) AS model;

-- Rounded up to the cent; exact for the books.
SELECT tokens, trainer_calculate_training_cost('gpt-4o-mini', tokens), trainer_training_cost_cents('gpt-4o-mini', tokens)
FROM unnest('{0,1,3333,3334,10000000000}'::bigint[]) AS tokens;

-- A later price counts from its day on, whichever name of the model it stands under; one of tomorrow does not yet.
INSERT INTO trainer_pricing (model, valid_from, training, input, output) VALUES
  ('gpt-4o', current_date, 30, 4, 16), ('gpt-4o', current_date + 1, 99, 9, 99);
UPDATE trainer_pricing SET valid_from = current_date - 10 WHERE seeded;
SELECT trainer_calculate_training_cost('gpt-4o', 1000000), trainer_calculate_training_cost('ft:gpt-4o-2024-08-06:a:b:c', 1000000);
-- Before the first price is valid, that one is the best known.
UPDATE trainer_pricing SET valid_from = current_date + 10 WHERE seeded;
SELECT trainer_calculate_training_cost('gpt-4.1', 1000000);

-- A reply is recorded whatever a price holds: one that makes no sense gives no cost.
BEGIN;
INSERT INTO trainer_pricing (model, valid_from, training, input, output, base_input, base_output)
SELECT 'odd-' || price, current_date, 1, price::numeric, 1, price::numeric, 1 FROM unnest('{NaN,Infinity,999999,1000000,1e9,0}'::text[]) AS price;
SELECT price, trainer_inference_cost_cents('odd-' || price, 1000, NULL, 0) AS cents FROM unnest('{NaN,Infinity,999999,1000000,1e9,0}'::text[]) AS price;
ROLLBACK;

SELECT trainer_calculate_training_cost(NULL, 1), trainer_calculate_training_cost('gpt-4o', NULL), trainer_training_cost_cents('gpt-99', 1);
\set VERBOSITY terse
SELECT trainer_calculate_training_cost('gpt-4o', -1);
SELECT trainer_calculate_training_cost('gpt-4o', 9223372036854775807);
\set VERBOSITY default
SELECT trainer_calculate_training_cost('gpt-99', 1);
DROP EXTENSION trainer;
