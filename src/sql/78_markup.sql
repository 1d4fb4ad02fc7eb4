-- What the page of trainer_report() is made of (src/pg/plot.cpp): markup, plots, and values as a person would write them. The script is ASCII, and so is the
-- page: what is beyond stands in it as a reference, whatever the encodings of the database, the client and the file are.

CREATE FUNCTION @extschema@.trainer_html(pattern text, VARIADIC parts text[]) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_html(text, text[]) IS
  'the pattern with each %t replaced by the next part, escaped as text, and each %m by the next part as it is: markup that was made by such a function';

CREATE FUNCTION @extschema@.trainer_plot(
  title text, description text, unit text, is_time boolean, sizes double precision[], x_range double precision[], y_range double precision[],
  names text[], marks text[], series bigint[], x double precision[], y double precision[], low double precision[], high double precision[])
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_plot(text, text, text, boolean, double precision[], double precision[], double precision[], text[], text[], bigint[], double precision[], double precision[], double precision[], double precision[]) IS
  'a plot as SVG with its key, once a pair of width and height: series have a name and a mark (line, interval, bar, rule), points the number of their series; NaN: none';

CREATE FUNCTION @extschema@.trainer_plot_strip(
  value double precision, low double precision, high double precision, range_low double precision, range_high double precision, reference double precision, title text)
RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION @extschema@.trainer_plot_strip(double precision, double precision, double precision, double precision, double precision, double precision, text) IS
  'a value with its interval on a short line, with a mark at the reference, as SVG';

CREATE FUNCTION @extschema@.trainer_count_text(n numeric) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT ltrim(to_char($1, 'FM999,999,999,999,990')) $$;
COMMENT ON FUNCTION @extschema@.trainer_count_text(numeric) IS 'a number of things, with its thousands apart';

CREATE FUNCTION @extschema@.trainer_plural_text(n numeric, one text, many text) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT @extschema@.trainer_count_text($1) || ' ' || CASE WHEN $1 = 1 THEN $2 ELSE $3 END $$;
COMMENT ON FUNCTION @extschema@.trainer_plural_text(numeric, text, text) IS 'a number of things and what they are';

-- A reply costs a fraction of a cent, a training many dollars.
CREATE FUNCTION @extschema@.trainer_money_text(cents numeric) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE WHEN $1 = 0 THEN '$0' WHEN round($1, 1) >= 100 THEN '$' || to_char($1 / 100, 'FM999,999,999,990.00')
              WHEN $1 >= 1 THEN to_char($1, 'FM90.0') || ' cents' ELSE trim_scale(round($1, 4))::text || ' cents' END
$$;
COMMENT ON FUNCTION @extschema@.trainer_money_text(numeric) IS 'US cents as a person would write them: dollars from 100 on';

CREATE FUNCTION @extschema@.trainer_percent_text(share double precision) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT round(($1 * 100)::numeric)::text || ' %' $$;
COMMENT ON FUNCTION @extschema@.trainer_percent_text(double precision) IS 'a share as whole percents';

