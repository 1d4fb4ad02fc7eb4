# What the tests here share: a server with the extension, the sandbox beside it, a key, the app's tables, jobs and fault points.
# The sandbox is told what to do by Sandbox.pm; Promises.pm checks what has to hold afterwards.
package TrainerTest;

use strict;
use warnings;

use Exporter 'import';
use HTTP::Tiny;
use JSON::PP;
use KeptSession;
use PostgreSQL::Test::Utils;
use Promises;
use Sandbox;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw($canary $other_canary $jobs start_sandbox new_node start_node set_up_app org prepare submit train ask wait_until wait_for_status
  status_of events_of settle sql_error session worker_pid wait_for_worker set_setting set_faults wait_for_reload fault_met marker write_key kill_server stop_fast kill_of deaths wait_for_restart uploads_of job_posts
  log_of check_invariants leave_out);

# The key is looked for in everything that a person could read.
our $canary = 'sk-CANARY' . join('', map { sprintf '%08x', int(rand(2**32)) } 1 .. 4);
# One that nobody would take for a key by what it looks like.
our $other_canary = $canary =~ s/^sk-/gsk_/r;
our $jobs   = '/v1/fine_tuning/jobs';

# --- waiting ------------------------------------------------------------------------------------------------------------------

# Polls until the code returns true; its value, or a failed test that names what was waited for. Most looks begin a psql, which takes
# more of the processor than what is waited for: the longer it has taken already, the longer are the pauses in between.
sub wait_until
{
	my ($what, $code, $seconds, $step) = @_;
	my $start = time;
	while (1)
	{
		my $value = $code->();
		return $value if $value;
		my $waited = time - $start;
		last if $waited > ($seconds // 30);
		sleep($step // ($waited < 0.2 ? 0.02 : $waited > 2 ? 0.2 : $waited / 10));
	}
	fail("waited for: $what");
	diag(Carp::shortmess("gave up on: $what"));
	return;
}

# --- the provider's stand-in --------------------------------------------------------------------------------------------------

my @sandboxes;

# start_sandbox(job_seconds => 0.3, ...): options are those of the program, with _ for -; api_key => undef takes any.
sub start_sandbox
{
	my %options = (port => 0, job_seconds => 0.3, max_seconds => 900, api_key => $canary, @_);
	my $program = $ENV{TRAINER_SANDBOX} or BAIL_OUT('TRAINER_SANDBOX does not name the sandbox program');
	my $dir     = PostgreSQL::Test::Utils::tempdir();
	my $key     = delete $options{api_key};
	my @command = ($program, '--port-file', "$dir/port", defined $key ? ('--api-key-file', write_key("$dir/key", $key)) : ());
	foreach my $name (sort keys %options)
	{
		(my $flag = "--$name") =~ tr/_/-/;
		push @command, $flag, $options{$name};
	}
	my $pid = fork() // BAIL_OUT("cannot fork: $!");
	if ($pid == 0)
	{
		open STDOUT, '>', "$dir/log";
		open STDERR, '>&', \*STDOUT;
		exec @command or POSIX::_exit(127);
	}
	my $self = bless { pid => $pid, http => HTTP::Tiny->new(timeout => 20) }, 'TrainerTest::Sandbox';
	push @sandboxes, $self;
	wait_until('the sandbox listens', sub { -s "$dir/port" }) or BAIL_OUT('the sandbox does not start');
	chomp(my $port = slurp_file("$dir/port"));
	$self->{base} = "http://127.0.0.1:$port";
	return $self;
}

END
{
	my $status = $?;
	$_->stop for @sandboxes;
	$? = $status;
}

# The POSTs that asked for a job with this token (an operation's id).
sub job_posts
{
	my ($sandbox, $token) = @_;
	return grep { ($_->{trainer_key} // '') eq $token } $sandbox->history(method => 'POST', path => $jobs);
}

# The uploads of a model's operations.
sub uploads_of
{
	my ($node, $sandbox, $model) = @_;
	my %mine = map { $_ => 1 } split /\n/, $node->safe_psql('postgres', "SELECT id FROM trainer_operations WHERE custom_model_id = '$model'");
	return grep { $mine{ token_of($_->{filename}) } } $sandbox->history(method => 'POST', path => '/v1/files');
}

sub token_of
{
	my ($filename) = @_;
	return ($filename // '') =~ /^trainer-[0-9a-f-]+?-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-[0-9a-f]{12}\.jsonl$/ ? $1 : '';
}

# --- the server ---------------------------------------------------------------------------------------------------------------

sub write_key
{
	my ($path, $key, $mode) = @_;
	unlink $path;
	open my $file, '>', $path or BAIL_OUT("cannot write $path: $!");
	chmod 0600, $path;
	print $file "$key\n";
	close $file;
	chmod $mode, $path if defined $mode;
	return $path;
}

# A server that is initialised, not started: preloaded, with a key, and impatient. Settings override what is set here.
sub new_node
{
	my ($name, $sandbox, %settings) = @_;
	my %init = %{ delete $settings{init} // {} };
	my $node = KeptSession->new($name);
	$node->init(%init);
	my %all = (
		'shared_preload_libraries' => 'trainer',
		'restart_after_crash'      => 'on',
		'trainer.api_key_file'     => write_key($node->basedir . '/trainer.key', $canary),
		'trainer.poll_interval'    => '50ms',
		'trainer.request_timeout'  => '5s',
		'trainer.connect_timeout'  => '1s',
		'trainer.reconcile_quiet_period' => '600ms',
		'trainer.model_grace_period'     => '2s',
		($sandbox ? ('trainer.api_base' => $sandbox->api_base) : ()),
		%settings);
	$node->append_conf('postgresql.conf', join '', map { "$_ = '$all{$_}'\n" } grep { defined $all{$_} } sort keys %all);
	return $node;
}

# start_node(name, sandbox, organizations => 2, replies => 120, settings...): a started server with everything in `postgres`.
sub start_node
{
	my ($name, $sandbox, %settings) = @_;
	my %app = map { $_ => delete $settings{$_} } grep { exists $settings{$_} } qw(organizations replies);
	my $node = new_node($name, $sandbox, %settings);
	$node->start;
	set_up_app($node, 'postgres', %app);
	wait_for_worker($node);
	return $node;
}

sub org { return sprintf '00000000-0000-4000-8000-%012d', $_[0] }

# The app's tables with generated data, and the extension bound to them. Text is an SQL expression that ends every reply.
sub set_up_app
{
	my ($node, $database, %of) = @_;
	my $organizations = $of{organizations} // 1;
	my $replies       = $of{replies}       // 120;
	my $text          = $of{text}          // q{E'\U0001F35E \u2028'};
	my $schema        = $of{schema}        // 'public';
	$node->safe_psql($database, <<"SQL");
CREATE TABLE organizations (id uuid PRIMARY KEY, name text, plan_id varchar(50));
CREATE TABLE comments (id uuid PRIMARY KEY, organization_id uuid REFERENCES organizations, platform text, original_text text);
CREATE TABLE responses (id uuid PRIMARY KEY, organization_id uuid REFERENCES organizations, comment_id uuid REFERENCES comments,
  response_text text, created_at timestamptz);
CREATE TABLE roast_metadata (response_id uuid PRIMARY KEY REFERENCES responses, rqc_score numeric);
CREATE TABLE roastr_persona (organization_id uuid PRIMARY KEY REFERENCES organizations, lo_que_me_define text);
CREATE INDEX ON responses (organization_id, created_at, id);
INSERT INTO organizations SELECT format('00000000-0000-4000-8000-%s', lpad(n::text, 12, '0'))::uuid, 'org ' || n, 'plus'
  FROM generate_series(1, $organizations) AS n;
INSERT INTO roastr_persona SELECT id, 'Dry wit, kindly meant, at ' || name || '.' FROM organizations;
INSERT INTO comments SELECT md5(o.id || 'comment' || n)::uuid, o.id, 'bluesky', format('Question %s about thing %s?', n, n % 7)
  FROM organizations AS o, generate_series(1, $replies) AS n;
INSERT INTO responses SELECT md5(o.id || 'reply' || n)::uuid, o.id, md5(o.id || 'comment' || n)::uuid,
  format(E'"Answer" %s,\\nas dry as bread; number %s: ', n, n % 11) || $text, timestamptz '2026-01-01' + n * interval '1 minute'
  FROM organizations AS o, generate_series(1, $replies) AS n;
INSERT INTO roast_metadata SELECT id, 0.9 FROM responses;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
CREATE EXTENSION trainer SCHEMA $schema CASCADE;
SELECT count(*) FROM $schema.trainer_attach();
ANALYZE;
SQL
	return;
}

# What SQL gives, or nothing while the server is not there. A psql that cannot connect may be gone before it has been told what to
# ask, which IPC::Run takes for a reason to die.
sub ask
{
	my ($node, $sql, $database) = @_;
	my ($code, $out) = eval { $node->psql($database // 'postgres', $sql) };
	return defined $code && $code == 0 ? $out : undef;
}

sub worker_pid
{
	my ($node, $database) = @_;
	return $node->safe_psql($database // 'postgres', 'SELECT pid FROM trainer_worker_status()');
}

sub wait_for_worker
{
	my ($node, $database, $other_than) = @_;
	return wait_until(
		'a worker',
		sub {
			my $pid = ask($node, 'SELECT pid FROM trainer_worker_status()', $database);
			return defined $pid && $pid ne '' && (!defined $other_than || $pid != $other_than) && $pid;
		});
}

sub set_setting
{
	my ($node, $name, $value) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET $name = '$value'");
	$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
	return;
}

# --- fault points (src/pg/fault_point.h) ---

# set_faults($node, 'answered-create_job:crash', ...): these from now on, none met yet; without any, the server is left alone.
sub set_faults
{
	my ($node, @faults) = @_;
	unlink map { marker($node, $_) } @faults;
	$node->safe_psql('postgres', 'ALTER SYSTEM SET trainer.fault = \'' . join(',', @faults) . '\'');
	$node->safe_psql('postgres', 'SELECT pg_reload_conf()');
	wait_for_reload($node, 'trainer.fault', join(',', @faults));
	return;
}

# Waits until the worker goes by a setting that has been changed.
sub wait_for_reload
{
	my ($node, $name, $value) = @_;
	# A session that begins with the new value was begun after the worker was signalled; the turn that the worker is in may be over
	# before it looks, but not a second one.
	wait_until('the server has read its settings', sub { $node->safe_psql('postgres', "SHOW $name") eq $value });
	foreach my $turn (1 .. 2)
	{
		my $before = $node->safe_psql('postgres', 'SELECT heartbeat FROM trainer_worker_slot()');
		wait_until('a turn of the worker', sub { $node->safe_psql('postgres', 'SELECT trainer_wake_worker(); SELECT heartbeat FROM trainer_worker_slot()') !~ /\Q$before\E/ });
	}
	return;
}

sub marker { my ($node, $fault) = @_; return $node->data_dir . '/trainer_fault.' . ($fault =~ s/:.*//r) }

# Has it acted as often as it is to?
sub fault_met
{
	my ($node, $fault) = @_;
	my ($count) = $fault =~ /:(\d+)$/;
	return (-s marker($node, $fault) // 0) >= ($count // 1);
}

# kill -9 of the one process of that kind, as soon as there is one: a server that is back takes connections before its worker runs.
sub kill_of
{
	my ($node, $type) = @_;
	my $pid = wait_until("a $type to kill", sub { $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = '$type'") });
	return kill 9, $pid;
}

# How many of its processes the server has seen killed.
sub deaths { my ($node, $log) = @_; return scalar(() = ($log // log_of($node)) =~ /was terminated by signal 9/g) }

# Waits until the server has seen so many killed, and has come back after the last one. Whoever asks it right after a death may
# still find everything as it was before.
sub wait_for_restart
{
	my ($node, $deaths) = @_;
	return wait_until("the server is back after $deaths deaths", sub {
		my $log = log_of($node);
		return deaths($node, $log) >= $deaths && rindex($log, 'ready to accept connections') > rindex($log, 'was terminated by signal 9');
	}, 60, 0.05);
}

# kill -9 of the postmaster and of all its children at once; or, with only_postmaster => 1, of the postmaster alone: the others have to
# find out by themselves, and to be gone before a new server can take the data directory.
sub kill_server
{
	my ($node, %options) = @_;
	my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
	my @children = grep { stat_of($_) =~ /^\d+ \(.*\) \S (\d+) /s && $1 == $postmaster } map { m{(\d+)} } glob '/proc/[0-9]*';
	$node->kill9;
	kill 9, @children unless $options{only_postmaster};
	wait_until('the processes are gone', sub { !grep { is_alive($_) } $postmaster, @children });
	# Until somebody collects it, a server that starts takes it for alive.
	wait_until('the postmaster is collected', sub { !kill 0, $postmaster });
	return;
}

# Of a process that is gone: nothing.
sub stat_of
{
	my ($pid) = @_;
	open my $stat, '<', "/proc/$pid/stat" or return '';
	return <$stat> // '';
}

# Stops the server; the seconds from when it is asked to until its last session and worker are gone, by its log: what the last
# checkpoint takes, and pg_ctl, says nothing about us.
sub stop_fast
{
	my ($node) = @_;
	$node->stop('fast');
	my %at;    # of each the last
	foreach my $line (split /\n/, end_of($node->logfile, 8_000_000))
	{
		$at{$4} = 3600 * $1 + 60 * $2 + $3 if $line =~ /^\S+ (\d+):(\d+):([\d.]+) .* LOG:  (received fast shutdown request|shutting down)$/;
	}
	my @seconds = map { $at{$_} // BAIL_OUT("the log does not say: $_") } 'received fast shutdown request', 'shutting down';
	return ($seconds[1] - $seconds[0]) + ($seconds[1] < $seconds[0] ? 86400 : 0);
}

sub end_of
{
	my ($path, $bytes) = @_;
	open my $file, '<', $path or BAIL_OUT("cannot read $path: $!");
	seek $file, -$bytes, 2 if -s $path > $bytes;
	local $/;
	return <$file>;
}

# A killed process that nobody has collected is not alive.
sub is_alive { return stat_of($_[0]) =~ /^\d+ \(.*\) [^ZX] /s }

sub log_of { return slurp_file($_[0]->logfile) }

# --- jobs ---------------------------------------------------------------------------------------------------------------------

sub prepare
{
	my ($node, $organization, $arguments, $database) = @_;
	$arguments = defined $arguments ? ", $arguments" : '';
	return $node->safe_psql($database // 'postgres', "SELECT id FROM trainer_prepare_dataset('" . org($organization) . "'$arguments)");
}

sub submit
{
	my ($node, $dataset, $arguments, $database) = @_;
	$arguments = defined $arguments ? ", $arguments" : '';
	return $node->safe_psql($database // 'postgres', "SELECT id FROM trainer_submit_training('$dataset'$arguments)");
}

# A dataset of the organization and a job for it; suffix is what fault rules find the job by.
sub train
{
	my ($node, $organization, $suffix) = @_;
	return submit($node, prepare($node, $organization), defined $suffix ? "suffix => '$suffix'" : undef);
}

sub status_of
{
	my ($node, $model, $column) = @_;
	$column //= 'status';
	return $node->safe_psql('postgres', "SELECT $column FROM custom_models WHERE id = '$model'");
}

sub wait_for_status
{
	my ($node, $model, $status, $seconds) = @_;
	my $last = '';
	my $reached = wait_until("status $status of model $model",
		sub { ($last = eval { status_of($node, $model) } // $last) =~ /^(?:$status)$/ }, $seconds);
	unless ($reached)
	{
		diag("its status is '$last'");
		diag($node->safe_psql('postgres',
			"SELECT o.kind, o.state, o.attempt, o.due_at - now(), o.last_delivery, o.last_http_status, o.last_code, o.last_error"
			  . " FROM trainer_operations o WHERE custom_model_id = '$model' ORDER BY created_at"));
	}
	return $reached;
}

sub events_of
{
	my ($node, $model) = @_;
	return split /\n/, $node->safe_psql('postgres', "SELECT kind FROM trainer_event_log WHERE custom_model_id = '$model' ORDER BY id");
}

# Waits until the worker has nothing left to do.
sub settle
{
	my ($node, $seconds, $database) = @_;
	$database //= 'postgres';
	my $query = "SELECT kind, state, last_code, last_error FROM trainer_operations WHERE state IN ('ready', 'sending', 'reconcile', 'checking')";
	my $left  = '';
	wait_until('nothing left to do', sub { ($left = $node->safe_psql($database, $query)) eq '' }, $seconds) or diag($left);
	return;
}

# Runs SQL that is to fail; SQLSTATE and the whole message.
sub sql_error
{
	my ($node, $sql, $database) = @_;
	my (undef, undef, $error) = $node->psql_verbose($database // 'postgres', $sql);
	my ($state) = ($error // '') =~ /(?:ERROR|FATAL):  (\w{5}):/;
	return ($state // '', $error // '');
}

sub session { my ($node, $database) = @_; return $node->background_psql($database // 'postgres', on_error_stop => 0) }

1;
