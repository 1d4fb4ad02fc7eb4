# Metrics: what the worker and the sessions count is what the provider's stand-in has seen and what the tables say; what outlives what; how long a scrape takes
# of a thousand organizations; and that docs/monitoring.md, the exporters' configuration and promtool know the same metrics.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use TrainerTest;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $top     = "$FindBin::RealBin/../..";
my $sandbox = start_sandbox(job_seconds => 0.2, max_seconds => 600);
my $node = start_node('metrics', $sandbox, organizations => 3, 'trainer.request_timeout' => '3s', 'trainer.retrain_threshold' => 100_000_000);
my $chats = '/v1/chat/completions';

sub value { return $node->safe_psql('postgres', $_[0]) }

# The sum of the series of a metric that have these labels, an SQL condition on them.
sub metric
{
	my ($name, %labels) = @_;
	my $condition = join ' AND ', "name = '$name'", map { "labels ->> '$_' = '$labels{$_}'" } sort keys %labels;
	return value("SELECT coalesce(sum(value), 0) FROM trainer_metrics WHERE $condition");
}

# What the code adds to the metrics that are given: [ name, labels... ]
sub added
{
	my ($code, @metrics) = @_;
	my @before = map { metric(@$_) } @metrics;
	$code->();
	return map { metric(@{ $metrics[$_] }) - $before[$_] } 0 .. $#metrics;
}

my $next = 0;
sub comment { my ($organization) = @_; ++$next; return value("SELECT md5('" . org($organization) . "' || 'comment' || $next)::uuid") }
sub result { my ($result) = @_; return [ 'trainer_provider_requests_total', kind => 'reply', result => $result ] }
my $retries = [ 'trainer_provider_retries_total', kind => 'reply' ];

my $model = train($node, 1);
wait_for_status($node, $model, 'deployed');
settle($node, 60);

subtest 'a training: each request that the provider has seen, once, by what it was for' => sub {
	is(metric('trainer_provider_requests_total'), scalar(() = $sandbox->history), 'as many as the provider has seen');
	is(metric('trainer_provider_requests_total', result => 'ok'), scalar(grep { $_->{status} eq '200' } $sandbox->history), '... and answered');
	is(metric('trainer_provider_request_duration_seconds_count'), metric('trainer_provider_requests_total'), 'each in the histogram');
	cmp_ok(metric('trainer_provider_requests_total', kind => 'upload'), '>=', 2, 'uploads');
	cmp_ok(metric('trainer_provider_requests_total', kind => 'create_job'), '>=', 1, 'a creation');
	cmp_ok(metric('trainer_provider_requests_total', kind => 'poll_job'), '>=', 1, 'polls');
	is(metric('trainer_provider_retries_total'), 0, 'nothing was tried again');
	is(metric('trainer_trainings_total', result => 'succeeded'), 1, 'one training has succeeded');
	is(metric('trainer_training_duration_seconds_sum'), value("SELECT training_duration_seconds FROM custom_models WHERE id = '$model'"), '... in its time');
	is(metric('trainer_cost_cents_total', activity => 'training') + 0, value("SELECT training_cost_cents FROM custom_models WHERE id = '$model'") + 0, '... at its cost');
	is(metric('trainer_models', status => 'deployed'), 1, 'and serves');
};

subtest 'a training that the provider refuses to begin with, and one that fails' => sub {
	$sandbox->fault(kind => 'status', status => 503, method => 'POST', path => '/v1/files', count => 2);
	my ($retried, $failed) = added(sub { my $other = train($node, 2); wait_for_status($node, $other, 'deployed', 60); settle($node, 60) },
		[ 'trainer_provider_retries_total', kind => 'upload' ], [ 'trainer_provider_requests_total', kind => 'upload', result => 'server_error' ]);
	is("$retried|$failed", '2|2', 'two refusals, tried again');
	$sandbox->heal;
	is(metric('trainer_provider_requests_total'), scalar(() = $sandbox->history), 'all are counted');
	set_setting($node, 'trainer.retry_learning_rate_factor', 0);
	wait_for_reload($node, 'trainer.retry_learning_rate_factor', 0);
	$sandbox->fault(kind => 'status', status => 400, code => 'invalid_hyperparameters', method => 'POST', path => $jobs, count => -1);
	my ($refused, $ended) = added(sub { my $other = train($node, 3); wait_for_status($node, $other, 'failed', 60); settle($node, 60) },
		[ 'trainer_provider_requests_total', kind => 'create_job', result => 'refused' ], [ 'trainer_trainings_total', result => 'failed' ]);
	is("$refused|$ended", '1|1', 'a refusal, which fails the training');
	$sandbox->heal;
	is(sprintf('%.4f', metric('trainer_training_success_ratio')), '0.6667', 'two of three have succeeded');
};

