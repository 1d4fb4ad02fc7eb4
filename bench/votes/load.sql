-- What people really said of captions: rows of CSV files (of :data, a directory), or as many made up here. Nothing changes them afterwards, so that they
-- can be counted again. A verdict is one vote of the crowd, drawn for its caption when the files were made: unfunny is rejected, somewhat funny and funny
-- are approved. A score is where the mean of all votes on a caption stands among those of its contest.
SET client_min_messages = warning;
-- A day has 24 hours here: what comes days later must not come an hour sooner in spring.
SET timezone = 'UTC';
CREATE SCHEMA votes;
SET search_path = votes, public;

CREATE TABLE raw_organizations (id uuid, name text, slug text, created_at timestamptz);
CREATE TABLE raw_responses (id uuid PRIMARY KEY, organization_id uuid, comment_id uuid, response_text text, tone text, created_at timestamptz);
CREATE TABLE raw_scores (response_id uuid PRIMARY KEY, rqc_score numeric, mean_rating numeric, votes_total int, votes_funny int, votes_somewhat_funny int,
                         votes_unfunny int, source_rank int);
CREATE TABLE raw_feedback (id uuid PRIMARY KEY, response_id uuid, organization_id uuid, feedback_type text, rating int, edited_text text, created_at timestamptz);
CREATE INDEX ON raw_feedback (response_id);

\if :{?data}
\cd :data
\copy raw_organizations FROM 'organizations.csv' WITH (FORMAT csv, HEADER)
\copy raw_responses FROM 'responses.csv' WITH (FORMAT csv, HEADER)
\copy raw_scores FROM 'roast_metadata.csv' WITH (FORMAT csv, HEADER)
\copy raw_feedback FROM 'feedback.csv' WITH (FORMAT csv, HEADER)
\else
-- The digest of a text stands for chance, so that each run has the same.
CREATE FUNCTION chance(text) RETURNS double precision IMMUTABLE LANGUAGE sql AS $$ SELECT ('x' || left(md5($1), 8))::bit(32)::bigint / 4294967296.0 $$;
INSERT INTO raw_organizations SELECT md5(slug)::uuid, slug, slug, '2026-01-01' FROM unnest(ARRAY['caption-desk-a', 'caption-desk-b']) AS slug;
INSERT INTO raw_responses
SELECT md5(o.slug || n)::uuid, o.id, md5('comment ' || n)::uuid, repeat('A caption. ', 1 + (chance('words ' || o.slug || n) * 8)::int), NULL,
       timestamptz '2026-01-01' + n * interval '1 hour'
FROM raw_organizations AS o, generate_series(1, 300) AS n;
INSERT INTO raw_scores (response_id, rqc_score) SELECT id, round(chance('score ' || id)::numeric, 4) FROM raw_responses;
INSERT INTO raw_feedback (id, response_id, organization_id, feedback_type, rating, created_at)
SELECT md5('verdict ' || r.id)::uuid, r.id, r.organization_id, v.verdict, CASE v.verdict WHEN 'approved' THEN 4 ELSE 1 END,
       r.created_at + chance('delay ' || r.id) * interval '20 days'
FROM raw_responses AS r JOIN raw_scores AS s ON s.response_id = r.id
CROSS JOIN LATERAL (SELECT CASE WHEN chance('verdict ' || r.id) < 0.1 + 0.6 * s.rqc_score THEN 'approved' ELSE 'rejected' END) AS v (verdict);
\endif
