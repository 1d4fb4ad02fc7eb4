-- Money. What a reply cost is told by its row of trainer_generations; what was reserved for a training or a reply in the background, and what came of it, by
-- trainer_ledger. What both add up to is read without a counter that sessions would wait for: every row carries its transaction, the rows of transactions before a
-- watermark are added up by day in trainer_spending, and the rest is added at each read (as feedback is, 12_feedback_tables.sql).

CREATE TABLE @extschema@.trainer_budgets (
  organization_id uuid NOT NULL,
  scope text NOT NULL CHECK (scope IN ('training', 'inference', 'all')),
  period text NOT NULL CHECK (period IN ('day', 'week', 'month', 'total')),
  limit_cents numeric NOT NULL CHECK (limit_cents >= 0 AND limit_cents < 'Infinity'),
  warned_for timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (organization_id, scope, period)
);
COMMENT ON TABLE @extschema@.trainer_budgets IS 'what an organization may spend in a period, in US cents; written by trainer_set_budget()';
COMMENT ON COLUMN @extschema@.trainer_budgets.scope IS 'what counts to it: training, inference, or all of both';
COMMENT ON COLUMN @extschema@.trainer_budgets.period IS 'of the calendar, in UTC; weeks begin on Mondays; total: without an end';
COMMENT ON COLUMN @extschema@.trainer_budgets.warned_for IS 'beginning of the period that a warning has been given for';

CREATE TABLE @extschema@.trainer_ledger (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  organization_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('training', 'inference')),
  entry text NOT NULL CHECK (entry IN ('reserved', 'settled', 'released')),
  amount_cents numeric NOT NULL CHECK (amount_cents > '-Infinity' AND amount_cents < 'Infinity'),
  custom_model_id uuid,
  request_id uuid,
  generation_id uuid,
  counts_at timestamptz NOT NULL DEFAULT now(),
  created_at timestamptz NOT NULL DEFAULT now(),
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  CHECK (num_nonnulls(custom_model_id, request_id, generation_id) = 1)
);
CREATE INDEX ON @extschema@.trainer_ledger (organization_id, custom_model_id) WHERE custom_model_id IS NOT NULL;
CREATE INDEX ON @extschema@.trainer_ledger (organization_id, request_id) WHERE request_id IS NOT NULL;
CREATE INDEX trainer_ledger_unsummed ON @extschema@.trainer_ledger (xid);
COMMENT ON TABLE @extschema@.trainer_ledger IS
  'what was reserved, and by how much the cost was another: only ever added to, and of each training or request the sum is what it has cost, or may cost yet';
COMMENT ON COLUMN @extschema@.trainer_ledger.entry IS 'reserved: the estimate; settled: the difference to what it cost; released: it cost nothing';
COMMENT ON COLUMN @extschema@.trainer_ledger.custom_model_id IS 'the training that it belongs to; else the request in the background, or the reply whose cost is not known';
COMMENT ON COLUMN @extschema@.trainer_ledger.counts_at IS 'when it was reserved: which period it counts to, whenever it is settled';
COMMENT ON COLUMN @extschema@.trainer_ledger.xid IS 'the transaction that wrote the row: by it the row is added up once';

CREATE TABLE @extschema@.trainer_spending (
  organization_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('training', 'inference')),
  day date NOT NULL,
  cents numeric NOT NULL,
  PRIMARY KEY (organization_id, kind, day)
);
COMMENT ON TABLE @extschema@.trainer_spending IS 'what was spent and reserved by day (UTC), added up by the worker below the watermark of trainer_spending_mark';

CREATE TABLE @extschema@.trainer_spending_mark (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  watermark xid8 NOT NULL
);
COMMENT ON TABLE @extschema@.trainer_spending_mark IS 'one row: what transactions before the watermark have spent is in trainer_spending';
INSERT INTO @extschema@.trainer_spending_mark (watermark) VALUES ('0');

-- Replies that are there already are added up with the first ones.
ALTER TABLE @extschema@.trainer_generations ADD reserved boolean NOT NULL DEFAULT false, ADD xid xid8 NOT NULL DEFAULT '0';
ALTER TABLE @extschema@.trainer_generations ALTER xid SET DEFAULT pg_current_xact_id();
CREATE INDEX trainer_generations_unsummed ON @extschema@.trainer_generations (xid);
COMMENT ON COLUMN @extschema@.trainer_generations.reserved IS 'of a request in the background that money was reserved for: its cost counts in trainer_ledger';
COMMENT ON COLUMN @extschema@.trainer_generations.xid IS 'the transaction that wrote the row: by it its cost is added up once';

ALTER TABLE @extschema@.trainer_generation_requests
  ADD first_rung integer NOT NULL DEFAULT 0,
  ADD reserved_cents numeric CHECK (reserved_cents >= 0),
  ADD spent_cents numeric DEFAULT 0 CHECK (spent_cents >= 0);
COMMENT ON COLUMN @extschema@.trainer_generation_requests.first_rung IS 'where the ladder begins again: below the last model whose answer was withheld, and paid for';
COMMENT ON COLUMN @extschema@.trainer_generation_requests.reserved_cents IS 'the most that it can cost; null: no budget was there when it was asked for';
COMMENT ON COLUMN @extschema@.trainer_generation_requests.spent_cents IS 'of a request that money was reserved for: what its answers have cost so far; null: one did not say what it used, and the request has cost what was reserved';

-- The sums are not dumped: transactions of another cluster say nothing in this one, where all is added up anew.
ALTER TABLE @extschema@.trainer_spending ENABLE ROW LEVEL SECURITY;
ALTER TABLE @extschema@.trainer_spending_mark ENABLE ROW LEVEL SECURITY;
ALTER TABLE @extschema@.trainer_budgets ENABLE ROW LEVEL SECURITY;
ALTER TABLE @extschema@.trainer_ledger ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('@extschema@.trainer_budgets', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.trainer_ledger', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.trainer_ledger_id_seq', '');
