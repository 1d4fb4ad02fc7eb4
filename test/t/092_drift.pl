# Drift: scores and comments that are no longer what they were, seen by the worker, which dies over it; told once, and a reason to train anew, or to go back
# to the former model.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Matrix;
use TrainerTest;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

matrix('Experiments');
my $sandbox = start_sandbox(job_seconds => 0.2, max_seconds => 600, api_key => undef);
my $node = start_node('drift', $sandbox, organizations => 2, 'trainer.experiment_interval' => '200ms', 'trainer.retrain_threshold' => 100_000_000, 'trainer.rollback_on_regression' => 'off');

sub value { return $node->safe_psql('postgres', $_[0]) }

# Both have a model that has served for three weeks.
my @models = map { my $model = train($node, $_); wait_for_status($node, $model, 'deployed'); $model } 1, 2;
value("UPDATE custom_models SET serving_since = now() - interval '20 days'");
settle($node, 60);

# n used replies of an organization's model, one every half hour from so many days ago on: their mean score, the share of approvals, and what the comments are about.
sub past
{
	my ($organization, $n, $days, $score, $approved, $about) = @_;
	value(<<"SQL");
BEGIN;
CREATE TEMP TABLE made ON COMMIT DROP AS
  SELECT md5('$organization/$days/' || i)::uuid AS id, now() - interval '$days days' + i * interval '30 minutes' AS at FROM generate_series(1, $n) AS i;
INSERT INTO comments SELECT id, '${\ org($organization)}', 'bluesky', '$about ' || get_byte(uuid_send(id), 2) % 30 || ' $about ' || get_byte(uuid_send(id), 3) % 30 FROM made;
INSERT INTO responses SELECT id, '${\ org($organization)}', id, 'Reply ' || id, at FROM made;
INSERT INTO roast_metadata SELECT id, round($score + (get_byte(uuid_send(id), 0) - 127.5) / 1000, 3) FROM made;
INSERT INTO trainer_generations (organization_id, comment_id, response_id, custom_model_id, rung, reason, model, response_time_ms, created_at)
  SELECT '${\ org($organization)}', id, id, '$models[$organization - 1]', 'fine_tuned', 'active model', 'x', 100, at FROM made;
INSERT INTO model_feedback (organization_id, response_id, feedback_type, created_at)
  SELECT '${\ org($organization)}', id, CASE WHEN get_byte(uuid_send(id), 1) < 256 * $approved THEN 'approved' ELSE 'rejected' END, at + interval '5 minutes' FROM made;
COMMIT;
SQL
	return;
}

sub report { return value("SELECT string_agg(stream, ' ' ORDER BY stream) FROM trainer_drift_report('${\ org($_[0])}') WHERE $_[1]") }

