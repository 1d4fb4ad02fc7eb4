# 500 jobs through one worker: all end right, in bounded memory, in fair turns, and the worker can be told to end at any moment.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Matrix;
use TrainerTest;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

matrix('Load');
my $seed = $ENV{TRAINER_SEED} // int(rand(2**31));
srand $seed;
diag("TRAINER_SEED=$seed");

my $sandbox = start_sandbox(job_seconds => 1);
my $node = start_node('many', $sandbox, organizations => 12, replies => 110, 'trainer.max_concurrent_requests' => 64,
	'trainer.poll_interval' => '500ms', 'log_statement' => 'none');

# What one worker does at once is its own affair, so small datasets will do: each a copy of the first lines of a real one.
$node->safe_psql('postgres', <<"SQL");
SELECT trainer_prepare_dataset(id) FROM organizations;
CREATE FUNCTION many(organization int, copies int) RETURNS SETOF uuid LANGUAGE sql AS \$\$
  WITH original AS (SELECT * FROM training_datasets
                    WHERE organization_id = ('00000000-0000-4000-8000-' || lpad(organization::text, 12, '0'))::uuid ORDER BY created_at LIMIT 1),
  copy AS (INSERT INTO training_datasets (organization_id, name, roast_count, training_params, status)
           SELECT organization_id, name, 12, training_params, 'ready' FROM original, generate_series(1, copies) RETURNING id),
  examples AS (INSERT INTO training_examples
               SELECT copy.id, row_number() OVER (PARTITION BY copy.id ORDER BY e.ordinal), e.organization_id, 'train', e.response_id, e.comment_id, e.messages
               FROM copy, original, LATERAL (SELECT * FROM training_examples WHERE dataset_id = original.id ORDER BY ordinal LIMIT 12) e)
  SELECT id FROM copy \$\$;
SQL

# Resident memory in kB, and what of it is the process's own: the rest are shared buffers that it has touched.
sub memory_of
{
	my ($pid) = @_;
	my $status = slurp_file("/proc/$pid/status");
	return map { $status =~ /^$_:\s+(\d+) kB/m ? $1 : 0 } qw(VmRSS RssAnon);
}

sub count_of { return $node->safe_psql('postgres', "SELECT count(*) FROM custom_models WHERE $_[0]") }

# --- 500 at once ---
staged('F9', '500 jobs at once', sub {
	my $warm = train($node, 12);
	wait_for_status($node, $warm, 'deployed');
	my $worker = worker_pid($node);
	my ($rss, $own) = memory_of($worker);
	my $began  = time;
	$node->safe_psql('postgres', "SELECT count(trainer_submit_training(d)) FROM generate_series(1, 10) AS o, LATERAL many(o, 50) AS d");
	my ($highest, $in_flight) = ($own, 0);
	wait_until('500 jobs', sub {
		my (undef, $now) = memory_of($worker);
		$highest = $now if $now > $highest;
		my ($left, $flying) = split /\|/, $node->safe_psql('postgres', "SELECT count(*), (SELECT in_flight FROM trainer_worker_status()) FROM custom_models WHERE status NOT IN ('succeeded', 'deployed', 'retired')");
		$in_flight = $flying if $flying > $in_flight;
		return $left == 0;
	}, 120, 0.1);
	my $took = time - $began;
	my ($rss_end, $own_end) = memory_of($worker);
	diag(sprintf '500 jobs in %.1f s; the worker\'s memory: %.1f MB at the start, %.1f MB at the end; its own part: %.1f MB, %.1f MB at most, %.1f MB; in flight at most %d',
		$took, $rss / 1024, $rss_end / 1024, $own / 1024, $highest / 1024, $own_end / 1024, $in_flight);
	is(worker_pid($node), $worker, 'one worker did it all');
	is(count_of("fine_tuned_model_id IS NOT NULL AND verified_at IS NOT NULL AND error_code IS NULL"), 501, 'all 500 end right');
	is(count_of('is_active'), 11, 'one model an organization serves');
	cmp_ok($rss_end - $rss, '<', 64 * 1024, 'the worker\'s memory grows by less than 64 MB');
	cmp_ok($highest - $own, '<', 32 * 1024, '... and its own part of it by less than 32 MB');
	cmp_ok($in_flight, '<=', 80, 'requests under way are bounded');
	settle($node, 60);
	return sprintf 'all end right in %.1f s; the worker\'s own memory grows by %.0f MB', $took, ($highest - $own) / 1024;
});

