-- The methods of core/stats that SQL uses (src/pg/statistics.cpp). docs/statistics.md has the formulas and where they come from.

CREATE FUNCTION @extschema@.trainer_mean_difference(
  custom_n bigint, custom_sum double precision, custom_squares double precision, control_n bigint, control_sum double precision,
  control_squares double precision, alpha double precision DEFAULT 0.05, planned_units double precision DEFAULT 2000,
  pseudo_deviation double precision DEFAULT 0.25, OUT difference double precision, OUT lower double precision, OUT upper double precision,
  OUT p_value double precision)
RETURNS record
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_mean_difference(bigint, double precision, double precision, bigint, double precision, double precision, double precision, double precision, double precision) IS
  'difference of two means by n, sum and sum of squares, with an interval that holds at every n at once with probability 1 - alpha; without one until both arms have 50';

CREATE FUNCTION @extschema@.trainer_proportion_interval(
  successes bigint, n bigint, alpha double precision DEFAULT 0.05, OUT lower double precision, OUT upper double precision)
RETURNS record
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_proportion_interval(bigint, bigint, double precision) IS
  'Wilson''s interval of a proportion, for display: it holds at one n that was fixed before; of n 0 there is none';

CREATE FUNCTION @extschema@.trainer_sample_ratio(counts bigint[], shares double precision[], OUT e_value double precision, OUT p_value double precision)
RETURNS record
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_sample_ratio(bigint[], double precision[]) IS
  'evidence that the arms did not get their shares, valid however often it is looked at: an e-value of 100 or more comes about by chance at most once in a hundred tests';

CREATE FUNCTION @extschema@.trainer_bucket(experiment text, salt text, unit_type text, unit_id text) RETURNS integer
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_bucket(text, text, text, text) IS
  'where a unit falls in an experiment, from 0 to 999999: the same for ever, and independent of where it falls in another one';

CREATE FUNCTION @extschema@.trainer_sample_size(
  minimum_effect double precision, baseline double precision, deviation double precision, traffic double precision, alpha double precision,
  power double precision, units_per_day double precision, OUT fixed_units bigint, OUT planned_units bigint, OUT expected_units bigint, OUT days double precision)
RETURNS record
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_sample_size(double precision, double precision, double precision, double precision, double precision, double precision, double precision) IS
  'units of both arms that find an effect: of a rate where deviation is 0, else of a mean; looked at once, looked at always, and when an effect of that size is expected to be found';

CREATE FUNCTION @extschema@.trainer_proportion_sequence(
  successes bigint, units bigint, alpha double precision DEFAULT 0.05, OUT lower double precision, OUT upper double precision)
RETURNS record
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_proportion_sequence(bigint, bigint, double precision) IS
  'interval of a rate that holds at every number of units at once with probability 1 - alpha; none without units';