subtest 'replies in a session: answers, errors, retries, cancellations, time' => sub {
	my $generate = sub { $node->psql('postgres', "SELECT trainer_generate('" . comment(1) . "')") };
	my ($ok, $again, $rung) = added($generate, result('ok'), $retries, [ 'trainer_generations_total', rung => 'fine_tuned' ]);
	is("$ok|$again|$rung", '1|0|1', 'an answer');
	# What comes of a fault, and of the model that it is a fault of alone: the result, how often, and how often it is tried again.
	my @fallbacks = map { [ 'trainer_generations_total', rung => 'base', fallback => $_ ] } qw(true false);
	my %faults = (
		'server errors, twice' => [ { kind => 'status', status => 502, count => 2 }, 'server_error', 2, 2 ],
		'404'                  => [ { kind => 'status', status => 404, code => 'model_not_found', model => 'ft:', count => -1 }, 'refused', 1, 0 ],
		'429 for a minute'     => [ { kind => 'status', status => 429, code => 'rate_limit_exceeded', headers => { 'Retry-After' => 60 }, model => 'ft:', count => -1 }, 'rate_limited', 1, 0 ],
		'a dropped answer'     => [ { kind => 'drop_after', count => 1 }, 'no_answer', 1, 1 ]);
	foreach my $what (sort keys %faults)
	{
		my ($fault, $result, $times, $tries) = @{ $faults{$what} };
		$sandbox->fault(%$fault, method => 'POST', path => $chats);
		my ($all, $got, $retried, $answered, $fell, $others) = added($generate, ['trainer_provider_requests_total'], result($result), $retries, result('ok'), @fallbacks);
		is("$got|$retried|$answered", "$times|$tries|1", "$what: $result");
		is("$fell|$others", exists $fault->{model} ? '1|0' : '0|0', '... and whether the base model stood in for the custom one');
		is($all, $times + 1, '... and nothing else');
		$sandbox->heal;
	}

	my ($fell, $of_no_model) = added(sub { $node->psql('postgres', "SELECT trainer_generate('" . comment(3) . "')") }, @fallbacks);
	is("$fell|$of_no_model", '0|1', 'where no custom model serves the base model stands in for none');
	my $slow = [ 'trainer_provider_request_duration_seconds_sum', kind => 'reply' ];
	my @bucket = map { [ 'trainer_provider_request_duration_seconds_bucket', kind => 'reply', le => $_ ] } qw(0.25 2.5 +Inf);
	$sandbox->fault(kind => 'latency', ms => 600, method => 'POST', path => $chats, count => 1);
	my ($seconds, @in) = added($generate, $slow, @bucket);
	is("@in", '0 1 1', 'an answer after 0.6 s is in the buckets from there on');
	cmp_ok($seconds, '>=', 0.6, '... with its time');
	cmp_ok($seconds, '<', 2.5, '... and no more');
	$sandbox->fault(kind => 'latency', ms => 2000, method => 'POST', path => $chats, count => 1);
	my ($cancelled) = added(sub { sql_error($node, "SET statement_timeout = '1s'; SELECT trainer_generate('" . comment(1) . "')") }, result('cancelled'));
	is($cancelled, 1, 'a session that does not wait for the answer');
	$sandbox->heal;
	my ($probes) = added(sub { value("SELECT ok FROM trainer_check() WHERE check_name = 'provider'") }, [ 'trainer_provider_requests_total', kind => 'other', result => 'ok' ]);
	is($probes, 1, 'trainer_check() asks once');

	set_setting($node, 'trainer.api_base', 'http://127.0.0.1:1/v1');
	wait_until('the setting is there', sub { value('SHOW trainer.api_base') eq 'http://127.0.0.1:1/v1' });
	my ($unsent) = added($generate, result('not_sent'));
	cmp_ok($unsent, '>=', 1, 'where nobody listens nothing is sent');
	set_setting($node, 'trainer.api_base', $sandbox->api_base);
	wait_for_reload($node, 'trainer.api_base', $sandbox->api_base);
};

