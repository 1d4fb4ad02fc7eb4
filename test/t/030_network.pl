# Bytes that no honest server sends, and servers that never finish: each job comes to its end, once, in bounded memory, and nobody who
# waits has to.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Matrix;
use RawServer;
use TrainerTest;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $sandbox = start_sandbox(job_seconds => 0.2);
my $node;
matrix('Hostile network', sub { check_invariants($node, $sandbox, seconds => 60) });
my ($port) = $sandbox->api_base =~ /:(\d+)/;
my $raw  = RawServer->new(dir => PostgreSQL::Test::Utils::tempdir() . '/rules', to => $port);
$node = start_node('network', $sandbox, organizations => 20, 'trainer.api_base' => $raw->base, 'trainer.request_timeout' => '1s',
	'trainer.max_response_size' => '1MB', 'client_connection_check_interval' => '100ms', 'trainer.model_grace_period' => '1min');

sub jobs_of
{
	my ($model) = @_;
	my $token = $node->safe_psql('postgres', "SELECT id FROM trainer_operations WHERE custom_model_id = '$model' AND kind = 'create_job'");
	return scalar grep { $_->{created} } job_posts($sandbox, $token);
}

sub peak_of { my ($pid) = @_; slurp_file("/proc/$pid/status") =~ /^VmHWM:\s+(\d+)/m; return $1 / 1024 }

# --- answers to the creation of a job, after it has been created, and to a poll: all at once, each on a job of its own ---

my %treatment = (
	'cut at close'     => [ 'F35', 'the answer ends in the middle, by the end of the connection' ],
	'endless'          => [ 'F41', 'a body without end' ],
	'gzip bomb'        => [ 'F41', '200 MB in a compressed body' ],
	'brotli bomb'      => [ 'F41', '200 MB in a body of 158 bytes' ],
	'zstd bomb'        => [ 'F41', '200 MB in a body compressed in another way' ],
	'odd numbers'      => [ 'F54', 'numbers beyond every type in the place of all' ],
	'drip'             => [ 'F41', 'a byte every half second' ],
	'large headers'    => [ 'F41', '400 kB of headers' ],
	'interim answers'  => [ 'F41', '20,000 times 100 Continue' ],
	'no header'        => [ 'F41', 'a body without a status line' ],
	'two lengths'      => [ 'F41', 'two lengths of the body' ],
	'NUL in a header'  => [ 'F41', 'a NUL in a header' ],
	'NUL in the body'  => [ 'F41', 'a NUL behind the body' ],
	'half a header'    => [ 'F41', 'half a header, and nothing more' ],
	'reset before'     => [ 'F44', 'a reset before the request is passed on' ],
	'reset after'      => [ 'F44', 'a reset after it' ],
	'silent'           => [ 'F44', 'no answer' ]);
my $worker = worker_pid($node);
my $before = peak_of($worker);
my $organization = 0;
foreach my $kind (sort keys %treatment)
{
	staged($treatment{$kind}[0], "$treatment{$kind}[1], to the creation of a job, a poll and an upload", sub {
		my @rules = ($raw->rule($kind, 'POST', $jobs), $raw->rule($kind, 'GET', "$jobs/[^/]+"), $raw->rule($kind, 'POST', '/v1/files'));
		my $model = train($node, $organization++ % 20 + 1);
		wait_for_status($node, $model, 'deployed', 60);
		is(scalar(grep { !$raw->met($_) } @rules), 0, 'each was met');
		is(jobs_of($model), 1, 'one job');
		is(scalar(my @files = grep { $_->{created} } uploads_of($node, $sandbox, $model)), 2, 'each file is there once');
		return 'one job, adopted, deployed';
	});
}
staged('F41', 'the memory of the worker that has met all of them', sub {
	is(worker_pid($node), $worker, 'it is the same worker');
	cmp_ok(peak_of($worker) - $before, '<', 24, 'its memory has not grown by more than a few answers');
	return sprintf 'at most %.0f MB more', peak_of($worker) - $before;
});

staged('F44', 'a port where nobody listens', sub {
	my $listener = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die;
	my $nobody = $listener->sockport;
	close $listener;
	set_setting($node, 'trainer.api_base', "http://127.0.0.1:$nobody/v1");
	wait_for_reload($node, 'trainer.api_base', "http://127.0.0.1:$nobody/v1");
	my $model = train($node, 3);
	wait_until('not sent', sub { $node->safe_psql('postgres', "SELECT state, last_delivery FROM trainer_operations WHERE custom_model_id = '$model' AND kind = 'upload_training_file'") eq 'ready|not_sent' });
	set_setting($node, 'trainer.api_base', $raw->base);
	wait_for_status($node, $model, 'deployed', 60);
	is(jobs_of($model), 1, 'one job');
	return 'not sent; goes on when somebody does';
});

staged('F44', 'a port where nobody answers the connection', sub {
	# Whoever listens there accepts nobody, and has no room left for who waits.
	my $listener = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die;
	my @waiting = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $listener->sockport, Blocking => 0) } 1 .. 64;
	my $probe = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $listener->sockport, Timeout => 0.3);
	ok(!$probe, 'nobody else is let in');
	my $base = 'http://127.0.0.1:' . $listener->sockport . '/v1';
	set_setting($node, 'trainer.api_base', $base);
	wait_for_reload($node, 'trainer.api_base', $base);
	my $began = time;
	like($node->safe_psql('postgres', 'SELECT trainer_probe_provider()'), qr/not_connected/, 'a session is told');
	cmp_ok(my $took = time - $began, '<', 3, '... and waits no longer than trainer.connect_timeout');
	my $model = train($node, 4);
	wait_until('not sent', sub { $node->safe_psql('postgres', "SELECT state, last_delivery FROM trainer_operations WHERE custom_model_id = '$model' AND kind = 'upload_training_file'") eq 'ready|not_sent' });
	set_setting($node, 'trainer.api_base', $raw->base);
	close $_ foreach @waiting, $listener;
	wait_for_status($node, $model, 'deployed', 60);
	is(jobs_of($model), 1, 'one job');
	return sprintf 'not sent after %.1f s; goes on when somebody does', $took;
});

