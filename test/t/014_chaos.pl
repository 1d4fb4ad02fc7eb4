# Restarts, kills and faults of the provider at random, while 500 jobs are carried out; then all is healed, and every promise holds.
# TRAINER_SEED repeats a run as far as chance decides it; TRAINER_CHAOS_SECONDS makes it longer.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Matrix;
use TrainerTest;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $seed = $ENV{TRAINER_SEED} // int(rand(2**31));
srand $seed;
diag("TRAINER_SEED=$seed");
matrix("Chaos, TRAINER_SEED=$seed");
my $seconds = $ENV{TRAINER_CHAOS_SECONDS} // 20;
my $total = 500;

my $sandbox = start_sandbox(job_seconds => 1, max_seconds => $seconds + 600);
my $node = start_node('chaos', $sandbox, organizations => 10, replies => 110, 'trainer.poll_interval' => '300ms', 'trainer.request_timeout' => '2s',
	'trainer.model_grace_period' => '5min');
prepare($node, $_) foreach 1 .. 10;

# Small datasets: each a copy of the first lines of a real one of the organization.
$node->safe_psql('postgres', <<"SQL");
CREATE FUNCTION small(organization uuid) RETURNS uuid LANGUAGE sql AS \$\$
  WITH original AS (SELECT * FROM training_datasets WHERE organization_id = \$1 AND name <> 'small'),
  copy AS (INSERT INTO training_datasets (organization_id, name, roast_count, training_params, status)
                SELECT \$1, 'small', 12, training_params, 'ready' FROM original RETURNING id),
  examples AS (INSERT INTO training_examples
               SELECT copy.id, row_number() OVER (ORDER BY e.ordinal), \$1, 'train', NULL, NULL, e.messages
               FROM copy, original, LATERAL (SELECT * FROM training_examples WHERE dataset_id = original.id ORDER BY ordinal LIMIT 12) e)
  SELECT id FROM copy \$\$;
SQL

sub shuffled { my @of = @_; my @in; push @in, splice @of, int(rand(@of)), 1 while @of; return @in }
sub one_of { return $_[ int(rand(@_)) ] }
my %done;

# Submissions in batches, some of them rolled back; whoever dies in one has submitted nothing.
sub submit_some
{
	my $count = 5 + int(rand(20));
	my $end = rand() < 0.2 ? 'ROLLBACK' : 'COMMIT';
	my $answer = ask($node, "BEGIN; SELECT count(trainer_submit_training(small(id))) FROM organizations, generate_series(1, $count / 10 + 1) ORDER BY random(); $end");
	$done{$end}++ if defined $answer;
	return;
}

sub cancel_some
{
	ask($node, "DO \$\$ DECLARE m uuid; BEGIN FOR m IN SELECT id FROM custom_models WHERE status IN ('pending', 'uploading', 'queued', 'running') ORDER BY random() LIMIT 3 LOOP"
		. " PERFORM trainer_cancel_training(m); END LOOP; END \$\$");
	return;
}

my @paths = ([ 'POST', '/v1/files' ], [ 'POST', $jobs ], [ 'GET', $jobs ], [ 'GET', "$jobs/*" ], [ 'GET', "$jobs/*/events" ], [ 'GET', '/v1/models/*' ], [ 'POST', '/v1/chat/completions' ]);
my %moods = (
	lost      => sub { (kind => one_of(qw(drop_before drop_after truncate))) },
	failing   => sub { (kind => 'status', status => one_of(429, 500, 502, 503), headers => { 'Retry-After' => 1 }) },
	slow      => sub { (kind => 'latency', ms => 200 + int(rand(3000))) },
	nonsense  => sub { (kind => 'malformed', body => one_of('', 'null', '{', '<html>')) });
sub spoil
{
	my ($method, $path) = @{ one_of(@paths) };
	my $mood = one_of(sort keys %moods);
	$sandbox->fault(method => $method, path => $path, count => 1 + int(rand(15)), $moods{$mood}->());
	$done{"a provider that is $mood"}++;
	return;
}

