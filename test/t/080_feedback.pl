# Feedback of many sessions on one model while the worker adds it up, and what comes of it: the next version, once, and its proof.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Utils;
use Test::More;
use Matrix;
use TrainerTest;
use Time::HiRes qw(sleep);

matrix('Feedback');
my $writers = 32;
my $each    = $ENV{TRAINER_FEEDBACK_ROWS} // 500;
my $replies = 400;

my $sandbox = start_sandbox(max_seconds => 900);
my $node = start_node('feedback', $sandbox, replies => $replies, 'max_connections' => 100, 'trainer.retrain_threshold' => 0, 'trainer.retrain_cooldown' => 0,
	'trainer.retrain_min_new_examples' => 5);

sub value { return $node->safe_psql('postgres', $_[0]) }

# The model serves, and has written the app's newest responses; all but those were trained on.
my $organization = org(1);
my $first = submit($node, prepare($node, 1, q{max_examples => 300}));
wait_for_status($node, $first, 'deployed');
value("INSERT INTO trainer_generations (organization_id, comment_id, response_id, custom_model_id, rung, reason, model, response_time_ms)"
	  . " SELECT organization_id, comment_id, id, '$first', 'fine_tuned', '', 'x', 1 FROM responses");

# What is rejected trains no more: of the responses most are not.
my $script = PostgreSQL::Test::Utils::tempdir() . '/feedback.sql';
append_to_file($script, <<"SQL");
\\set n random(1, $replies)
\\set kind random(0, 9)
INSERT INTO model_feedback (organization_id, response_id, feedback_type, edited_roast, rating)
SELECT '$organization', md5('$organization' || 'reply' || :n)::uuid, kind, CASE kind WHEN 'edited' THEN 'Better, number ' || :n END, 1 + :kind::int % 5
FROM (SELECT CASE :kind::int WHEN 3 THEN 'regenerated' WHEN 4 THEN 'edited' WHEN 5 THEN CASE WHEN :n::int > 40 THEN 'approved' ELSE 'rejected' END ELSE 'approved' END) AS v (kind);
SQL

my $told = '';

sub write_feedback
{
	my ($transactions) = @_;
	my @command = ('pgbench', '-n', '-M', 'prepared', '-c', $writers, '-j', 2, '-t', $transactions, '-h', $node->host, '-p', $node->port, '-f', $script, 'postgres');
	return IPC::Run::start(\@command, '>&', \$told);
}

# What the summary says beside plain SQL over the rows, of one snapshot.
sub counts_differ
{
	return ask($node, <<"SQL");
SELECT s.counted, p.plain FROM (SELECT array_agg(ROW(feedback, approved, rejected, edited, regenerated, stars, round(mean_rating, 2))::text) AS counted FROM trainer_feedback_summary('$organization')) AS s,
  (SELECT array_agg(p::text) AS plain FROM (SELECT count(*), count(*) FILTER (WHERE feedback_type = 'approved'), count(*) FILTER (WHERE feedback_type = 'rejected'),
     count(*) FILTER (WHERE feedback_type = 'edited'), count(*) FILTER (WHERE feedback_type = 'regenerated'),
     ARRAY[count(*) FILTER (WHERE rating = 1), count(*) FILTER (WHERE rating = 2), count(*) FILTER (WHERE rating = 3), count(*) FILTER (WHERE rating = 4), count(*) FILTER (WHERE rating = 5)],
     round(avg(rating), 2) FROM model_feedback GROUP BY custom_model_id) AS p) AS p
WHERE s.counted IS DISTINCT FROM p.plain
SQL
}

# A look is as good as none when it comes before the first row.
sub look_until_done
{
	my ($run, $looks) = (@_, 0);
	while ($run->pumpable)
	{
		$run->pump_nb;
		my $differ = counts_differ();
		if (defined $differ)
		{
			++$looks;
			return fail("counts differ: $differ") if $differ ne '';
		}
		sleep 0.1;
	}
	$run->finish;
	return $looks;
}

staged('K1', "$writers writers, $each rows each on one model, the worker adding up", sub
	{
		my $run = write_feedback($each);
		my $looks = look_until_done($run);
		is($run->result(0), 0, 'every writer has written everything') or diag($told);
		cmp_ok($looks, '>', 3, "looked at $looks times meanwhile");
		is(value('SELECT count(*) FROM model_feedback'), $writers * $each, 'every row is there');
		is(counts_differ(), '', 'exact at every look, and at the end');
		wait_until('the worker has added up everything', sub { value('SELECT coalesce(sum(feedback), 0) FROM trainer_feedback_totals') == $writers * $each }, 10);
		is(value("SELECT m.user_approval_rate = round(f.approved::numeric / f.feedback, 2) FROM custom_models AS m, trainer_feedback_summary('$organization') AS f WHERE m.id = '$first'"), 't',
			'the rate is written to the model');
		is(value("SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'"), 0, 'no deadlock');
		return 'exact at every look; no deadlock; the rate follows';
	});