subtest 'replies in the background, and what they cost' => sub {
	my @rows = map { my $rung = $_; [ 'trainer_generations_total', rung => $rung ] } qw(fine_tuned base);
	$sandbox->fault(kind => 'status', status => 500, method => 'POST', path => $chats, model => 'ft:', count => 1);
	my ($tuned, $base, $retried) = added(
		sub {
			value("SELECT trainer_request_generation('" . comment($_) . "')") foreach 1, 1, 3;
			wait_until('they are written', sub { value('SELECT count(*) FROM trainer_generation_requests WHERE finished_at IS NULL') == 0 }, 60);
		}, @rows, $retries);
	is("$tuned|$base|$retried", '2|1|1', 'two by the model, one by the base model; one was tried again');
	foreach my $rung (qw(fine_tuned base))
	{
		is(metric('trainer_generations_total', rung => $rung), value("SELECT count(*) FROM trainer_generations WHERE rung = '$rung'"), "as many of rung $rung as there are rows");
	}
	cmp_ok(abs(metric('trainer_cost_cents_total', activity => 'inference') - value('SELECT sum(cost_cents) FROM trainer_generations')), '<', 1e-4, 'at the cost that the rows have');
};

subtest 'the worker and its queues' => sub {
	is(metric('trainer_worker_up') . metric('trainer_worker_paused'), '10', 'it is there, and works');
	cmp_ok(time - metric('trainer_worker_heartbeat_timestamp_seconds'), '<', 15, 'its heart beats');
	cmp_ok(time - metric('trainer_provider_answer_timestamp_seconds'), '<', 60, 'it has had an answer');
	value('SELECT trainer_pause_worker()');
	my $request = value("SELECT trainer_request_generation('" . comment(1) . "')");
	sleep 1.2;
	is(metric('trainer_worker_paused'), 1, 'it is paused');
	is(metric('trainer_queue_items', queue => 'replies', state => 'ready'), 1, 'what is asked for waits');
	is(metric('trainer_queue_due_items', queue => 'replies'), 1, '... and is due');
	cmp_ok(metric('trainer_queue_oldest_due_seconds', queue => 'replies'), '>', 1, '... since then');
	value('SELECT trainer_resume_worker()');
	wait_until('it is done', sub { metric('trainer_queue_items', queue => 'replies') == 0 });
	wait_until('counters are folded', sub { value('SELECT count(*) FROM trainer_metric_totals WHERE NOT folded') == 0 }, 30);
};

subtest 'what a counter outlives' => sub {
	my $counted = metric('trainer_provider_requests_total');
	cmp_ok($counted, '>', 10, 'there are requests');
	my $pid = worker_pid($node);
	value("SELECT pg_terminate_backend($pid)");
	wait_for_worker($node, 'postgres', $pid);
	cmp_ok(metric('trainer_provider_requests_total'), '>=', $counted, 'its worker');
	$node->safe_psql('postgres', 'CREATE DATABASE other');
	$node->safe_psql('other', 'CREATE EXTENSION trainer CASCADE');
	is($node->safe_psql('other', "SELECT sum(value) FROM trainer_metrics WHERE name = 'trainer_provider_requests_total'"), 0, 'another database has counters of its own');
	settle($node, 60);
	my @kept = map { metric(@$_) } [ 'trainer_trainings_total', result => 'succeeded' ], [ 'trainer_cost_cents_total', activity => 'training' ];
	$node->restart;
	wait_for_worker($node);
	cmp_ok(metric('trainer_provider_requests_total'), '<', $counted, 'not the server: what processes count begins again');
	is(join('|', map { metric(@$_) } [ 'trainer_trainings_total', result => 'succeeded' ], [ 'trainer_cost_cents_total', activity => 'training' ]), join('|', @kept), 'what is in tables does not');
};

