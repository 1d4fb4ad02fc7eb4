# Where the key may come from, and that it shows nowhere: not in the noisiest log, not in a table, a view, a dump or an error.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Matrix;
use TrainerTest;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

matrix('Keys');
my $sandbox = start_sandbox(job_seconds => 0.2);

my $node = start_node('keys', $sandbox, organizations => 4, 'log_statement' => 'all', 'log_min_messages' => 'debug5', 'log_error_verbosity' => 'verbose',
	'shared_preload_libraries' => 'trainer, pg_stat_statements, auto_explain', 'auto_explain.log_min_duration' => 0, 'auto_explain.log_verbose' => 'on',
	'auto_explain.log_nested_statements' => 'on', 'log_min_duration_statement' => 0, 'log_parameter_max_length' => -1, 'log_parameter_max_length_on_error' => -1, 'log_connections' => 'on');
$node->safe_psql('postgres', 'CREATE EXTENSION pg_stat_statements');
my $dir  = $node->basedir;
my $good = "$dir/trainer.key";

# Everything that SQL, a dump and the server's own files show.
sub everything_that_shows
{
	my $text = '';
	foreach my $query ('SELECT * FROM pg_stat_activity', 'SELECT * FROM pg_settings', 'SELECT * FROM pg_file_settings', 'SELECT * FROM pg_db_role_setting',
		'SELECT * FROM pg_stat_statements', 'SELECT prosrc FROM pg_proc', 'SELECT * FROM trainer_worker_status()', 'SELECT * FROM trainer_worker_slot()', 'SELECT * FROM trainer_check()',
		'SELECT * FROM trainer_operations', 'SELECT * FROM trainer_event_log', 'SELECT * FROM trainer_events', 'SELECT * FROM trainer_operations_pending', 'SELECT * FROM trainer_progress',
		'SELECT * FROM trainer_models', 'TABLE custom_models', 'TABLE trainer_provider_events')
	{
		$text .= $node->safe_psql('postgres', $query);
	}
	$text .= $node->safe_psql('postgres', "SHOW $_") . "\n" foreach split /\n/, $node->safe_psql('postgres', "SELECT name FROM pg_settings WHERE name LIKE 'trainer.%'");
	my ($dump) = run_command([ 'pg_dumpall', '-h', $node->host, '-p', $node->port ]);
	return $text . $dump . slurp_file($node->data_dir . '/postgresql.auto.conf');
}

sub provider { return $node->safe_psql('postgres', "SELECT ok, detail FROM trainer_examine() WHERE check_name = 'provider'") }

# A change that comes into force by a reload, and what the doctor says of it then.
sub after_reload
{
	my ($name, $value, $expected) = @_;
	set_setting($node, $name, $value);
	my $seen = '';
	wait_until("$name = '$value'", sub { ($seen = provider()) =~ $expected }, 10);
	return $seen;
}

# --- key files that are refused ---
my %bad = ("$dir/shared.key" => [ qr/reached by group or others/, sub { write_key($_[0], $canary, 0640) } ],
	"$dir/world.key"  => [ qr/reached by group or others/, sub { write_key($_[0], $canary, 0604) } ],
	"$dir/link.key"   => [ qr/symbolic link/, sub { symlink $good, $_[0] } ],
	"$dir/large.key"  => [ qr/longer than 4096 bytes/, sub { write_key($_[0], $canary x 100) } ],
	"$dir/empty.key"  => [ qr/empty/, sub { write_key($_[0], ''); truncate $_[0], 0 } ],
	"$dir/pipe.key"   => [ qr/not a regular file/, sub { system('mkfifo', '-m', '600', $_[0]) } ],
	"$dir"            => [ qr/not a regular file/, sub { } ]);
