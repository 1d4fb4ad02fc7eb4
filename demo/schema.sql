-- The sample app: a multi-tenant service that answers comments on social media. These tables are the app's own; the
-- extension is bound to them by trainer_attach() and knows them by nothing else.

CREATE TABLE organizations (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name text NOT NULL,
  slug text NOT NULL UNIQUE,
  plan_id varchar(50) NOT NULL DEFAULT 'free',
  settings jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE comments (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
  platform varchar(50) NOT NULL,
  platform_comment_id text,
  platform_user_id text,
  original_text text NOT NULL,
  language varchar(10),
  toxicity_score numeric(4,3) CHECK (toxicity_score BETWEEN 0 AND 1),
  severity_level varchar(20),
  status varchar(20) NOT NULL DEFAULT 'answered',
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON comments (organization_id, created_at);

CREATE TABLE responses (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
  comment_id uuid NOT NULL REFERENCES comments ON DELETE CASCADE,
  response_text text NOT NULL,
  tone text,
  post_status varchar(20) NOT NULL DEFAULT 'posted' CHECK (post_status IN ('pending', 'posted', 'failed')),
  posted_at timestamptz,
  generation_time_ms integer,
  tokens_used integer,
  cost_cents integer,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON responses (organization_id, created_at DESC, id DESC);
CREATE INDEX ON responses (comment_id);

CREATE TABLE roast_metadata (
  response_id uuid PRIMARY KEY REFERENCES responses ON DELETE CASCADE,
  rqc_score numeric CHECK (rqc_score BETWEEN 0 AND 1),
  quality_metrics jsonb NOT NULL DEFAULT '{}'
);

CREATE TABLE roastr_persona (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  organization_id uuid NOT NULL UNIQUE REFERENCES organizations ON DELETE CASCADE,
  lo_que_me_define text,
  lo_que_no_tolero text,
  lo_que_me_da_igual text,
  tone text,
  custom_style_prompt text,
  created_at timestamptz NOT NULL DEFAULT now()
);
