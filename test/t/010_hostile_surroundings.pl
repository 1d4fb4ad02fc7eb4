# Odd databases, a network that lies, and sessions that must not wait while requests hang.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Matrix;
use TrainerTest;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

matrix('Hostile surroundings');
my $sandbox = start_sandbox(job_seconds => 0.2);
my $decoy   = start_sandbox(job_seconds => 0.2, api_key => undef);

# A proxy in the server's environment that nobody asked for: nobody listens there.
my @proxies = qw(http_proxy HTTP_PROXY https_proxy HTTPS_PROXY all_proxy ALL_PROXY);
$ENV{$_} = 'http://127.0.0.1:1' foreach @proxies;
my $node = start_node('surroundings', $sandbox, organizations => 8, 'trainer.max_response_size' => '64kB', 'trainer.request_timeout' => '2s');
delete @ENV{@proxies};

sub train_in
{
	my ($database, $schema) = @_;
	return $node->safe_psql($database, "SELECT id FROM $schema.trainer_submit_training((SELECT id FROM $schema.trainer_prepare_dataset('" . org(1) . "')))");
}

staged('F47', 'proxies in the server\'s environment, where nobody listens', sub {
	my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
	like(slurp_file("/proc/$postmaster/environ"), qr/\0$_=http/, "$_ is set") foreach @proxies;
	my $model = train($node, 1);
	wait_for_status($node, $model, 'deployed');
	is($node->safe_psql('postgres', 'SELECT trainer_probe_provider()'), '', 'a session is answered, too');
	return 'not used';
});

# --- odd databases ---
my %odd = (
	'in another schema' => [ q{"Odd Home"}, 'UTF8' ],
	'in Latin-1'        => [ 'public', 'LATIN1', q{chr(233) || chr(255)} ],
	'in EUC_JP'         => [ 'public', 'EUC_JP', q{convert_from('\xe38193e38293', 'UTF8')} ],
	'without encoding'  => [ 'public', 'SQL_ASCII', q{convert_from('\x636166c3a9', 'SQL_ASCII')} ]);
staged('F52', 'databases in another schema, in LATIN1, EUC_JP and SQL_ASCII, and a provider that speaks of more than they can hold', sub {
	my $number = 0;
	foreach my $what (sort keys %odd)
	{
		my ($schema, $encoding, $text) = @{ $odd{$what} };
		my $database = 'odd' . ++$number;
		$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0 ENCODING '$encoding' LOCALE 'C'");
		$node->safe_psql($database, "CREATE SCHEMA $schema") unless $schema eq 'public';
		set_up_app($node, $database, schema => $schema, defined $text ? (text => $text) : ());
		push @{ $odd{$what} }, $database, train_in($database, $schema);
		# The provider speaks UTF-8, whatever the database can hold.
		$sandbox->fault(kind => 'job_failure', code => 'invalid_training_file', message => "No rhyme in \x{201c}Line 7\x{201d} \x{1f635}\x{0}", model => "odd-$number");
		push @{ $odd{$what} }, $node->safe_psql($database, "SELECT id FROM $schema.trainer_submit_training((SELECT id FROM $schema.trainer_prepare_dataset('" . org(1) . "')), suffix => 'odd-$number')");
	}
	foreach my $what (sort keys %odd)
	{
		my ($schema, $encoding, $text, $database, $good, $bad) = (@{ $odd{$what} } == 5 ? (@{ $odd{$what} }[ 0, 1 ], undef, @{ $odd{$what} }[ 2 .. 4 ]) : @{ $odd{$what} });
		my $status = "SELECT status FROM $schema.custom_models WHERE id =";
		wait_until("a database $what", sub { $node->safe_psql($database, "$status '$good'") eq 'deployed' });
		is($node->safe_psql($database, "$status '$good'"), 'deployed', "a database $what is worked on");
		wait_until("a failure $what", sub { $node->safe_psql($database, "$status '$bad'") eq 'failed' });
		like($node->safe_psql($database, "SELECT error_sqlstate, error_message FROM $schema.custom_models WHERE id = '$bad'"), qr/^TR002\|No rhyme in .*Line 7/, '... and what the provider says is stored');
		leave_out($node, $database, $schema);
		$node->safe_psql('postgres', "DROP DATABASE $database WITH (FORCE)");
	}
	$sandbox->heal;
	return 'deployed; what the provider says is stored';
});