staged('F76', 'key files that are open to others, links, pipes, directories, empty or too long', sub {
	foreach my $file (sort keys %bad)
	{
		my ($reason, $make) = @{ $bad{$file} };
		$make->($file);
		my ($state, $message) = sql_error($node, "ALTER SYSTEM SET trainer.api_key_file = '$file'");
		is($state, '22023', "refused: $file");
		like($message, $reason, '... with the reason');
	}
	return 'refused, with the reason';
});
my ($state, $message) = sql_error($node, "ALTER SYSTEM SET trainer.api_base = 'http://198.51.100.7/v1'");
is($state, '22023', 'the key is not sent over plain http');
foreach my $base ('ftp://127.0.0.1/v1', 'https://user@127.0.0.1/', 'nonsense', 'https://127.0.0.1/v1?x=1', "https://a b/")
{
	($state) = sql_error($node, "ALTER SYSTEM SET trainer.api_base = '$base'");
	is($state, '22023', "refused as a base: $base");
}
($state) = sql_error($node, "SET trainer.api_key = '$canary-not-a-setting'");
isnt($state, '', 'there is no setting that takes a key');

# --- a file that goes bad under a worker: the last good key is used on, and the reason shown ---
my $first = train($node, 1);
wait_for_status($node, $first, 'deployed');
like(after_reload('trainer.api_key_file', "$dir/missing.key", qr/^f/), qr/No such file/, 'a missing file is told');
$node->safe_psql('postgres', "SELECT trainer_wake_worker()");
wait_until('the worker tells it too', sub { $node->safe_psql('postgres', 'SELECT last_error FROM trainer_worker_slot()') =~ /missing\.key/ }, 12);
my $second = train($node, 2);
wait_for_status($node, $second, 'deployed');
pass('a key file that is gone does not stop the work: the key that was read is used on');
is(after_reload('trainer.api_key_file', $good, qr/^t/), 't|the provider answers, and takes the key', 'back again');

# A mode that somebody changes later: the server starts, and the worker waits for it to be put right.
chmod 0644, $good;
$node->restart;
like(log_of($node), qr/WARNING:.*trainer\.api_key_file cannot be used/, 'a server whose key file has become readable starts, and says so');
wait_for_worker($node);
my $requests = () = $sandbox->history();
my $third = train($node, 3);
sleep 0.5;
is(scalar(() = $sandbox->history()), $requests, '... without a key nothing is sent');
chmod 0600, $good;
wait_for_status($node, $third, 'deployed', 15);
pass('... and what waited goes on by itself when the mode is right');

# --- the environment ---
set_setting($node, 'trainer.api_key_env', 'TRAINER_TEST_KEY');
is(after_reload('trainer.api_key_file', '', qr/^f/), 'f|no API key', 'the variable was not there when this server was started');
# A server that starts at debug3 or noisier logs its whole environment: docs/operations.md warns of it.
set_setting($node, 'log_min_messages', 'debug2');
{
	local $ENV{TRAINER_TEST_KEY} = $canary;
	$node->restart;
}
set_setting($node, 'log_min_messages', 'debug5');
wait_for_worker($node);
is(provider(), 't|the provider answers, and takes the key', 'a key from the server\'s environment');
my $fourth = train($node, 4);
wait_for_status($node, $fourth, 'deployed');
($state) = sql_error($node, "ALTER SYSTEM SET trainer.api_key_env = '$canary'");
is($state, '22023', 'a key is not taken for the name of a variable');
($state) = sql_error($node, "ALTER SYSTEM SET trainer.api_key_file = '$canary'");
is($state, '22023', '... nor of a file');
after_reload('trainer.api_key_file', $good, qr/^t/);