# --- a provider that has had enough ---
staged('F32', '200 jobs at once, and 429 to the creation of every job for five seconds', sub {
	$sandbox->settings(job_seconds => 0.2);
	my $storm = $sandbox->fault(kind => 'status', status => 429, method => 'POST', path => $jobs, code => 'rate_limit_exceeded', count => -1, headers => { 'Retry-After' => 1 });
	$node->safe_psql('postgres', "SELECT count(trainer_submit_training(d)) FROM generate_series(1, 10) AS o, LATERAL many(o, 20) AS d");
	# What was under way when the first one was refused comes in on its own time; while the gate is shut, nothing follows.
	my $at_first = 0;
	wait_until('the storm begins', sub { my $before = $at_first; $at_first = $sandbox->applied($storm); return $before && $before == $at_first }, 60, 0.3);
	sleep 5;
	my $refused = $sandbox->applied($storm) - $at_first;
	$sandbox->heal;
	wait_until('200 jobs', sub { count_of("status NOT IN ('succeeded', 'deployed', 'retired')") == 0 }, 120, 0.1);
	is(count_of('fine_tuned_model_id IS NULL'), 0, 'all end right');
	cmp_ok($refused, '<=', 100, 'the provider is asked by a few at a time');
	settle($node, 60);
	return sprintf '%d requests at first, %.0f a second in the storm; all deployed', $at_first, $refused / 5;
});

# --- turns: one job behind another organization's 400 is not the last ---
staged('F80', '400 jobs of one organization before the one of another', sub {
	$sandbox->settings(job_seconds => 0);
	$node->safe_psql('postgres', 'SELECT trainer_pause_worker()');
	$node->safe_psql('postgres', 'SELECT count(trainer_submit_training(d)) FROM many(1, 400) AS d');
	my $lonely = $node->safe_psql('postgres', 'SELECT (trainer_submit_training(d)).id FROM many(11, 1) AS d');
	my $known = () = $sandbox->history(method => 'POST', path => $jobs);
	$node->safe_psql('postgres', 'SELECT trainer_resume_worker()');
	wait_for_status($node, $lonely, 'deployed', 60);
	my $token = $node->safe_psql('postgres', "SELECT id FROM trainer_operations WHERE custom_model_id = '$lonely' AND kind = 'create_job'");
	my @posts = $sandbox->history(method => 'POST', path => $jobs);
	my ($place) = grep { ($posts[$_]{trainer_key} // '') eq $token } $known .. $#posts;
	$place -= $known - 1;
	diag("the one job behind 400 of another organization was created as number $place");
	cmp_ok($place, '<=', 100, 'an organization with one job is not last behind one with 400');
	return "created as number $place";
});

# --- told to end at any moment: now, with some of the 400 still to do, and with 100 that run ---
$sandbox->settings(job_seconds => 8);
$node->safe_psql('postgres', 'SELECT count(trainer_submit_training(d)) FROM generate_series(2, 5) AS o, LATERAL many(o, 25) AS d');
my @ends;
foreach my $try (1 .. 4)
{
	sleep rand(0.8);
	my $pid = wait_for_worker($node);
	my $told = time;
	kill 'TERM', $pid;
	wait_until('the worker ends', sub { !kill(0, $pid) }, 10);
	push @ends, time - $told;
	wait_for_worker($node, 'postgres', $pid);
}
diag('SIGTERM ended the worker in ' . join(', ', map { sprintf '%.3f s', $_ } @ends));
cmp_ok((sort { $b <=> $a } @ends)[0], '<', 1, 'SIGTERM ends the worker in less than a second, whatever it does');
wait_until('all the rest', sub { count_of("status NOT IN ('succeeded', 'deployed', 'retired')") == 0 }, 60, 0.1);
is(count_of("verified_at IS NULL"), 0, 'and the next one goes on where it was');

check_invariants($node, $sandbox, seconds => 60);
$node->stop;
done_testing();
