-- Budgets: what is reserved, settled and given back, who is refused, and that the ledger adds up. The library is preloaded, the worker paused.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS trainer CASCADE;
DROP SCHEMA IF EXISTS money CASCADE;
CREATE SCHEMA money;
CREATE EXTENSION trainer CASCADE;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET search_path = money, public;
SELECT trainer_pause_worker('a regression test');
CREATE FUNCTION org(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT lpad(n::text, 32, '0')::uuid $$;
CREATE FUNCTION comment(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$ SELECT ('c0000000' || lpad(n::text, 24, '0'))::uuid $$;
CREATE TABLE organizations (id uuid PRIMARY KEY, plan_id text DEFAULT 'plus');
CREATE TABLE comments (id uuid PRIMARY KEY, organization_id uuid, platform text, original_text text);
CREATE TABLE responses (id uuid PRIMARY KEY, organization_id uuid, comment_id uuid, response_text text, created_at timestamptz DEFAULT now());
CREATE TABLE roast_metadata (response_id uuid PRIMARY KEY, rqc_score numeric);
INSERT INTO organizations SELECT org(n) FROM generate_series(1, 4) AS n;
INSERT INTO comments SELECT comment(n), org(1 + n % 2), 'bluesky', 'comment ' || n FROM generate_series(1, 60) AS n;
INSERT INTO responses SELECT comment(n), org(1 + n % 2), comment(n), 'reply ' || n FROM generate_series(1, 60) AS n;
INSERT INTO roast_metadata SELECT comment(n), 0.9 FROM generate_series(1, 60) AS n;
SELECT count(*) AS bound FROM trainer_attach();
-- A cent for each of 100 tokens, whichever they are; training costs a cent for ten.
INSERT INTO trainer_pricing (model, valid_from, training, input, output, base_input, base_output) VALUES ('round', current_date, 1000, 100, 100, 100, 100), ('gpt-4o', current_date, 1000, 100, 100, 100, 100);

-- --- to set one ---

SELECT trainer_set_budget(NULL, 'all', 1);
SELECT trainer_set_budget(org(1), 'everything', 1);
SELECT trainer_set_budget(org(1), NULL, 1);
SELECT trainer_set_budget(org(1), 'all', 1, 'year');
SELECT trainer_set_budget(org(1), 'all', -1);
SELECT trainer_set_budget(org(1), 'all', 'NaN');
SELECT trainer_set_budget(org(1), 'all', 'Infinity');
SELECT trainer_set_budget(org(9), 'all', 1);
SELECT scope, period, limit_cents FROM trainer_set_budget(org(1), 'training', 500);
SELECT scope, period, limit_cents FROM trainer_set_budget(org(1), 'training', 600);
SELECT scope, period, limit_cents FROM trainer_set_budget(org(1), 'training', 7, 'day');
SELECT scope, period, limit_cents, used_cents, reserved_cents, left_cents FROM trainer_budget_status;
-- Removed; of one that is not there nothing.
SELECT scope, period, limit_cents FROM trainer_set_budget(org(1), 'training', NULL, 'day');
SELECT scope, period, limit_cents FROM trainer_set_budget(org(1), 'training', NULL, 'day');

-- --- periods: of the calendar, in UTC ---

SET timezone = 'Pacific/Auckland';
SELECT period, trainer_period_start(period, '2026-03-01 00:30+00') AT TIME ZONE 'UTC' AS start FROM unnest('{day,week,month,total}'::text[]) AS period;
SELECT period, trainer_period_start(period, '2026-02-28 23:30+00') AT TIME ZONE 'UTC' AS start FROM unnest('{day,week,month,total}'::text[]) AS period;
RESET timezone;

-- --- training: reserved, refused, cancelled, settled ---

CREATE FUNCTION dataset(n int) RETURNS uuid LANGUAGE sql AS $$ SELECT id FROM trainer_prepare_dataset(org(n), min_examples => 10, validation_fraction => 0) $$;
CREATE FUNCTION ledger() RETURNS TABLE (kind text, entry text, of_what text, share numeric) LANGUAGE sql AS $$
  SELECT l.kind, l.entry, CASE WHEN l.custom_model_id IS NOT NULL THEN 'training' WHEN l.request_id IS NOT NULL THEN 'request' ELSE 'generation' END,
         round(l.amount_cents / (SELECT r.amount_cents FROM trainer_ledger AS r
           WHERE r.entry = 'reserved' AND coalesce(r.custom_model_id, r.request_id) = coalesce(l.custom_model_id, l.request_id)), 4)
  FROM trainer_ledger AS l ORDER BY l.id $$;
\set VERBOSITY terse
SELECT scope, period FROM trainer_set_budget(org(1), 'training', 1);
SELECT id AS dataset FROM trainer_prepare_dataset(org(1), min_examples => 10, validation_fraction => 0) \gset
SELECT cost_cents AS cost, exact FROM trainer_estimate_training_cost(:'dataset') \gset
-- An example that is too long to be counted is reserved as the longest that the provider trains on.
BEGIN;
UPDATE training_examples SET messages = ('[{"role": "user", "content": "' || repeat('a ', 33600000) || '"}]')::json WHERE dataset_id = :'dataset' AND ordinal = 1;
SELECT training_tokens > (limits ->> 'max_example_tokens')::bigint AS as_the_longest FROM trainer_estimate_training_cost(:'dataset');
ROLLBACK;
SELECT trainer_submit_training(:'dataset');
\set VERBOSITY default
-- What is left, and what was asked for.
DO $$
DECLARE
  detail text;
BEGIN
  PERFORM trainer_submit_training((SELECT id FROM training_datasets));
EXCEPTION WHEN SQLSTATE 'TR005' THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RAISE NOTICE '% %', SQLERRM, replace(detail, trim_scale((SELECT cost_cents FROM trainer_estimate_training_cost((SELECT id FROM training_datasets))))::text, '<the estimate>');
END $$;
SELECT count(*) AS models, (SELECT count(*) FROM trainer_ledger) AS ledger FROM custom_models;
-- For exactly one.
SELECT scope, period FROM trainer_set_budget(org(1), 'training', :cost);
SELECT id AS model FROM trainer_submit_training(:'dataset') \gset
SELECT * FROM ledger();
SELECT scope, used_cents = :cost AS used, reserved_cents = :cost AS reserved, left_cents FROM trainer_budget_status;
-- Nine tenths and more.
SELECT kind, detail - 'used_cents' - 'limit_cents' AS detail FROM trainer_event_log WHERE kind = 'budget_warning';
SELECT trainer_sum_up_spending();
SELECT trainer_sum_up_spending();
SELECT kind, organization_id, detail - 'used_cents' - 'limit_cents' AS detail FROM trainer_event_log WHERE kind = 'budget_warning';
SELECT id AS second FROM trainer_prepare_dataset(org(1), min_examples => 10, validation_fraction => 0) \gset
\set VERBOSITY terse
SELECT trainer_submit_training(:'second');
\set VERBOSITY default
SELECT status FROM trainer_cancel_training(:'model');
SELECT * FROM ledger();
SELECT scope, used_cents, reserved_cents, left_cents = :cost AS all_left FROM trainer_budget_status;
-- Rolled back, to a savepoint or as a whole, it has never been reserved.
BEGIN;
SAVEPOINT one;
SELECT status FROM trainer_submit_training(:'second');
ROLLBACK TO one;
SELECT status FROM trainer_submit_training(:'second');
RELEASE one;
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT id AS model FROM trainer_submit_training(:'second') \gset
COMMIT;
-- Trained: the provider has counted a little more, and a little less; a failed one costs nothing.
UPDATE custom_models SET status = 'evaluating', trained_tokens = 1, training_cost_cents = :cost * 1.25 WHERE id = :'model';
SELECT * FROM ledger() OFFSET 2;
UPDATE custom_models SET status = 'succeeded' WHERE id = :'model';
UPDATE custom_models SET training_cost_cents = :cost * 0.5 WHERE id = :'model';
SELECT * FROM ledger() OFFSET 4;
SELECT used_cents = :cost * 0.5 AS settled, reserved_cents, left_cents = :cost * 0.5 AS left FROM trainer_budget_status;
SELECT ok, detail FROM trainer_examine() WHERE check_name = 'ledger';
-- A budget without a price decides nothing; without a budget it goes on with no cost.
UPDATE training_datasets SET status = 'ready', training_params = training_params || '{"base_model": "gpt-99"}' WHERE id IN (:'dataset', :'second');
SELECT trainer_submit_training(:'dataset');
SELECT scope, period FROM trainer_set_budget(org(1), 'training', NULL);
SELECT id AS unpriced, status FROM trainer_submit_training(:'dataset') \gset
UPDATE custom_models SET status = 'failed' WHERE id = :'unpriced';
SELECT count(*) AS of_it FROM trainer_ledger WHERE custom_model_id = :'unpriced';

-- --- replies in the background ---

SELECT scope, period FROM trainer_set_budget(org(2), 'all', 100, 'total');
SELECT trainer_request_generation(comment(1), '{"max_tokens": 100}') AS request \gset
SELECT reserved_cents = trainer_most_cents(ARRAY['gpt-4o'], ARRAY[(rungs -> 0 -> 'messages')::text], 100) AS the_most, reserved_cents > 1 AS more_than_the_reply, reserved_cents AS most
FROM trainer_generation_requests WHERE id = :'request' \gset
SELECT :'the_most' AS the_most, :'more_than_the_reply' AS more_than_the_reply;
SELECT * FROM ledger() OFFSET 5;
SELECT scope, period FROM trainer_set_budget(org(2), 'all', :most * 1.5, 'total');
\set VERBOSITY terse
SELECT trainer_request_generation(comment(1), '{"max_tokens": 100}');
\set VERBOSITY default
SELECT scope, period FROM trainer_set_budget(org(2), 'all', :most * 2, 'total');
SELECT trainer_request_generation(comment(1), '{"max_tokens": 100}') AS failed \gset
-- Both tokens of ours and of the answer's: as the worker records them.
INSERT INTO trainer_generations (organization_id, comment_id, rung, reason, model, cost_cents, response_time_ms, reserved) VALUES (org(2), comment(1), 'base', '', 'gpt-4o', 0.5, 1, true);
UPDATE trainer_generation_requests SET state = 'sending' WHERE id IN (:'request', :'failed');
UPDATE trainer_generation_requests SET state = 'writing', spent_cents = 0.5 WHERE id = :'request';
UPDATE trainer_generation_requests SET state = 'failed' WHERE id = :'failed';
SELECT entry, count(*), sum(l.amount_cents) + CASE entry WHEN 'reserved' THEN 0 ELSE count(*) * :most END AS cents_but_for_the_most, sum(l.amount_cents) = count(*) * :most AS the_most
FROM trainer_ledger AS l WHERE request_id IS NOT NULL GROUP BY 1 ORDER BY 1;
SELECT used_cents, reserved_cents FROM trainer_budget_status;
-- Deleted while it waits it costs nothing; while it is under way, what it can.
SELECT trainer_request_generation(comment(1), '{"max_tokens": 100}') AS one \gset
DELETE FROM trainer_generation_requests WHERE id = :'one';
SELECT used_cents, reserved_cents FROM trainer_budget_status;
SELECT trainer_request_generation(comment(1), '{"max_tokens": 100}') AS one \gset
UPDATE trainer_generation_requests SET state = 'sending' WHERE id = :'one';
DELETE FROM trainer_generation_requests WHERE id = :'one';
SELECT used_cents - :most AS used, reserved_cents FROM trainer_budget_status;
-- One answer does not say what it used: the sum is what was reserved, whether one that does say came before it or after.
SELECT scope, period FROM trainer_set_budget(org(2), 'all', :most * 9, 'total');
SELECT trainer_request_generation(comment(1), '{"max_tokens": 100}') AS after, trainer_request_generation(comment(1), '{"max_tokens": 100}') AS before \gset
UPDATE trainer_generation_requests SET state = 'sending' WHERE id IN (:'after', :'before');
UPDATE trainer_generation_requests SET spent_cents = spent_cents + CASE id WHEN :'after' THEN 0.5 END WHERE id IN (:'after', :'before');
UPDATE trainer_generation_requests SET spent_cents = spent_cents + CASE id WHEN :'before' THEN 0.5 END WHERE id IN (:'after', :'before');
UPDATE trainer_generation_requests SET state = 'writing' WHERE id IN (:'after', :'before');
SELECT sum(l.amount_cents) = :most AS the_most FROM trainer_ledger AS l WHERE l.request_id IN (:'after', :'before') GROUP BY l.request_id;
SELECT ok, detail FROM trainer_examine() WHERE check_name = 'ledger';
-- A model without a price.
SET trainer.default_base_model = 'gpt-99';
SELECT trainer_request_generation(comment(1));
SELECT trainer_request_generation(comment(2)) IS NOT NULL AS without_a_budget;
RESET trainer.default_base_model;
-- A reply in a session counts by its own row, in its period, and once.
INSERT INTO trainer_generations (organization_id, comment_id, rung, reason, model, cost_cents, response_time_ms, created_at)
SELECT org(3), comment(3), 'base', '', 'gpt-4o', 0.25, 1, now() - n * interval '1 day' FROM generate_series(0, 39) AS n;
SELECT scope, period FROM trainer_set_budget(org(3), 'inference', 1000, 'total');
SELECT scope, period FROM trainer_set_budget(org(3), 'inference', 1000, 'day');
SELECT scope, period FROM trainer_set_budget(org(3), 'training', 1000, 'total');
SELECT scope, period, used_cents FROM trainer_budget_status WHERE organization_id = org(3);
SELECT trainer_sum_up_spending();
SELECT scope, period, used_cents FROM trainer_budget_status WHERE organization_id = org(3);
SELECT sum(cents), count(*) FROM trainer_spending WHERE organization_id = org(3);
SELECT sum(g.cost_cents) AS above_the_mark FROM trainer_generations AS g, trainer_spending_mark AS m WHERE g.xid >= m.watermark;
-- One that says that it was written before is of the transaction that writes it.
INSERT INTO trainer_generations (organization_id, comment_id, rung, reason, model, cost_cents, response_time_ms, xid) VALUES (org(3), comment(3), 'base', '', 'gpt-4o', 0.25, 1, '3');
SELECT scope, period, used_cents FROM trainer_budget_status WHERE organization_id = org(3);

-- --- what has no price ---

INSERT INTO trainer_generations (organization_id, comment_id, rung, reason, model, response_time_ms) VALUES (org(3), org(3), 'base', '', 'x', 1);
SELECT trainer_sum_up_spending();
SELECT EXISTS (SELECT FROM trainer_generations AS g, trainer_spending_mark AS m WHERE g.xid >= m.watermark) AS is_read_again;
INSERT INTO trainer_pricing (model, valid_from, training, input, output) VALUES ('odd', current_date, 'NaN', 1, 1), ('endless', current_date, 'Infinity', 1, 1);
SELECT trainer_training_cost_cents(m, 1000) IS NULL AS has_none FROM unnest('{odd,endless}'::text[]) AS m;
DELETE FROM trainer_pricing WHERE model IN ('odd', 'endless');

-- --- several budgets, each with its period ---

INSERT INTO trainer_generations (organization_id, comment_id, rung, reason, model, cost_cents, response_time_ms, created_at)
SELECT org(4), comment(4), 'base', '', 'gpt-4o', 40, 1, trainer_period_start('day') - interval '1 second';
SELECT scope, period FROM trainer_set_budget(org(4), 'inference', 40, 'day');
SELECT trainer_hold(org(4), 'inference', 40);
SELECT trainer_hold(org(4), 'inference', 40.1);
SELECT scope, period FROM trainer_set_budget(org(4), 'all', 75, 'total');
SELECT trainer_hold(org(4), 'inference', 35);
SELECT trainer_hold(org(4), 'inference', 36);
SELECT trainer_hold(org(4), 'training', 36);

-- --- what is deleted goes on to count, once ---

SELECT id AS dataset FROM trainer_prepare_dataset(org(1), min_examples => 10, validation_fraction => 0) \gset
SELECT scope, period FROM trainer_set_budget(org(1), 'all', 100000, 'total');
SELECT id AS model FROM trainer_submit_training(:'dataset') \gset
SELECT trainer_spent(org(1), 'inference', '-infinity') AS inference, trainer_spent(org(1), 'training', '-infinity') AS training \gset
INSERT INTO trainer_generations (organization_id, comment_id, custom_model_id, rung, reason, model, cost_cents, response_time_ms) VALUES (org(1), comment(2), :'model', 'fine_tuned', '', 'x', 3, 1);
SELECT trainer_sum_up_spending();
INSERT INTO trainer_generations (organization_id, comment_id, custom_model_id, rung, reason, model, cost_cents, response_time_ms) VALUES (org(1), comment(2), :'model', 'fine_tuned', '', 'x', 4, 1);
DELETE FROM custom_models WHERE id = :'model';
SELECT trainer_spent(org(1), 'inference', '-infinity') - :inference AS inference, :training - trainer_spent(org(1), 'training', '-infinity') = (SELECT cost_cents FROM trainer_estimate_training_cost(:'dataset')) AS given_back;
SELECT trainer_sum_up_spending();
SELECT trainer_spent(org(1), 'inference', '-infinity') - :inference AS inference;
SELECT ok, detail FROM trainer_examine() WHERE check_name = 'ledger';
-- As in another cluster, where all is added up anew.
BEGIN;
DELETE FROM trainer_spending;
UPDATE trainer_spending_mark SET watermark = '0';
SELECT trainer_spent(org(1), 'inference', '-infinity') - :inference AS inference;
ROLLBACK;
-- Also by a trigger of the app.
CREATE FUNCTION take_requests_along() RETURNS trigger LANGUAGE plpgsql SET search_path = money, public AS $$ BEGIN DELETE FROM trainer_generation_requests WHERE comment_id = OLD.id; RETURN NULL; END $$;
CREATE TRIGGER take_requests_along AFTER DELETE ON comments FOR EACH ROW EXECUTE FUNCTION take_requests_along();
SELECT trainer_spent(org(1), 'all', '-infinity') AS before \gset
SELECT trainer_request_generation(comment(4)) IS NOT NULL AS asked;
DELETE FROM comments WHERE id = comment(4);
SELECT trainer_spent(org(1), 'all', '-infinity') - :before AS kept;

-- --- what is in the ledger stays there ---

UPDATE trainer_ledger SET amount_cents = 0;
DELETE FROM trainer_ledger;
TRUNCATE trainer_ledger;
\set VERBOSITY terse
INSERT INTO trainer_ledger (organization_id, kind, entry, amount_cents) VALUES (org(2), 'inference', 'settled', 1);
INSERT INTO trainer_ledger (organization_id, kind, entry, amount_cents, request_id) VALUES (org(2), 'inference', 'settled', 'NaN', :'request');
\set VERBOSITY default
-- A row too many is found.
INSERT INTO trainer_ledger (organization_id, kind, entry, amount_cents, request_id) VALUES (org(2), 'inference', 'settled', 1, :'request');
SELECT ok, replace(detail, :'request', '<request>') AS detail, hint FROM trainer_examine() WHERE check_name = 'ledger';
-- It goes with its organization alone.
DELETE FROM responses WHERE organization_id = org(2);
SELECT count(*) > 0 AS rows FROM trainer_ledger WHERE organization_id = org(2);
DELETE FROM organizations WHERE id = org(2);
SELECT count(*) AS rows FROM trainer_ledger WHERE organization_id = org(2);
SELECT count(*) AS budgets FROM trainer_budgets WHERE organization_id = org(2);
SELECT ok FROM trainer_examine() WHERE check_name = 'ledger';

-- Also when somebody deletes it who knows nothing of its money.
SELECT trainer_sum_up_spending();
INSERT INTO trainer_generations (organization_id, comment_id, rung, reason, model, cost_cents, response_time_ms) VALUES (org(4), comment(4), 'base', '', 'gpt-4o', 1, 1);
CREATE ROLE regress_money;
GRANT USAGE ON SCHEMA money TO regress_money;
GRANT SELECT, DELETE ON organizations TO regress_money;
SET ROLE regress_money;
DELETE FROM organizations WHERE id = org(4);
RESET ROLE;
SELECT count(*) AS rows FROM trainer_ledger WHERE organization_id = org(4);
SELECT ok FROM trainer_examine() WHERE check_name = 'ledger';
-- Sums that are not those of the rows are found, and can be made anew.
UPDATE trainer_spending SET cents = cents + 1 WHERE organization_id = org(3);
SELECT ok, detail, hint FROM trainer_examine() WHERE check_name = 'ledger';
DELETE FROM trainer_spending;
UPDATE trainer_spending_mark SET watermark = '0';
SELECT trainer_sum_up_spending();
SELECT ok FROM trainer_examine() WHERE check_name = 'ledger';
-- What a first try was billed for stays, when the model is deleted before its second one.
SELECT id AS dataset FROM trainer_prepare_dataset(org(1), min_examples => 10, validation_fraction => 0) \gset
SELECT id AS model FROM trainer_submit_training(:'dataset') \gset
SELECT trainer_spent(org(1), 'training', '-infinity') AS before, (SELECT sum(amount_cents) FROM trainer_ledger WHERE custom_model_id = :'model') AS reserved \gset
UPDATE custom_models SET training_cost_cents = 2, retries = 1 WHERE id = :'model';
DELETE FROM custom_models WHERE id = :'model';
SELECT trainer_spent(org(1), 'training', '-infinity') - :before + :reserved AS kept;

-- --- taken from the budget, and the end of the transaction ---

BEGIN;
SELECT trainer_hold(org(3), 'inference', 1);
PREPARE TRANSACTION 'money';
SELECT trainer_hold(org(3), 'nothing', 1);
SELECT trainer_hold(org(3), 'inference', -1);
SELECT trainer_hold(org(3), 'inference', 989.75);
SELECT trainer_hold(org(3), 'inference', 989.76);
SELECT trainer_hold(org(3), 'inference', 1e15);
SET client_min_messages = warning;
DROP SCHEMA money CASCADE;
DROP EXTENSION trainer;
DROP ROLE regress_money;