# --- a network that lies ---
staged('F40', 'redirects of every status to another host, a file, another protocol, inside, and in a loop, to creations, uploads and polls', sub {
	my %to = (301 => $decoy->api_base . '/fine_tuning/jobs', 302 => 'file:///etc/passwd', 303 => 'ftp://127.0.0.1/jobs', 307 => 'http://169.254.169.254/latest/meta-data',
		308 => $sandbox->api_base . '/fine_tuning/jobs');
	my %told;
	foreach my $status (sort keys %to)
	{
		$told{$status} = [ 'redirect-' . $status, $status % 8 + 1 ];
		$sandbox->fault(kind => 'status', status => $status, headers => { Location => $to{$status} }, method => 'POST', path => $jobs, model => $told{$status}[0]);
		push @{ $told{$status} }, train($node, $told{$status}[1], $told{$status}[0]);
	}
	foreach my $status (sort keys %told)
	{
		my (undef, undef, $model) = @{ $told{$status} };
		wait_for_status($node, $model, 'deployed|retired', 40);
		my $token = $node->safe_psql('postgres', "SELECT id FROM trainer_operations WHERE custom_model_id = '$model' AND kind = 'create_job'");
		is(scalar(grep { $_->{created} } job_posts($sandbox, $token)), 1, "$status to $to{$status}: looked through, one job");
	}
	# What follows a POST by a GET of the same place, or a GET in a circle, would be answered.
	my @rules = map { $sandbox->fault(kind => 'status', status => $_->[2], headers => { Location => $sandbox->api_base . ($_->[1] =~ s{^/v1}{}r) }, method => $_->[0], path => $_->[1], count => 2) }
	  [ 'POST', '/v1/files', 303 ], [ 'GET', "$jobs/*/events", 302 ], [ 'GET', '/v1/models/*', 308 ];
	my $model = train($node, 6);
	wait_for_status($node, $model, 'deployed', 60);
	is($sandbox->applied($_), 2, 'each was met') foreach @rules;
	is(scalar(() = $decoy->history()), 0, 'no redirect is followed');
	$sandbox->heal;
	return 'one job each; none is followed';
});

staged('F39', 'redirects to another host and a file, bodies without end or too deep, another\'s job, silence, crude errors', sub {
	my $known = $node->safe_psql('postgres', 'SELECT id FROM custom_models WHERE provider_job_id IS NOT NULL LIMIT 1');
	my %lie = (
		'a redirect to another host' => { kind => 'status', status => 301, headers => { Location => $decoy->api_base . '/fine_tuning/jobs' } },
		'a redirect to a file'       => { kind => 'status', status => 302, headers => { Location => 'file:///etc/passwd' } },
		'a body without an end'      => { kind => 'malformed', body => '{"id": "' . 'x' x 1_000_000 },
		'a deep body'                => { kind => 'malformed', body => '[' x 60_000 },
		'another\'s job'             => { kind => 'malformed', body => '{"object":"fine_tuning.job","id":"ftjob-theirs","status":"queued","metadata":{"trainer_key":"11111111-1111-4111-8111-111111111111"}}' },
		'another model\'s job, without a token' => { kind => 'malformed', body => '{"object":"fine_tuning.job","id":"' . status_of($node, $known, 'provider_job_id') . '","status":"queued"}' },
		'a silent server'            => { kind => 'latency', ms => 6000 });
	my (%told, $organization);
	foreach my $what (sort keys %lie)
	{
		my $suffix = 'lie-' . ++$organization;
		$sandbox->fault(method => 'POST', path => $jobs, model => $suffix, %{ $lie{$what} });
		$told{$what} = train($node, $organization, $suffix);
	}
	$sandbox->fault(kind => 'status', status => 400, method => 'POST', path => $jobs, model => 'crude', code => '%s%n', message => "%s%n \e[2J'; DROP TABLE custom_models; -- \x{0}\x{202e}" . 'long ' x 10_000);
	my $crude = train($node, 8, 'crude');
	foreach my $what (sort keys %lie)
	{
		wait_for_status($node, $told{$what}, 'deployed', 40);
		my $token = $node->safe_psql('postgres', "SELECT id FROM trainer_operations WHERE custom_model_id = '$told{$what}' AND kind = 'create_job'");
		is(scalar(grep { $_->{created} } job_posts($sandbox, $token)), 1, "$what: looked through, one job");
	}
	is(scalar(() = $decoy->history()), 0, 'no redirect is followed');
	wait_for_status($node, $crude, 'failed');
	my $message = status_of($node, $crude, 'error_message');
	cmp_ok(length $message, '<=', 2048, 'what a provider says is kept short');
	like($message, qr/^%s%n .*DROP TABLE/, '... as text');
	unlike($message, qr/[\x00-\x08\x0b-\x1f]/, '... and clean');
	$sandbox->heal;
	return 'one job each; no redirect is followed; told short and clean';
});