subtest 'an extension in a schema of its own: each exporter reads the same' => sub {
	$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
	$node->safe_psql('elsewhere', <<'SQL');
CREATE SCHEMA "Its own";
CREATE EXTENSION trainer SCHEMA "Its own" CASCADE;
CREATE ROLE watcher LOGIN;
SELECT level FROM "Its own".trainer_grant('watcher', 'monitor');
ALTER ROLE watcher IN DATABASE elsewhere SET search_path = "Its own";
SQL
	my $series = $node->safe_psql('elsewhere', 'SELECT count(*) FROM "Its own".trainer_metrics');
	cmp_ok($series, '>', 100, "there are metrics: $series");
	foreach my $file ('postgres_exporter.yml', 'sql_exporter.yml')
	{
		my ($query) = slurp_file("$top/monitoring/$file") =~ /^ *query: \|\n(.*?FROM trainer_metrics)$/ms;
		my ($code, $out, $err) = $node->psql('elsewhere', "SELECT count(*), count(DISTINCT q) FROM ($query) AS q", extra_params => [ '-U', 'watcher' ]);
		is("$err$out", "$series|$series", $file);
	}
};

# The documented list: | `name` | type | labels | meaning |
my %documented;
foreach my $row (split /\n/, slurp_file("$top/docs/monitoring.md"))
{
	my ($name, $type, $labels) = $row =~ /^\| `(trainer_\w+)` \| (\w+) \|([^|]*)\|/ or next;
	$documented{$name} = { type => $type, labels => join(' ', sort $labels =~ /`(\w+)`/g) };
}

