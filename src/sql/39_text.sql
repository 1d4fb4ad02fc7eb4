-- Text for people at a terminal. What programs read is in the tables.

-- By lines: broken between words, or within one that is longer than the width.
CREATE FUNCTION @extschema@.trainer_fit(content text, width integer, most_lines integer DEFAULT 100) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH wrapped AS (
    SELECT string_to_array(string_agg(rtrim(regexp_replace(
             btrim(regexp_replace(l.line, '[[:space:][:cntrl:]]+', ' ', 'g')),
             format('(.{1,%s})(?: |$)|(\S{%s})', width, width), E'\\1\\2\n', 'g'), E'\n'), E'\n' ORDER BY l.n), E'\n') AS lines
    FROM string_to_table(left(content, 10000), E'\n') WITH ORDINALITY AS l (line, n))
  SELECT array_to_string(lines[:most_lines - 1] || CASE WHEN cardinality(lines) > most_lines THEN left(lines[most_lines], width - 3) || '...'
                                                        ELSE lines[most_lines] END, E'\n')
  FROM wrapped
$$;
COMMENT ON FUNCTION @extschema@.trainer_fit(text, integer, integer) IS
  'a text as lines of so many characters (4 to 255) at most, without control characters, and cut off with three dots behind so many lines';