staged('K2', 'kill -9 of the worker, and of a writer with all others, in between', sub
	{
		my $before = value('SELECT count(*) FROM model_feedback');
		my $run    = write_feedback($each);
		wait_until('it is under way', sub { value('SELECT count(*) FROM model_feedback') > $before + 100 });
		kill 9, worker_pid($node);
		wait_for_restart($node, 1);
		$run->finish;
		isnt($run->result(0), 0, 'the writers went down with it');
		$before = value('SELECT count(*) FROM model_feedback');
		$run    = write_feedback(20 * $each);
		wait_until('it is under way', sub { value('SELECT count(*) FROM model_feedback') > $before + 100 });
		is(kill(9, (split /\n/, value("SELECT pid FROM pg_stat_activity WHERE query LIKE 'INSERT INTO model_feedback%'"))[0]), 1, 'a writer is killed');
		wait_for_restart($node, 2);
		$run->finish;
		is(counts_differ(), '', 'what was committed is counted, and nothing else');
		wait_until('the worker has added up everything', sub { (ask($node, 'SELECT sum(feedback) = (SELECT count(*) FROM model_feedback) FROM trainer_feedback_totals') // '') eq 't' }, 20);
		is(counts_differ(), '', 'the same once it is added up');
		unlike(log_of($node), qr/deadlock detected/, 'no deadlock');
		return 'what was committed is counted, and nothing else';
	});

# --- the next version ---

sub decisions { return value("SELECT string_agg(decision, ' ' ORDER BY created_at) FROM trainer_retraining_decisions") }

staged('K3', 'the threshold is crossed by many at once, and again while the next version trains; the worker dies as it decides', sub
	{
		my $feedback = value('SELECT count(*) FROM model_feedback');
		my $deaths = deaths($node);
		set_faults($node, 'retraining:crash');
		set_setting($node, 'trainer.retrain_threshold', $feedback + 50);
		wait_for_reload($node, 'trainer.retrain_threshold', $feedback + 50);
		my $run = write_feedback(50);
		look_until_done($run);
		wait_for_restart($node, $deaths + 1);
		set_faults($node);
		my $done = wait_until('a version has trained and was compared', sub { (ask($node, "SELECT count(*) FROM trainer_retraining_decisions WHERE decision IN ('deployed', 'held_back')") // 0) == 1 }, 60)
		  or diag(value('SELECT decision, reason FROM trainer_retraining_decisions'));
		is(value('SELECT count(*) FROM trainer_retraining_decisions WHERE new_model_id IS NOT NULL'), 1, 'one retraining');
		is(value('SELECT count(*) FROM custom_models'), 2, 'one new version');
		is(value("SELECT parent_model_id FROM custom_models WHERE version = 2"), $first, 'it continues from the one that served');
		my $proof = value("SELECT decision, (comparison -> 'asked')::int > 5, comparison -> 'answered' = comparison -> 'asked', comparison #> '{score,new}' IS NOT NULL FROM trainer_retraining_decisions WHERE new_model_id IS NOT NULL");
		like($proof, qr/^(deployed|held_back)\|t\|t\|t$/, 'both have answered the same held-out comments')
		  or diag(value('SELECT comparison FROM trainer_retraining_decisions WHERE new_model_id IS NOT NULL'), "\n", value("SELECT state, last_error, count(*) FROM trainer_generation_requests GROUP BY 1, 2"));
		is(value('SELECT count(*) FROM custom_models WHERE is_active'), 1, 'one serves');
		is(value("SELECT (d.decision = 'deployed') = m.is_active FROM trainer_retraining_decisions AS d JOIN custom_models AS m ON m.id = d.new_model_id"), 't', 'the one that the proof says');
		check_invariants($node, $sandbox, crashed => 1);
		return 'one decision, one job, one proof';
	});

staged('K4', 'trainings that fail: from the serving model, then from the base, then no more', sub
	{
		set_setting($node, 'trainer.retrain_threshold', 100_000_000);
		my $serving = value('SELECT id FROM custom_models WHERE is_active');
		$sandbox->fault(kind => 'job_failure', count => 100, code => 'invalid_training_file', message => 'The words do not rhyme.');
		foreach my $try (1 .. 3)
		{
			value("SELECT trainer_schedule_retraining('$serving', force => true)");
			wait_until("training $try fails", sub { value("SELECT count(*) FROM trainer_retraining_decisions WHERE decision = 'failed'") == $try }, 60) or diag(decisions());
		}
		is(value("SELECT string_agg(coalesce((m.parent_model_id = '$serving')::text, 'base'), ' ' ORDER BY m.version) FROM custom_models AS m WHERE m.version > 2"), 'true base base', 'first from the one that serves');
		value("INSERT INTO trainer_retraining_decisions (organization_id, custom_model_id, generation, feedback, reason) VALUES ('$organization', '$serving', 99, 1, '')");
		value('SELECT trainer_wake_worker()');
		wait_until('it is refused', sub { value("SELECT count(*) FROM trainer_retraining_decisions WHERE decision = 'refused'") == 1 }) or diag(decisions());
		is(value("SELECT count(*) FROM trainer_event_log WHERE kind = 'retraining_refused'"), 1, 'and somebody is told');
		$sandbox->heal;
		check_invariants($node, $sandbox, crashed => 1);
		return 'three in a row, and no fourth';
	});

$node->stop;
done_testing();