subtest 'docs/monitoring.md and the exporters know the metrics' => sub {
	is_deeply([ sort keys %documented ], [ sort split /\n/, value('SELECT name FROM trainer_metric_families()') ], 'every metric is documented, and there is every metric that is');
	is(join("\n", map { "$_ $documented{$_}{type}" } sort keys %documented), value(q{SELECT string_agg(name || ' ' || type, E'\n' ORDER BY name COLLATE "C") FROM trainer_metric_families()}), 'with its type');
	value("INSERT INTO model_feedback (organization_id, custom_model_id, feedback_type) VALUES ('" . org(1) . "', '$model', 'approved')");
	value("SELECT (trainer_set_budget('" . org(1) . "', 'all', 1000)).scope");
	value("SELECT (trainer_start_ab_test('" . org(1) . "')).status");
	value("UPDATE ab_test_metrics SET custom_n = 10, custom_mean = 0.5, control_n = 10, control_mean = 0.4");
	my %labels = map { split /\|/, $_, 2 } split /\n/, value(<<'SQL');
SELECT f.name, coalesce(string_agg(DISTINCT k, ' ' ORDER BY k), '') FROM trainer_metric_families() AS f
LEFT JOIN trainer_metrics AS m ON m.name ~ ('^' || f.name || '(_bucket|_sum|_count)?$') LEFT JOIN LATERAL jsonb_object_keys(m.labels) AS k ON true GROUP BY f.name
SQL
	is_deeply(\%labels, { map { $_ => $documented{$_}{labels} } keys %documented }, 'and its labels');
	my %all = map { $_ => 1 } map { split / / } values %labels;
	foreach my $file ('postgres_exporter.yml', 'sql_exporter.yml')
	{
		my @asked = slurp_file("$top/monitoring/$file") =~ /labels ->> '(\w+)'/g;
		is_deeply([ sort @asked ], [ sort keys %all ], "$file asks for every label");
	}
	is_deeply([ slurp_file("$top/docs/monitoring.md") =~ /^\| `(Trainer\w+)` \|/mg ], [ slurp_file("$top/monitoring/alerts.yml") =~ /- alert: (\w+)/g ], 'every alert is documented');
	my ($dashboard, $alerts) = map { slurp_file("$top/monitoring/$_") } 'grafana-dashboard.json', 'alerts.yml';
	foreach my $used ($dashboard, $alerts)
	{
		my @names = map { s/_(?:bucket|sum|count)$//r } $used =~ /\b(trainer_[a-z_]+)(?=[^a-z_(])/g;
		# What people are told to look at.
		my @others = grep { !/^trainer_(?:metrics|operations_pending|generations|rollouts|webhook_deliveries)$/ } grep { !$documented{$_} } @names;
		is("@others", '', 'nothing else is asked of Prometheus');
	}
};

SKIP:
{
	# script/test says where it is.
	my $promtool = $ENV{TRAINER_PROMTOOL} // (grep { -x $_ } map { "$_/promtool" } split /:/, $ENV{PATH})[0];
	skip 'there is no promtool', 2 unless $promtool;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/metrics';
	append_to_file($file, value('SELECT trainer_metrics_prometheus()') . "\n");
	my ($out, $err) = run_command([ 'sh', '-c', "$promtool check metrics <$file && echo passed" ]);
	is("$out$err", 'passed', 'promtool check metrics has nothing to say');
	($out, $err) = run_command([ 'sh', '-c', "$promtool test rules $top/monitoring/alerts_test.yml && echo passed" ]);
	like("$out$err", qr/SUCCESS\s*passed$/, 'promtool test rules passes');
}

subtest 'a scrape of 1,000 organizations and 10,000 models' => sub {
	value('SELECT trainer_pause_worker()');
	value(<<'SQL');
INSERT INTO organizations SELECT md5('o' || n)::uuid, 'org', 'plus' FROM generate_series(1, 1000) n;
INSERT INTO custom_models (id, organization_id, name, version, base_model, status, is_active, fine_tuned_model_id, serving_since)
  SELECT md5('m' || n)::uuid, md5('o' || n % 1000 + 1)::uuid, 'n', n / 1000 + 1, 'gpt-4o', CASE WHEN n < 9000 THEN 'retired' ELSE 'deployed' END, n >= 9000, 'ft:' || n, now() - n * interval '1 min'
  FROM generate_series(0, 9999) n;
INSERT INTO model_feedback (organization_id, custom_model_id, feedback_type)
  SELECT md5('o' || n % 1000 + 1)::uuid, md5('m' || n % 10000)::uuid, (ARRAY['approved', 'approved', 'rejected'])[1 + n % 3] FROM generate_series(0, 99999) n;
INSERT INTO trainer_operations (organization_id, custom_model_id, kind) SELECT organization_id, id, 'poll_job' FROM custom_models WHERE name = 'n';
INSERT INTO trainer_drift_streams (organization_id, stream, begins_at, seen_at) SELECT md5('o' || n)::uuid, s, now(), now()
  FROM generate_series(1, 1000) n, unnest('{quality_score,user_approval,response_time_ms,errors,input_length,platform_mix,input_vocabulary}'::text[]) s;
SQL
	$node->safe_psql('postgres', 'VACUUM ANALYZE');
	wait_until('the feedback is added up', sub { value('SELECT sum(feedback) FROM trainer_feedback_totals') >= 100_000 }, 120);
	value('SELECT length(trainer_metrics_prometheus())');
	my @took = sort { $a <=> $b } map { my $began = time; value('SELECT length(trainer_metrics_prometheus())'); time - $began } 1 .. 5;
	my $series = value('SELECT count(*) FROM trainer_metrics');
	diag(sprintf 'a scrape of 1,000 organizations and 10,000 models: %d series, %.0f ms', $series, 1000 * $took[0]);
	cmp_ok($series, '<', 500, 'the series do not grow with them');
	my ($bound) = slurp_file("$top/docs/monitoring.md") =~ /fewer than (\d+) of no organization/;
	cmp_ok(value("SELECT count(*) FROM trainer_metrics WHERE NOT labels ? 'organization_id'"), '<', $bound, 'and those of no organization are as few as docs/monitoring.md says');
	is(metric('trainer_serving_models'), 1002, 'all are counted');
	# What else the machine does is no part of it.
	cmp_ok($took[0], '<', 2, 'and it takes no seconds');
};

done_testing();
