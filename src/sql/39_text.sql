-- Text for people at a terminal. What programs read is in the tables.

-- By lines: broken between words, or within one that is longer than the width. A line that has a character which a terminal may show on two columns
-- (East Asian ones, emoji) gets half as many: it is never too wide, and may be narrower than it could be.
CREATE FUNCTION @extschema@.trainer_fit(content text, width integer, most_lines integer DEFAULT 100) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
  WITH line AS (
    SELECT l.n, btrim(regexp_replace(l.line, '[[:space:][:cntrl:]]+', ' ', 'g')) AS line,
           CASE WHEN l.line ~ '[\u1100-\u115f\u231a-\u23ff\u25fd\u25fe\u2600-\u27bf\u2b00-\u2bff\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe6f\uff00-\uffe6\U00010000-\U0010ffff]'
                THEN width / 2 ELSE width END AS most
    FROM string_to_table(left(content, 10000), E'\n') WITH ORDINALITY AS l (line, n)),
  wrapped AS (
    SELECT string_to_array(string_agg(rtrim(regexp_replace(l.line, format('(.{1,%s})(?: |$)|(\S{%s})', l.most, l.most), E'\\1\\2\n', 'g'), E'\n'), E'\n' ORDER BY l.n), E'\n') AS lines,
           min(l.most) AS least
    FROM line AS l)
  SELECT array_to_string(lines[:most_lines - 1] || CASE WHEN cardinality(lines) > most_lines THEN left(lines[most_lines], CASE WHEN least < width THEN greatest(least - 2, 0) ELSE width - 3 END) || '...'
                                                        ELSE lines[most_lines] END, E'\n')
  FROM wrapped
$$;
COMMENT ON FUNCTION @extschema@.trainer_fit(text, integer, integer) IS
  'a text as lines of so many columns (4 to 255) at most, without control characters, and cut off with three dots behind so many lines';
