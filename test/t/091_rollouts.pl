# Rollouts on live replies: a version that is no worse takes over step by step, a bad one is taken back by itself, and by hand under load.
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

matrix('Rollouts');
my $sandbox = start_sandbox(job_seconds => 0.2, max_seconds => 600, api_key => undef);
my $node = start_node('rollouts', $sandbox, organizations => 2, 'trainer.experiment_interval' => '200ms', 'trainer.retrain_threshold' => 0, 'trainer.auto_deploy' => 'off');

sub value { return $node->safe_psql('postgres', $_[0]) }

# A version that learns from replies in which every "Answer" is a word that people like, or do not.
sub version
{
	my ($word) = @_;
	value("UPDATE responses SET response_text = regexp_replace(response_text, '^(?:Lovely|Awful), |^', '$word, ') WHERE organization_id = '${\ org(1)}' AND id NOT IN (SELECT response_id FROM trainer_generations WHERE response_id IS NOT NULL)");
	my $model = train($node, 1);
	wait_for_status($node, $model, 'succeeded');
	return $model;
}
my $first  = version('Lovely');
my $second = version('Lovely');
my $third  = version('Awful');
value("SELECT trainer_deploy_model('$first')");
settle($node, 60);

# People approve of replies that say "Lovely", but for one in ten.
sub verdicts
{
	value(<<'SQL');
INSERT INTO model_feedback (organization_id, response_id, feedback_type)
SELECT r.organization_id, r.id, CASE WHEN r.response_text LIKE '%Lovely%' AND get_byte(sha256(r.id::text::bytea), 0) < 230 THEN 'approved' ELSE 'rejected' END
FROM responses AS r JOIN trainer_generations AS g ON g.response_id = r.id
WHERE NOT EXISTS (SELECT FROM model_feedback AS f WHERE f.response_id = r.id)
SQL
	return;
}

# n new comments, answered by the worker, and judged.
sub traffic
{
	my ($n) = @_;
	new_comments($node, $n);
	all_answered($node, \&verdicts);
	return;
}

my $options = '{"approval_window": "3 seconds", "margins": {"user_approval": 0.3, "response_time_ms": 9}, "steps": '
	. '[{"share": 0.25, "units": 50, "margins": 2, "seconds": 1}, {"share": 0.5, "units": 60, "margins": 1, "seconds": 1}]}';

sub state_of { my ($model) = @_; return value("SELECT state FROM trainer_rollouts WHERE custom_model_id = '$model' ORDER BY started_at DESC LIMIT 1") }

# Each reply is of the arm that its bucket says; outside of both arms, and in the control, what served before answers.
sub check_arms
{
	my ($model, $former) = @_;
	is(value(<<"SQL"), '0|0', 'each arm is answered by its own model, and a unit is in one arm');
SELECT count(*) FILTER (WHERE g.arm = 'custom' AND g.custom_model_id <> '$model' OR g.arm = 'control' AND g.custom_model_id <> '$former'),
  count(DISTINCT (g.unit, g.arm)) - count(DISTINCT g.unit)
FROM trainer_rollouts AS r JOIN trainer_generations AS g ON g.experiment_id = r.id WHERE r.custom_model_id = '$model'
SQL
	return;
}

staged('X4', 'a version that is no worse, step by step through the worker; it dies between a look and its commit, and the server in a step', sub {
	is(value("SELECT is_active FROM trainer_deploy_model('$second', 'canary', '$options')"), 'f', 'it does not serve yet');
	my $killed = deaths($node);
	traffic(150);
	set_setting($node, 'trainer.fault', 'experiment-seen:crash');
	wait_until('it dies between a look and its commit', sub { fault_met($node, 'experiment-seen:crash') });
	wait_for_restart($node, $killed + 1);
	set_faults($node);
	for (1 .. 12)
	{
		last if state_of($second) ne 'running';
		if ($_ == 2) { kill_server($node); $node->start; wait_for_worker($node) }
		traffic(80);
		sleep 1;
	}
	wait_until('it is promoted', sub { state_of($second) eq 'promoted' }, 30);
	is(value("SELECT is_active, status FROM custom_models WHERE id = '$second'"), 't|deployed', 'and serves');
	check_arms($second, $first);
	is(value("SELECT string_agg(kind, ' ' ORDER BY id) FROM trainer_event_log WHERE custom_model_id = '$second' AND (kind LIKE 'rollout%' OR kind = 'model_deployed')"),
		'rollout_started rollout_advanced rollout_promoted model_deployed', 'each step was taken once, and told with its evidence');
	my ($canary, $all) = split /\|/, value("SELECT count(*) FILTER (WHERE g.arm = 'custom'), count(*) FROM trainer_generations AS g JOIN trainer_rollouts AS r ON r.id = g.experiment_id WHERE r.custom_model_id = '$second'");
	return "promoted after $canary replies of its own and $all of both arms; each step once";
});