CREATE FUNCTION @extschema@.trainer_day_text(at timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT to_char($1 AT TIME ZONE 'UTC', 'FMDD Mon YYYY') $$;
COMMENT ON FUNCTION @extschema@.trainer_day_text(timestamptz) IS 'the day of a time in UTC';

CREATE FUNCTION @extschema@.trainer_time_text(at timestamptz) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT to_char($1 AT TIME ZONE 'UTC', 'FMDD Mon YYYY, HH24:MI') $$;
COMMENT ON FUNCTION @extschema@.trainer_time_text(timestamptz) IS 'a time in UTC, to the minute';

CREATE FUNCTION @extschema@.trainer_version_text(version integer) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT coalesce('Version ' || $1, 'Base model') $$;
COMMENT ON FUNCTION @extschema@.trainer_version_text(integer) IS 'which model, in two words; null: the base model';

-- A part of the page; with what is to be said where there is nothing to be shown.
CREATE FUNCTION @extschema@.trainer_report_section(id text, heading text, content text, otherwise text DEFAULT NULL) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT @extschema@.trainer_html('<section id="%t" aria-labelledby="%t-h"><h2 id="%t-h">%t</h2>%m</section>', $1, $1, $1, $2,
    coalesce($3, @extschema@.trainer_html('<p class="none">%t</p>', $4)))
$$;
COMMENT ON FUNCTION @extschema@.trainer_report_section(text, text, text, text) IS 'a part of the page of trainer_report()';

-- cells is of markup: its first is the heading of the row. On a narrow screen each cell is a line that begins with its heading.
CREATE FUNCTION @extschema@.trainer_report_row(headings text[], cells text[]) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT '<tr>' || string_agg(CASE WHEN c.place = 1 THEN @extschema@.trainer_html('<th scope="row">%m</th>', c.cell)
    ELSE @extschema@.trainer_html('<td data-h="%t"><span>%m</span></td>', $1[c.place], c.cell) END, '' ORDER BY c.place) || '</tr>'
  FROM unnest($2) WITH ORDINALITY AS c (cell, place)
$$;
COMMENT ON FUNCTION @extschema@.trainer_report_row(text[], text[]) IS 'a row of a table of the page of trainer_report()';

CREATE FUNCTION @extschema@.trainer_report_table(caption text, headings text[], rows text) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
  SELECT @extschema@.trainer_html('<table><caption>%t</caption><thead><tr>%m</tr></thead><tbody>%m</tbody></table>', $1,
    (SELECT string_agg(@extschema@.trainer_html('<th scope="col">%t</th>', h.heading), '' ORDER BY h.place) FROM unnest($2) WITH ORDINALITY AS h (heading, place)), $3)
  WHERE $3 IS NOT NULL
$$;
COMMENT ON FUNCTION @extschema@.trainer_report_table(text, text[], text) IS 'a table of the page of trainer_report(); null where there are no rows';

-- No sign of it needs to be escaped in XML. Its digest is in the page's policy, so that it is the only style there can be.
CREATE FUNCTION @extschema@.trainer_report_style() RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT $style$
:root { color-scheme: light dark; --page: #f4f5f7; --card: #ffffff; --text: #1b1f24; --quiet: #525b66; --line: #d5dae0; --soft: #eef1f4; --accent: #0b5cad;
  --good: #146c3a; --bad: #a8201a; --warn-page: #fff4dc; --warn-line: #b57a00;
  --s1: #0b5cad; --s2: #b8500b; --s3: #0a7a5c; --s4: #9a3f86; --s5: #5d6500; --s6: #5a6370; }
@media (prefers-color-scheme: dark) { :root { --page: #101418; --card: #191f25; --text: #e8ebee; --quiet: #a7b0ba; --line: #38424c; --soft: #232b33; --accent: #7cb8f5;
  --good: #74d39b; --bad: #ff9c93; --warn-page: #33290f; --warn-line: #d9a634;
  --s1: #6fb1f2; --s2: #f3a15c; --s3: #4fcfa5; --s4: #e59ad2; --s5: #cfd36a; --s6: #b4bdc7; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
header, main, footer { max-width: 1200px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 32px; padding-bottom: 8px; }
h1 { margin: 0; font-size: 28px; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 0 0 12px; font-size: 18px; line-height: 1.3; }
h3 { margin: 0 0 4px; font-size: 15px; }
p { margin: 0 0 8px; }
bdi, li { overflow-wrap: anywhere; }
th, td { overflow-wrap: break-word; }
a { color: var(--accent); }
.sub, .note, .none, figcaption, footer { color: var(--quiet); }
.sub, .note, figcaption, footer { font-size: 14px; }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; margin-top: 12px; font-size: 14px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px 22px; margin: 16px 0; }
.tiles { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 16px; margin: 16px 0; }
.tiles section { margin: 0; padding: 16px 18px; }
.tiles h2 { font-size: 14px; font-weight: 600; color: var(--quiet); margin: 0 0 4px; }
.big { font-size: 28px; line-height: 1.2; font-weight: 650; margin: 0 0 6px; }
.tiles p { font-size: 14px; margin: 0 0 4px; }
.tiles p.big { font-size: 28px; margin: 0 0 6px; }
.good { color: var(--good); font-weight: 600; }
.bad { color: var(--bad); font-weight: 600; }
.notice { background: var(--warn-page); border: 1px solid var(--warn-line); border-left-width: 6px; border-radius: 8px; margin: 16px 0 0; padding: 12px 16px; }
.notice ul { margin: 4px 0 0; padding-left: 20px; }
.badge { display: inline-block; border: 1px solid currentColor; border-radius: 99px; padding: 0 9px; font-size: 13px; line-height: 20px; white-space: nowrap; }
.pair { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 8px 28px; align-items: start; }
.grid { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 20px 24px; margin-bottom: 20px; }
figure { margin: 0; min-width: 0; }
svg { display: block; overflow: hidden; }
svg.plot { width: 100%; max-width: 720px; height: auto; }
svg.narrow { display: none; }
svg.strip { width: 128px; height: 16px; }
svg.k { display: inline-block; width: 28px; height: 12px; vertical-align: -1px; }
svg text { fill: var(--quiet); font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
.key { display: flex; flex-wrap: wrap; gap: 2px 16px; list-style: none; margin: 0 0 6px; padding: 0; font-size: 14px; }
.g { stroke: var(--line); stroke-width: 1; }
.a { stroke: var(--quiet); stroke-width: 1; }
.r { stroke: var(--quiet); stroke-width: 1; stroke-dasharray: 3 3; }
.l { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.i { stroke-width: 5; stroke-opacity: 0.32; stroke-linecap: round; }
.b { stroke-width: 1; }
.b.o { fill-opacity: 0.28; stroke-width: 1.5; }
.s1 { stroke: var(--s1); } .s2 { stroke: var(--s2); } .s3 { stroke: var(--s3); } .s4 { stroke: var(--s4); } .s5 { stroke: var(--s5); } .s6 { stroke: var(--s6); }
.p { stroke: none; }
.p.s1, .b.s1 { fill: var(--s1); } .p.s2, .b.s2 { fill: var(--s2); } .p.s3, .b.s3 { fill: var(--s3); } .p.s4, .b.s4 { fill: var(--s4); }
.p.s5, .b.s5 { fill: var(--s5); } .p.s6, .b.s6 { fill: var(--s6); }
table { width: 100%; border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--quiet); padding-bottom: 6px; }
th, td { text-align: left; vertical-align: top; padding: 7px 14px 7px 0; border-top: 1px solid var(--line); }
thead th { color: var(--quiet); font-weight: 600; border-top: 0; }
tbody th { font-weight: 600; min-width: 92px; }
tr.now { background: var(--soft); }
.wait { margin: 20px 0 0; }
.steps { display: flex; flex-wrap: wrap; gap: 6px; list-style: none; margin: 0 0 12px; padding: 0; font-size: 14px; }
.steps li { border: 1px solid var(--line); border-radius: 8px; padding: 4px 10px; color: var(--quiet); }
.steps li.now { border: 2px solid var(--accent); color: var(--text); font-weight: 600; }
progress { width: 100%; height: 10px; accent-color: var(--accent); }
.events { list-style: none; margin: 0; padding: 0; font-size: 14px; }
.events li { display: grid; grid-template-columns: 148px minmax(0, 1fr); gap: 0 16px; padding: 6px 0; border-top: 1px solid var(--line); }
.events li:first-child { border-top: 0; }
.events time { color: var(--quiet); font-variant-numeric: tabular-nums; }
footer { padding-bottom: 32px; }
@media (max-width: 1180px) { .tiles { grid-template-columns: repeat(2, minmax(0, 1fr)); } .pair { grid-template-columns: minmax(0, 1fr); } .grid { grid-template-columns: repeat(2, minmax(0, 1fr)); } }
@media (max-width: 740px) {
  header, main, footer { padding-left: 10px; padding-right: 10px; }
  header { padding-top: 20px; }
  h1 { font-size: 23px; }
  section, .tiles section { padding: 14px 14px; }
  .tiles { gap: 10px; }
  .grid { grid-template-columns: minmax(0, 1fr); }
  svg.wide { display: none; }
  svg.narrow { display: block; }
  thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
  table, caption, tbody, tr, tbody th, td { display: block; }
  tr { border-top: 1px solid var(--line); padding: 8px 0; }
  tr.now { margin: 0 -14px; padding: 8px 14px; }
  th, td { border: 0; padding: 2px 0; }
  td { display: grid; grid-template-columns: 112px minmax(0, 1fr); gap: 0 10px; }
  td::before { content: attr(data-h); color: var(--quiet); }
  .events li { grid-template-columns: minmax(0, 1fr); }
}
@media (max-width: 420px) { .tiles { grid-template-columns: minmax(0, 1fr); } }
@media print { body { background: none; } section { break-inside: avoid; } }
$style$ $$;
COMMENT ON FUNCTION @extschema@.trainer_report_style() IS 'the style of the page of trainer_report()';
