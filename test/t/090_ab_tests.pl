# A/B tests on live replies: two versions of truly different quality, verdicts that come late, the worker that looks and decides, and what
# dies meanwhile.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Matrix;
use Traffic;
use TrainerTest;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

matrix('Experiments');
my $sandbox = start_sandbox(job_seconds => 0.2, max_seconds => 600, api_key => undef);
my $node = start_node('ab_tests', $sandbox, organizations => 3, 'trainer.experiment_interval' => '200ms', 'trainer.retrain_threshold' => 0);

sub value { return $node->safe_psql('postgres', $_[0]) }

# The first version learns from replies that people do not like, the second one from others.
value("UPDATE responses SET response_text = 'Awful, says ' || response_text WHERE organization_id = '" . org(1) . "'");
my $worse = train($node, 1);
wait_for_status($node, $worse, 'deployed');
value("UPDATE responses SET response_text = replace(response_text, 'Awful, says', 'Lovely, says') WHERE organization_id = '" . org(1) . "'");
my $better = train($node, 1);
wait_for_status($node, $better, 'deployed');
settle($node, 60);

# People approve of nine in ten replies that say "Lovely", and of one in ten others.
sub verdicts
{
	value(<<'SQL');
INSERT INTO model_feedback (organization_id, response_id, feedback_type)
SELECT r.organization_id, r.id, CASE WHEN (get_byte(sha256(r.id::text::bytea), 0) < 230) = (r.response_text LIKE '%Lovely%') THEN 'approved' ELSE 'rejected' END
FROM responses AS r JOIN trainer_generations AS g ON g.response_id = r.id
WHERE NOT EXISTS (SELECT FROM model_feedback AS f WHERE f.response_id = r.id)
SQL
	return;
}

# What holds of every test: a unit has one arm, the one of its bucket, and each comment one reply.
sub check_assignment
{
	my ($test, $what) = @_;
	is(value(<<"SQL"), '0|0|t', "$what: one reply a comment, one arm a unit, that of its bucket");
SELECT count(*) - count(DISTINCT g.comment_id), count(*) FILTER (WHERE g.arm <> CASE WHEN trainer_bucket(t.id::text, t.salt, 'comment', g.comment_id::text) < t.traffic * 1000000 THEN 'custom' ELSE 'control' END),
  count(DISTINCT g.unit) = count(DISTINCT (g.unit, g.arm))
FROM ab_tests AS t JOIN trainer_generations AS g ON g.experiment_id = t.id WHERE t.id = '$test'
SQL
	return;
}

staged('X1', 'a test of a better version against a worse one, through the worker; the worker and then the server killed in the middle', sub {
	my $test = value("SELECT id FROM trainer_start_ab_test('${\ org(1)}', options => '{\"control_model_id\": \"$worse\", \"planned_units\": 200, \"approval_window\": \"4 seconds\", \"quality_window\": \"0\"}')");
	is(value("SELECT status, custom_model_id = '$better' FROM ab_tests"), 'running|t', 'the model that serves is tested');
	my $killed = deaths($node);
	new_comments($node, 60);
	kill_of($node, 'trainer worker');
	wait_for_restart($node, $killed + 1);
	all_answered($node, \&verdicts);
	is(value("SELECT status FROM ab_tests WHERE id = '$test'"), 'running', 'not decided by so few');
	like(value("SELECT summary FROM trainer_ab_test_results('$test') WHERE is_primary"), qr/^Not enough data/, 'which it says');
	set_setting($node, 'trainer.fault', 'experiment-seen:crash');  # it may be met before anybody can look whether the setting is read
	wait_until('it dies between a look and its commit', sub { fault_met($node, 'experiment-seen:crash') });
	wait_for_restart($node, $killed + 2);
	set_faults($node);
	new_comments($node, 140);
	kill_server($node);
	$node->start;
	all_answered($node, \&verdicts);
	wait_until('the worker has decided', sub { value("SELECT status FROM ab_tests WHERE id = '$test'") eq 'completed' }, 60);
	is(value("SELECT decision, reason FROM ab_tests WHERE id = '$test'"), 'custom|decided', 'for the better one');
	check_assignment($test, 'after three deaths');
	is(value("SELECT ab_test_wins, ab_test_enabled FROM custom_models WHERE id = '$better'"), '1|f', 'the win is counted once');
	is(value("SELECT count(*) FROM trainer_event_log WHERE kind = 'ab_test_completed'"), 1, 'and told once');
	# Both sides are the rows as they are now, when every window has passed.
	sleep 4.1;
	is(value(<<"SQL"), '0', 'n and mean of each arm equal those of plain SQL over the raw rows');
WITH raw AS (
  SELECT g.arm, count(*) AS n, avg((EXISTS (SELECT FROM model_feedback AS f WHERE f.response_id = g.response_id AND f.feedback_type = 'approved'
                                            AND f.created_at < g.created_at + interval '4 seconds'))::int)::double precision AS mean
  FROM trainer_generations AS g WHERE g.experiment_id = '$test' GROUP BY 1)
SELECT count(*) FROM trainer_measure_ab_test('$test') AS m
WHERE m.is_primary AND (m.custom_n, m.control_n) IS DISTINCT FROM ((SELECT n FROM raw WHERE arm = 'custom'), (SELECT n FROM raw WHERE arm = 'control'))
   OR m.is_primary AND abs(m.custom_mean - (SELECT mean FROM raw WHERE arm = 'custom')) + abs(m.control_mean - (SELECT mean FROM raw WHERE arm = 'control')) > 1e-12
SQL
	my ($n, $custom, $control) = split /\|/, value("SELECT custom_n + control_n, round(custom_mean::numeric, 2), round(control_mean::numeric, 2) FROM ab_test_metrics WHERE ab_test_id = '$test' AND is_primary");
	return "decided for the better one after $n units: $custom against $control; counted and told once";
});