my %deaths = (
	'stop -m smart'     => sub { $node->stop('smart');     $node->start },
	'stop -m fast'      => sub { $node->stop('fast');      $node->start },
	'stop -m immediate' => sub { $node->stop('immediate'); $node->start },
	'kill -9 of all'    => sub { kill_server($node); $node->start },
	'kill -9 of the postmaster' => sub { kill_server($node, only_postmaster => 1); $node->start },
	'kill -9 of the worker' => sub { my $deaths = deaths($node); my $pid = ask($node, 'SELECT pid FROM trainer_worker_status()'); wait_for_restart($node, $deaths + 1) if $pid && kill 9, $pid },
	'kill -9 of a session'  => sub {
		my $session = session($node);
		my $deaths = deaths($node);
		my $pid = $session->query_safe('SELECT pg_backend_pid()');
		$session->query_safe("BEGIN; SELECT trainer_submit_training(small('" . org(1) . "'))");
		kill 9, $pid;
		eval { $session->quit };
		wait_for_restart($node, $deaths + 1);
	},
	'SIGTERM of the worker' => sub { my $pid = ask($node, 'SELECT pid FROM trainer_worker_status()'); kill 'TERM', $pid if $pid });

staged('F6', "$total jobs, with restarts, kills and faults of the provider at random for $seconds s", sub {
	my $end = time + $seconds;
	my $next_death = time + 1;
	my @next = shuffled(sort keys %deaths);
	# Longer on a slow machine: until each death has been died, and most of the jobs have come.
	my $models = 0;
	while (time < $end || (time < $end + 60 && (($models || 0) <= $total / 2 || grep { !$done{$_} } keys %deaths)))
	{
		$models = ask($node, 'SELECT count(*) FROM custom_models');
		submit_some() if ($models || 0) < $total;
		cancel_some() if rand() < 0.2;
		spoil() if rand() < 0.5;
		if (time > $next_death)
		{
			@next or @next = shuffled(sort keys %deaths);
			my $death = shift @next;
			$deaths{$death}->();
			$done{$death}++;
			$next_death = time + rand(2);
			wait_until('the server is back', sub { defined ask($node, 'SELECT 1') }, 60);
		}
		sleep rand(0.3);
	}
	$sandbox->heal;
	wait_for_worker($node);
	is(join(', ', grep { !$done{$_} } sort keys %deaths), '', 'each death has been died');
	my $left = $total - $node->safe_psql('postgres', 'SELECT count(*) FROM custom_models');
	cmp_ok($left, '<', $total / 2, 'most of the jobs came while it lasted');
	$node->safe_psql('postgres', "SELECT count(trainer_submit_training(small('" . org(1) . "'))) FROM generate_series(1, $left)") if $left > 0;
	# What has failed often waits for minutes, which proves nothing.
	$node->safe_psql('postgres', "UPDATE trainer_operations SET due_at = now() WHERE state = 'ready'");
	wait_until('everything has come to its end', sub {
		$node->safe_psql('postgres', "SELECT count(*) FROM custom_models WHERE status NOT IN ('deployed', 'succeeded', 'failed', 'cancelled', 'retired')") == 0 }, 120, 0.2)
	  or diag($node->safe_psql('postgres', "SELECT kind, state, count(*), min(due_at - now()), min(last_error) FROM trainer_operations WHERE state IN ('ready', 'sending', 'reconcile', 'checking') GROUP BY 1, 2"));
	my $ends = $node->safe_psql('postgres', "SELECT string_agg(n || ' ' || status, ', ' ORDER BY status) FROM (SELECT status, count(*) AS n FROM custom_models GROUP BY 1) s");
	is($node->safe_psql('postgres', "SELECT count(*) FROM custom_models WHERE status = 'failed'"), 0, 'none has failed') or diag($node->safe_psql('postgres',
		"SELECT error_sqlstate, error_code, error_message, count(*) FROM custom_models WHERE status = 'failed' GROUP BY 1, 2, 3"));
	diag(join ', ', map { "$done{$_} times $_" } sort keys %done);
	check_invariants($node, $sandbox, crashed => 1, seconds => 120);
	return $ends;
});

$node->stop;
done_testing();
