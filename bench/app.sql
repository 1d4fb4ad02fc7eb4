-- An app with much data, in the host schema: :rows responses of one organization, whose id is md5('organization 1'), and half as
-- many of 49 others in between. Everything follows from the row's number, so that each run has the same texts.
\i bench/schema.sql

INSERT INTO organizations (id, name, slug, plan_id)
SELECT md5('organization ' || n)::uuid, 'Organization ' || n, 'organization-' || n, 'plus' FROM generate_series(1, 50) AS n;

-- Passages to cut texts from: mostly plain words, and now and then what JSON has to escape or keep.
CREATE TEMP TABLE passages AS
SELECT n, string_agg(word, ' ' ORDER BY place) AS passage
FROM generate_series(0, 399) AS n, generate_series(1, 90) AS place,
     LATERAL (SELECT (ARRAY['the', 'a', 'crowd', 'weather', 'never', 'coffee', 'of', 'with', 'their', 'opinion', 'arrived',
                            'three', 'late', 'about', 'parking', 'and', 'still', 'wins', 'every', 'argument', 'mañana', 'déjà',
                            'which', 'is', 'more', 'than', 'one', 'can', 'say', '"quoted"', E'line\nbreak', 'back\slash', '😀',
                            'from', 'someone', 'who', 'reads', 'only', 'headlines', 'today'])
                           [1 + ('x' || substr(md5(n || '/' || place), 1, 6))::bit(24)::int % 40] AS word) AS w
GROUP BY n;

CREATE TEMP TABLE numbers AS
SELECT n, md5('comment ' || n)::uuid AS comment, md5('response ' || n)::uuid AS response,
       md5('organization ' || CASE WHEN n % 3 > 0 THEN 1 ELSE 2 + n / 3 % 49 END)::uuid AS organization,
       timestamptz '2025-01-01 00:00:00Z' + n * interval '7 s' AS at,
       hashint4(n) & 1073741823 AS hash
FROM generate_series(1, :rows / 2 * 3) AS n;
ANALYZE passages, numbers;

-- Foreign keys and indexes of the app itself are nobody's measurement. Texts have 40 to 250 characters; the number in front makes
-- each unlike all others.
SET session_replication_role = replica;
SET work_mem = '256MB';
INSERT INTO comments (id, organization_id, platform, original_text, created_at)
SELECT comment, organization, (ARRAY['twitter', 'youtube', 'instagram'])[1 + n.n % 3],
       n.n || ': ' || substr(passage, 1 + hash % 120, 30 + (hash >> 16) % 208) || '.', at
FROM numbers AS n JOIN passages AS p ON p.n = hash % 400 ORDER BY n.n;
INSERT INTO responses (id, organization_id, comment_id, response_text, created_at)
SELECT response, organization, comment,
       n.n || ': ' || substr(passage, 1 + (hash >> 4) % 120, 30 + (hash >> 12) % 208) || '.', at + interval '1 minute'
FROM numbers AS n JOIN passages AS p ON p.n = (hash >> 9) % 400 ORDER BY n.n;
INSERT INTO roast_metadata (response_id, rqc_score)
SELECT response, (n * 7 % 100) / 100.0 FROM numbers ORDER BY n;
RESET session_replication_role;
RESET work_mem;

-- The index that trainer_check() asks for.
CREATE INDEX ON responses (organization_id, created_at DESC, id DESC);
VACUUM (FREEZE, ANALYZE) organizations, comments, responses, roast_metadata;
CREATE EXTENSION trainer CASCADE;
SELECT count(*) AS bound_roles FROM trainer_attach();
