-- What the extension has said beside plain SQL; an error when one value differs.
SET search_path = votes, public;
\pset footer off
\pset null ''

\echo 'Approval within 18 days, by the share of the units that had been answered:'
SELECT c.custom AS "custom is", c.control AS "control is", m.label AS after, s.custom_n + s.control_n AS units, round(s.custom_mean::numeric * 100, 1) AS custom,
       round(s.control_mean::numeric * 100, 1) AS control, to_char(s.difference * 100, 'FMSG990.0') AS difference,
       to_char(s.lower * 100, 'FMSG990.0') || ' .. ' || to_char(s.upper * 100, 'FMSG990.0') AS interval, round(s.p_value::numeric, 4) AS p, s.decision,
       round(s.sample_ratio_e::numeric, 2) AS "ratio e"
FROM seen AS s JOIN comparison AS c ON c.id = s.comparison JOIN moment AS m USING (comparison, place)
WHERE s.is_primary ORDER BY c.id, s.place;

\echo 'What is said at the end:'
SELECT c.custom AS "custom is", c.control AS "control is", s.metric, s.summary
FROM seen AS s JOIN comparison AS c ON c.id = s.comparison WHERE s.place = 5 ORDER BY c.id, NOT s.is_primary, s.metric;

CREATE TEMP VIEW compared AS
SELECT s.comparison, s.place, m.label AS after, s.metric, v.what, v.extension, v.plain_sql,
       v.extension IS NOT DISTINCT FROM v.plain_sql
       OR coalesce(abs(v.extension - v.plain_sql) <= 1e-9 * greatest(abs(v.extension), abs(v.plain_sql)), false) AS is_equal
FROM seen AS s JOIN moment AS m USING (comparison, place) LEFT JOIN plain AS p USING (comparison, place, metric)
CROSS JOIN LATERAL (VALUES
  ('custom_n', s.custom_n::double precision, p.custom_n), ('custom_mean', s.custom_mean, p.custom_mean), ('control_n', s.control_n, p.control_n),
  ('control_mean', s.control_mean, p.control_mean), ('difference', s.difference, p.difference), ('lower', s.lower, p.lower), ('upper', s.upper, p.upper),
  ('p_value', s.p_value, p.p_value), ('sample_ratio_e', s.sample_ratio_e, p.e), ('sample_ratio_ok', s.sample_ratio_ok::int, (p.e < 100)::int),
  ('decision', CASE s.decision WHEN 'custom' THEN 1 WHEN 'control' THEN -1 END, CASE WHEN p.e < 100 THEN p.decision END)) AS v (what, extension, plain_sql);

SELECT count(*) AS compared, count(*) FILTER (WHERE extension IS NULL) AS of_them_empty, count(*) FILTER (WHERE NOT is_equal) AS different FROM compared \gset
\echo :compared values compared with plain SQL (:of_them_empty of them empty), :different differ by more than 1e-9.
SELECT (:different > 0)::text AS is_different \gset
\if :is_different
SELECT c.custom AS "custom is", c.control AS "control is", v.after, v.metric, v.what, v.extension, v.plain_sql
FROM compared AS v JOIN comparison AS c ON c.id = v.comparison WHERE NOT v.is_equal ORDER BY c.id, v.place, v.metric, v.what;
\endif
DO $$
BEGIN
  IF (SELECT count(*) <> 3 * 5 * 4 * 11 OR NOT bool_and(is_equal) FROM compared) THEN
    RAISE EXCEPTION 'the results are not those of plain SQL';
  END IF;
END $$;