# --- a key that is replaced while its last request is under way: the refusal of the old one does not count ---
{
	my $lenient = start_sandbox(job_seconds => 0.2, api_key => undef);
	after_reload('trainer.api_base', $lenient->api_base, qr/^t/);
	$lenient->fault(kind => 'status', status => 401, code => 'invalid_api_key', method => 'POST', path => '/v1/files');
	my $late = $lenient->fault(kind => 'latency', ms => 1500, method => 'POST', path => '/v1/files');
	my $model = train($node, 3);
	wait_until('the request that will be refused', sub { $lenient->applied($late) });
	write_key($good, $other_canary);
	$node->reload;
	wait_for_status($node, $model, 'deployed', 15);
	is($node->safe_psql('postgres', "SELECT last_http_status FROM trainer_operations WHERE custom_model_id = '$model' AND kind = 'upload_training_file'"), 0, 'what the old key was refused goes on with the new one at once');
	# A provider whose keys are no sk-..., and that repeats them wherever it can.
	my %echo = (kind => 'status', status => 400, code => 'not_allowed', message => "Token $other_canary is not allowed.");
	my @rules = map { $lenient->fault(%echo, method => 'POST', path => $_, count => -1) } $jobs, '/v1/chat/completions';
	my $echoed = train($node, 3);
	wait_for_status($node, $echoed, 'failed');
	like(status_of($node, $echoed, 'error_message'), qr/^Token \[redacted\] is not allowed/, 'a key that looks like none is not in what a provider repeats');
	my (undef, $told) = sql_error($node, "SELECT trainer_generate(md5('" . org(3) . "comment1')::uuid)");
	like($told, qr/Token \[redacted\] is not allowed/, '... nor where a session asks');
	ok($lenient->applied($_), 'it was repeated') foreach @rules;
	$lenient->heal;
	write_key($good, $canary);
	after_reload('trainer.api_base', $sandbox->api_base, qr/^t/);
}

# --- refusals that echo the key, and errors of all kinds ---
$sandbox->fault(kind => 'status', status => 400, method => 'POST', path => $jobs, code => 'invalid_value', message => "Incorrect API key provided: $canary. \e[31mBearer $canary");
my $echo = train($node, 1);
wait_for_status($node, $echo, 'failed');
($state, $message) = sql_error($node, "CALL trainer_wait_for_training('$echo')");
is($state, 'TR002', 'a refusal that echoes the key');
unlike($message, qr/\Q$canary\E|\e/, '... shows neither key nor escape sequence');
$sandbox->heal;
$sandbox->stop;
my $unreachable = train($node, 2);
wait_until('the refusal of the connection', sub { $node->safe_psql('postgres', "SELECT count(*) FROM trainer_operations WHERE custom_model_id = '$unreachable' AND last_code = 'not_connected'") });
like(provider(), qr/^f\|.*not_connected/, 'the doctor tells that nobody listens');

# --- the canary ---
staged('F75', 'the key is looked for in the noisiest log, views, settings, tables, counted statements and a dump', sub {
	my ($shown, $log) = (everything_that_shows(), log_of($node));
	cmp_ok(length $log, '>', 1_000_000, 'the log is as noisy as it gets');
	like($log, qr/DEBUG:/, '... to the last level');
	like($log, qr/Query Text: .*trainer_operations/, '... plans included');
	like($shown, qr/FROM \S*trainer_operations/, 'the statements that were counted are looked at');
	# What the test itself typed as SQL is no leak of ours: the server logs every statement.
	$log =~ s/\Q$canary\E-not-a-setting//g;
	$log =~ s/ALTER SYSTEM SET trainer\.api_key_(?:env|file) = '\Q$canary\E'//g;
	my @leaks = grep { /\Q$canary\E|\Q$other_canary\E/ } split /\n/, $log;
	is(scalar(@leaks), 0, 'the key is nowhere in the log') or diag(map { substr($_, 0, 300) . "\n" } @leaks[ 0 .. ($#leaks > 5 ? 5 : $#leaks) ]);
	unlike($shown, qr/\Q$canary\E|\Q$other_canary\E/, 'nor in any view, setting, function, table or dump');
	unlike($log, qr/terminated by signal|PANIC/, 'and nobody died');
	return 'nowhere';
});
$node->stop;
done_testing();