# --- nobody waits while requests hang ---
$sandbox->fault(kind => 'latency', ms => 1800, path => '/v1/models', count => -1);
$sandbox->fault(kind => 'latency', ms => 1800, method => 'POST', path => '/v1/files', count => 2);
my $hanging = train($node, 8);
wait_until('a request that hangs', sub { $node->safe_psql('postgres', 'SELECT in_flight FROM trainer_worker_status()') });
# The worker may be recording something else at one moment; it is not for as long as the request hangs.
wait_until('no transaction, no snapshot and no lock is held across the network', sub { $node->safe_psql('postgres', <<'SQL') eq 't' }, 1.5, 0);
SELECT (SELECT in_flight > 0 FROM trainer_worker_status()) AND a.state = 'idle' AND a.backend_xmin IS NULL AND a.xact_start IS NULL
  AND NOT EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype <> 'virtualxid')
FROM pg_stat_activity a WHERE a.backend_type = 'trainer worker' AND a.datname = 'postgres'
SQL
my $began = time;
$node->safe_psql('postgres', 'CREATE DATABASE passing');
$node->safe_psql('postgres', 'DROP DATABASE passing');
cmp_ok(time - $began, '<', 1.5, 'databases come and go meanwhile');
$began = time;
my ($state) = sql_error($node, "SET statement_timeout = '200ms'; SELECT trainer_probe_provider()");
is($state, '57014', 'a question to a provider that hangs has the caller\'s timeout');
cmp_ok(time - $began, '<', 1, '... at once');
my $session = session($node);
my $pid     = $session->query_safe('SELECT pg_backend_pid()');
my $open    = sub { my @files = glob "/proc/$pid/fd/*"; return scalar @files };
$session->query("SET statement_timeout = '30ms'; SELECT trainer_probe_provider()");
my $before = $open->();
$session->query('SELECT trainer_probe_provider()') foreach 1 .. 20;
is($open->(), $before, 'and leaves no descriptor behind');
$session->{stderr} = '';
is($session->query_safe("SET statement_timeout = 0; SELECT 'well'"), 'well', '... and a session that works');
$session->quit;
wait_for_status($node, $hanging, 'deployed');
$sandbox->heal;

# --- a table that somebody holds for longer than the worker waits ---
my $holder = session($node);
$holder->query_safe('BEGIN; LOCK TABLE trainer_operations IN EXCLUSIVE MODE');
sleep 6;
$holder->query_safe('COMMIT');
$holder->quit;
my $after = train($node, 7);
wait_for_status($node, $after, 'deployed');
cmp_ok(scalar(() = log_of($node) =~ /trainer worker could not/g), '<=', 3, 'a lock that is held for long costs a line in the log, not a flood');

check_invariants($node, $sandbox);
$node->stop;
done_testing();