staged('X8', 'scores and comments that drift; the worker dies between the look that sees it and its commit, and the server', sub {
	past($_, 400, 20, 0.8, 0.8, 'weather') for 1, 2;
	wait_until("there are references of organization $_", sub { report($_, 'reference IS NOT NULL') eq 'errors input_length input_vocabulary platform_mix quality_score response_time_ms user_approval' }, 60) for 1, 2;
	is(value("SELECT count(*) FROM trainer_event_log WHERE kind = 'drift'"), 0, 'nothing has drifted');

	my $killed = deaths($node);
	set_faults($node, 'drift-told:crash');
	past(2, 400, 10, 0.8, 0.8, 'weather');
	# What it dies over has been committed by then; psql may not have heard of it.
	eval { past(1, 400, 10, 0.8, 0.4, 'football matches') };
	wait_until('it dies between the look and its commit', sub { fault_met($node, 'drift-told:crash') }, 60);
	wait_for_restart($node, $killed + 1);
	set_faults($node);
	is(value("SELECT count(*) FROM trainer_event_log WHERE kind = 'drift' AND organization_id = '${\ org(2)}'"), 0, 'of the other organization nothing is told');
	my $drifted = 'input_length input_vocabulary user_approval';
	wait_until('approval and comments have drifted', sub { report(1, 'drifted') eq $drifted }, 60) or diag(value("SELECT r.* FROM trainer_drift_report('${\ org(1)}') AS r"));
	kill_server($node);
	$node->start;
	wait_for_worker($node);
	# Some looks more.
	sleep 2;
	is(report(1, 'drifted'), $drifted, 'and nothing else, after the server has died, too');
	is(report(2, 'drifted'), '', 'where all is as it was, nothing has');
	is(report(2, 'statistic IS NOT NULL'), 'errors input_length input_vocabulary platform_mix quality_score response_time_ms user_approval', 'and it was looked at');
	is(value("SELECT string_agg(detail ->> 'stream', ' ' ORDER BY detail ->> 'stream') FROM trainer_event_log WHERE kind = 'drift'"), $drifted, 'each was told once');
	is(value(<<"SQL"), 't', 'what was seen in batches and over deaths is what all of it at once gives');
WITH unit AS (
  SELECT row_number() OVER (ORDER BY g.created_at) AS place, EXISTS (SELECT FROM model_feedback AS f WHERE f.response_id = g.response_id AND f.feedback_type = 'approved')::int::float8 AS v
  FROM trainer_generations AS g WHERE g.organization_id = '${\ org(1)}' AND g.response_id IS NOT NULL AND g.custom_model_id = '$models[0]' AND g.created_at > now() - interval '20 days'),
reference AS (SELECT s.n, sum(v) AS total, sum(v * v) AS squares FROM unit, trainer_drift_streams AS s
  WHERE s.organization_id = '${\ org(1)}' AND s.stream = 'user_approval' AND place <= s.n GROUP BY 1)
SELECT abs(greatest(d.fall, d.rise) - r.statistic) <= 1e-9 * r.statistic FROM reference, trainer_drift_report('${\ org(1)}') AS r,
  trainer_score_drift(reference.n, reference.total, reference.squares, 0.03, ARRAY(SELECT v FROM unit WHERE place > reference.n ORDER BY place), '{}') AS d
WHERE r.stream = 'user_approval'
SQL

	# The first one has it decided about; what was trained less than a day ago is not trained again.
	wait_until('it is decided about', sub { value("SELECT count(*) FROM trainer_retraining_decisions WHERE decision = 'not_now'") == 1 }, 60);
	like(value('SELECT reason FROM trainer_retraining_decisions'), qr/^drift of \w+: the last training began less than /, 'by the same rules as any other');
	is(value('SELECT count(*), count(drift) FROM trainer_retraining_decisions'), '1|1', 'and once');
	set_setting($node, 'trainer.retrain_cooldown', 0);
	wait_for_reload($node, 'trainer.retrain_cooldown', 0);
	value("UPDATE trainer_retraining_decisions SET due_at = now()");
	wait_until('the next version is trained', sub { value("SELECT count(*) FROM trainer_retraining_decisions WHERE new_model_id IS NOT NULL") == 1 }, 60) or diag(value('SELECT decision, reason FROM trainer_retraining_decisions'));
	like(value('SELECT drift FROM trainer_retraining_decisions'), qr/^(?:user_approval|input_\w+)$/, 'because of the drift');
	is(value("SELECT count(*) FROM custom_models WHERE organization_id = '${\ org(1)}'"), 2, 'once');
	return 'told once a stream; one decision';
});

staged('X9', 'a model that serves becomes worse; the worker dies between the rollback and its commit, and the server', sub {
	my $serving = "SELECT count(*) FROM custom_models WHERE organization_id = '${\ org(2)}' AND is_active";
	is(value($serving), 1, 'a model of its own serves');
	set_setting($node, 'trainer.rollback_on_regression', 'on');
	wait_for_reload($node, 'trainer.rollback_on_regression', 'on');
	my $killed = deaths($node);
	set_faults($node, 'drift-told:crash');
	past(2, 60, 1.5, 0.5, 0.8, 'weather');
	wait_until('it dies between the rollback and its commit', sub { fault_met($node, 'drift-told:crash') }, 60);
	wait_for_restart($node, $killed + 1);
	set_faults($node);
	wait_until('it is taken back', sub { value($serving) == 0 }, 60);
	kill_server($node);
	$node->start;
	wait_for_worker($node);
	sleep 1;
	is(value($serving), 0, '... and stays so after the server has died');
	is(value("SELECT string_agg(kind, ' ' ORDER BY id) FROM trainer_event_log WHERE organization_id = '${\ org(2)}' AND (kind IN ('drift', 'model_rolled_back', 'regression_rolled_back'))"),
		'drift model_rolled_back regression_rolled_back', '... once');
	my $comment = value("SELECT id FROM comments WHERE organization_id = '${\ org(2)}' LIMIT 1");
	is(value("SELECT rung FROM trainer_generate('$comment')"), 'base', 'the next reply comes from what served before');
	return 'taken back once; the base model answers';
});

check_invariants($node, $sandbox, crashed => 1);
done_testing();