staged('F46', 'an upload is refused (413) while it is under way', sub {
	my $rule = $raw->rule('refused early', 'POST', '/v1/files');
	my $model = train($node, 1);
	wait_for_status($node, $model, 'failed', 30);
	ok($raw->met($rule), 'it was met');
	like(status_of($node, $model, 'error_message'), qr/413|too large/i, 'the reason is told');
	return 'failed, with the reason';
});

staged('F51', 'an error whose text is no UTF-8', sub {
	my $rule = $raw->rule('no UTF-8', 'POST', '/v1/files');
	my $model = train($node, 2);
	wait_for_status($node, $model, 'failed', 30);
	ok($raw->met($rule), 'it was met');
	is(status_of($node, $model, "error_message LIKE 'Sa_d % %' AND error_message !~ '[[:cntrl:]]'"), 't', 'the rest of it is told') or diag(status_of($node, $model, 'error_message'));
	return 'failed, with the text as far as it is one';
});

# --- whoever waits for a server that hangs ---

sub seconds { my ($code) = @_; my $began = time; $code->(); return time - $began }
my $probe = 'SELECT trainer_probe_provider()';

foreach my $kind ('silent', 'half a header', 'drip')
{
	staged('F49', "a session asks a server that hangs ($kind): statement_timeout, cancel, terminate, a client that is gone", sub {
		my @took;
		# Each hangs for as long as the connection lives, so the session has to be let go.
		my $ask = sub {
			my $rule = $raw->rule($kind, 'GET', '/v1/models');
			my $session = session($node);
			my $pid = $session->query_safe('SELECT pg_backend_pid()');
			$session->{stdin} .= "$probe;\n";
			$session->{run}->pump_nb;
			wait_until('it hangs', sub { $raw->met($rule) });
			return ($session, $pid);
		};
		my $rule = $raw->rule($kind, 'GET', '/v1/models');
		push @took, seconds(sub { my ($state) = sql_error($node, "SET statement_timeout = '200ms'; $probe"); is($state, '57014', 'statement_timeout') }) - 0.2;
		foreach my $end ('pg_cancel_backend', 'pg_terminate_backend')
		{
			my ($session, $pid) = $ask->();
			push @took, seconds(sub {
				$node->safe_psql('postgres', "SELECT $end($pid)");
				wait_until($end, sub { $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid AND state = 'active'") == 0 }, 5, 0.01);
			});
			eval { $session->{run}->kill_kill };
		}
		my ($session, $pid) = $ask->();
		push @took, seconds(sub {
			$session->{run}->kill_kill(grace => 0);
			wait_until('client gone', sub { $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid") == 0 }, 5, 0.01);
		});
		cmp_ok((sort { $b <=> $a } @took)[0], '<', 1, 'each ends within a second');
		$raw->heal;
		return sprintf 'each within %.2f s', (sort { $b <=> $a } @took)[0];
	});
}

staged('F49', '200 questions that are cancelled, in one session', sub {
	my $session = session($node);
	my $pid   = $session->query_safe('SELECT pg_backend_pid()');
	my $open  = sub { my @files = glob "/proc/$pid/fd/*"; return scalar @files };
	$session->query_safe("SET statement_timeout = '10ms'");
	$raw->rule('silent', 'GET', '/v1/models') foreach 1 .. 205;
	$session->query($probe) foreach 1 .. 5;
	my $at_first = $open->();
	$session->query($probe) foreach 1 .. 200;
	is($open->(), $at_first, 'no descriptor is left behind');
	$raw->heal;
	$session->{stderr} = '';
	is($session->query_safe("SET statement_timeout = 0; SELECT 'well'"), 'well', 'the session works');
	$session->quit;
	return 'no descriptor left';
});

staged('F5', 'pg_terminate_backend() of the worker and a fast stop while requests hang in every way', sub {
	my @models;
	my $hang = sub {
		my @rules = map { $raw->rule($_, 'POST', '/v1/files') } 'silent', 'half a header', 'drip', 'silent';
		push @models, map { train($node, $_) } 1 .. 4;
		wait_until('all hang', sub { !grep { !$raw->met($_) } @rules });
	};
	$hang->();
	my $pid = worker_pid($node);
	my @took = (seconds(sub { kill 'TERM', $pid; wait_until('the worker ends', sub { !TrainerTest::is_alive($pid) }, 10, 0.01) }));
	wait_for_worker($node, 'postgres', $pid);
	wait_for_status($node, $_, 'deployed|retired', 60) foreach splice @models;
	$hang->();
	push @took, stop_fast($node);
	$node->start;
	wait_for_status($node, $_, 'deployed|retired', 60) foreach @models;
	cmp_ok($took[0], '<', 1, 'the worker ends within a second');
	cmp_ok($took[1], '<', 1, '... and so do all processes of a server that is stopped');
	return sprintf '%.2f s, %.2f s', @took;
});

$node->stop;
done_testing();