staged('X2', 'a test against the base model, whose time is over before anything is decided', sub {
	my $test = value("SELECT id FROM trainer_start_ab_test('${\ org(1)}', duration => '1 hour', options => '{\"approval_window\": \"500 ms\", \"quality_window\": \"0\"}')");
	is(value("SELECT control_model_id IS NULL FROM ab_tests WHERE id = '$test'"), 't', 'against the base model');
	new_comments($node, 20);
	all_answered($node);
	is(value("SELECT string_agg(DISTINCT rung || '/' || arm, ',' ORDER BY rung || '/' || arm) FROM trainer_generations WHERE experiment_id = '$test'"), 'base/control,fine_tuned/custom', 'each arm is answered by its own model');
	value("UPDATE ab_tests SET ends_at = clock_timestamp() WHERE id = '$test'");
	wait_until('it ends', sub { value("SELECT status FROM ab_tests WHERE id = '$test'") eq 'completed' });
	is(value("SELECT decision IS NULL, reason FROM ab_tests WHERE id = '$test'"), 't|its duration is over', 'undecided');
	new_comments($node, 1);
	all_answered($node);
	is(value("SELECT count(*) FROM trainer_generations WHERE experiment_id = '$test'"), 20, 'and nothing is assigned any more');
	return 'undecided, and over';
});

staged('X3', 'replies without a pause while a test is stopped and the other version put to serve', sub {
	my $test = value("SELECT id FROM trainer_start_ab_test('${\ org(1)}', options => '{\"control_model_id\": \"$worse\"}')");
	my $switch = "SELECT (trainer_stop_ab_test('$test', keep => 'control')).kept";
	my @writers = writers($node, 'load');
	sleep 1;
	is(value($switch), 'control', 'stopped, and the control put to serve');
	# Every statement that begins now begins after the commit.
	my $since = value('SELECT clock_timestamp()');
	waitpid $_, 0 for @writers;
	my ($before, $after) = split /\|/, value(<<"SQL");
SELECT count(*) FILTER (WHERE g.experiment_id IS NOT NULL), count(*) FILTER (WHERE g.experiment_id IS NULL)
FROM trainer_generations AS g JOIN comments AS c ON c.id = g.comment_id WHERE c.original_text LIKE 'Question %?' AND c.platform = 'x'
SQL
	cmp_ok($after, '>', 0, 'replies came after the switch');
	is(value("SELECT count(*) FROM trainer_generations WHERE created_at > '$since' AND (experiment_id IS NOT NULL OR custom_model_id <> '$worse')"), 0,
		'of which none began with what served before');
	return "$before replies before the switch, $after after it, none of the version that was stopped";
});

check_invariants($node, $sandbox, crashed => 1);
done_testing();
