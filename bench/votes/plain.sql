-- The same once more, from the raw rows and who was assigned to what: by the formulas of docs/statistics.md, in SQL, and without the extension.

-- A row a unit and metric whose window has passed by then.
CREATE VIEW outcome AS
SELECT m.comparison, m.place, x.metric, u.arm, x.y
FROM moment AS m JOIN unit AS u ON u.comparison = m.comparison
JOIN raw_responses AS r ON r.id = u.raw_id
JOIN raw_scores AS s ON s.response_id = r.id
CROSS JOIN LATERAL (VALUES
  ('user_approval', interval '432 hours', (EXISTS (
    SELECT FROM raw_feedback AS f
    WHERE f.response_id = r.id AND f.feedback_type = 'approved' AND f.created_at - r.created_at < interval '432 hours'))::int::double precision),
  -- A score is kept with two decimals.
  ('quality_score', interval '1 hour', CASE WHEN u.scored_at - u.at < interval '1 hour' THEN round(s.rqc_score, 2)::double precision END),
  ('response_time_ms', interval '0', ln(u.response_time_ms::double precision)),
  ('cost_cents', interval '0', ln(u.cost_cents::double precision))) AS x (metric, outcome_window, y)
WHERE u.at + x.outcome_window <= m.until AND x.y IS NOT NULL;

-- ln G(x + o) - ln G(x) is the sum of ln(x + j), j < o: no gamma function is needed.
CREATE VIEW ratio AS
SELECT o.comparison, o.place, avg(exp(
  (SELECT coalesce(sum(ln(k / 2 + j)), 0) FROM generate_series(0, o.custom - 1) AS j)
  + (SELECT coalesce(sum(ln(k / 2 + j)), 0) FROM generate_series(0, o.control - 1) AS j)
  - (SELECT sum(ln(k + j)) FROM generate_series(0, o.custom + o.control - 1) AS j)
  + (o.custom + o.control) * ln(2::double precision))) AS e
FROM (SELECT m.comparison, m.place, count(*) FILTER (WHERE u.arm = 'custom') AS custom, count(*) FILTER (WHERE u.arm = 'control') AS control
      FROM moment AS m JOIN unit AS u ON u.comparison = m.comparison AND u.at <= m.until GROUP BY 1, 2) AS o
CROSS JOIN unnest(ARRAY[10, 100, 1000, 10000]::double precision[]) AS k
GROUP BY 1, 2;

CREATE TABLE plain AS
WITH arms AS (
  SELECT comparison, place, metric, metric IN ('response_time_ms', 'cost_cents') AS is_log,
         nullif(count(*) FILTER (WHERE arm = 'custom'), 0)::double precision AS n1, nullif(count(*) FILTER (WHERE arm = 'control'), 0)::double precision AS n0,
         sum(y) FILTER (WHERE arm = 'custom') AS s1, sum(y) FILTER (WHERE arm = 'control') AS s0,
         sum(y * y) FILTER (WHERE arm = 'custom') AS q1, sum(y * y) FILTER (WHERE arm = 'control') AS q0
  FROM moment CROSS JOIN (VALUES ('user_approval'), ('quality_score'), ('response_time_ms'), ('cost_cents')) AS k (metric)
  LEFT JOIN outcome USING (comparison, place, metric)
  GROUP BY 1, 2, 3),
look AS (
  SELECT a.*, means.*, errors.d, bounds.*, n1 >= 50 AND n0 >= 50 AS is_enough
  FROM arms AS a
  CROSS JOIN LATERAL (SELECT n1 + n0 AS n, s1 / n1 AS x1, s0 / n0 AS x0, CASE WHEN is_log THEN 1 ELSE 0.25 END AS c, ln(1 / 0.05::double precision) AS ln_alpha) AS means
  CROSS JOIN LATERAL (
    SELECT x1 - x0 AS d, n * (2 * ln_alpha + ln(1 + 2 * ln_alpha)) / 2000 AS k,
           sqrt(greatest((q1 - n1 * x1 ^ 2 + c) / n1 ^ 2 + (q0 - n0 * x0 ^ 2 + c) / n0 ^ 2, (q1 + q0 - (s1 + s0) ^ 2 / n + c) / n * (1 / n1 + 1 / n0))) AS se) AS errors
  CROSS JOIN LATERAL (
    SELECT d - sqrt((1 + 1 / k) * (2 * ln_alpha + ln(1 + k))) * se AS low, d + sqrt((1 + 1 / k) * (2 * ln_alpha + ln(1 + k))) * se AS high,
           least(1, exp(ln(1 + k) / 2 - (d / se) ^ 2 * k / (2 * (1 + k)))) AS p) AS bounds)
-- The least p so far, and the first decision: those who look later cannot take them back.
SELECT l.comparison, l.place, l.metric, coalesce(n1, 0) AS custom_n, coalesce(n0, 0) AS control_n,
       CASE WHEN is_log THEN exp(x1) ELSE x1 END AS custom_mean, CASE WHEN is_log THEN exp(x0) ELSE x0 END AS control_mean,
       CASE WHEN is_log THEN exp(d) - 1 ELSE d END AS difference,
       CASE WHEN is_enough THEN CASE WHEN is_log THEN exp(low) - 1 ELSE low END END AS lower,
       CASE WHEN is_enough THEN CASE WHEN is_log THEN exp(high) - 1 ELSE high END END AS upper,
       min(CASE WHEN is_enough THEN p ELSE 1 END) OVER so_far AS p_value,
       -- 1 is for custom, and less time and less cost are better.
       (array_agg(sign(d) * CASE WHEN is_log THEN -1 ELSE 1 END) FILTER (WHERE is_enough AND (low > 0 OR high < 0)) OVER so_far)[1] AS decision, r.e
FROM look AS l JOIN ratio AS r ON (r.comparison, r.place) = (l.comparison, l.place)
WINDOW so_far AS (PARTITION BY l.comparison, l.metric ORDER BY l.place);