staged('X5', 'a bad version: taken back by what its replies are worth, while traffic goes on', sub {
	value("SELECT trainer_deploy_model('$third', 'canary', '$options')");
	for (1 .. 10) { last if state_of($third) ne 'running'; traffic(100); sleep 1 }
	wait_until('it is taken back', sub { state_of($third) eq 'rolled_back' }, 30);
	is(value("SELECT reason FROM trainer_rollouts WHERE custom_model_id = '$third'"), 'harm', 'because of harm');
	is(value("SELECT count(*) FROM trainer_rollouts AS r, jsonb_array_elements(r.evidence) AS g WHERE r.custom_model_id = '$third' AND g ->> 'metric' = 'user_approval' AND (g ->> 'harmed')::boolean"), 1, 'to approval, which its evidence says');
	is(value("SELECT id FROM custom_models WHERE is_active"), $second, 'what served goes on serving');
	check_arms($third, $second);
	my $exposed = value("SELECT count(*) FROM trainer_generations WHERE custom_model_id = '$third' AND experiment_id IS NOT NULL");
	traffic(20);
	is(value("SELECT count(*) FROM trainer_generations WHERE custom_model_id = '$third' AND experiment_id IS NOT NULL"), $exposed, 'and the bad one answers nobody any more');
	return "rolled back after $exposed replies of its own";
});

staged('X6', 'a rollback by hand under load', sub {
	my $half = $options =~ s/"share": 0.25/"share": 0.5/r;
	value("SELECT trainer_deploy_model('$first', 'canary', '$half')");
	my @writers = writers($node, 'load');
	wait_until('it has answered somebody', sub { value("SELECT count(*) FROM trainer_generations WHERE custom_model_id = '$first' AND created_at > (SELECT max(started_at) FROM trainer_rollouts)") > 0 });
	is(value("SELECT id FROM trainer_rollback_model('${\ org(1)}', 'by hand')"), $second, 'what served goes on serving');
	# Every statement that begins now begins after the commit.
	my $since = value('SELECT clock_timestamp()');
	waitpid $_, 0 for @writers;
	is(value("SELECT count(*) FROM trainer_generations WHERE created_at > '$since' AND custom_model_id <> '$second'"), 0, 'no reply that began after the commit is of the other version');
	my $after = value("SELECT count(*) FROM trainer_generations WHERE created_at > '$since'");
	cmp_ok($after, '>', 0, 'and there were some');

	# The same of a version that serves, and that every session knows as such.
	@writers = writers($node, 'again');
	value("SELECT trainer_deploy_model('$first')");
	wait_until('it serves', sub { value("SELECT count(*) FROM trainer_generations WHERE custom_model_id = '$first' AND created_at > '$since'") > 0 });
	is(value("SELECT id FROM trainer_rollback_model('${\ org(1)}')"), $second, 'the former one serves again');
	$since = value('SELECT clock_timestamp()');
	waitpid $_, 0 for @writers;
	is(value("SELECT count(*) FROM trainer_generations WHERE created_at > '$since' AND custom_model_id <> '$second'"), 0, 'no reply that began after the commit is of the version that served');
	$after += value("SELECT count(*) FROM trainer_generations WHERE created_at > '$since'");
	return "$after replies after it, none of the version that was taken back";
});

staged('X7', 'blue and green: the new version takes over once it answers, and gives back at once', sub {
	my $slow = $sandbox->fault(kind => 'latency', ms => 1000, path => '/v1/chat/completions', count => 1);
	is(value("SELECT status, is_active FROM trainer_deploy_model('$first', 'blue_green')"), 'evaluating|f', 'it is asked first');
	is(value("SELECT id FROM custom_models WHERE is_active"), $second, 'what served goes on meanwhile');
	wait_for_status($node, $first, 'deployed');
	is(value("SELECT id FROM custom_models WHERE is_active"), $first, 'it serves');
	is(value("SELECT id FROM trainer_rollback_model('${\ org(1)}')"), $second, 'and gives back at once');
	return 'asked, switched, switched back';
});

check_invariants($node, $sandbox, crashed => 1);
done_testing();
