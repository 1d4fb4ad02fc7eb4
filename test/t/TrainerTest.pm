# What the tests here share: the provider's stand-in, a server with the extension, a key and the app's tables, and the one
# checker of the promises, check_invariants(), which every test ends with.
package TrainerTest;

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use Exporter 'import';
use HTTP::Tiny;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

our @EXPORT = qw($canary $jobs start_sandbox new_node start_node set_up_app org prepare submit train wait_until wait_for_status
  status_of events_of settle sql_error session worker_pid wait_for_worker set_setting write_key kill_server uploads_of job_posts
  log_of check_invariants);

# The key is looked for in everything that a person could read.
our $canary = 'sk-CANARY' . join('', map { sprintf '%08x', int(rand(2**32)) } 1 .. 4);
our $jobs   = '/v1/fine_tuning/jobs';

# --- waiting ------------------------------------------------------------------------------------------------------------------

# Polls until the code returns true; its value, or a failed test that names what was waited for.
sub wait_until
{
	my ($what, $code, $seconds, $step) = @_;
	my $end = time + ($seconds // 30);
	while (1)
	{
		my $value = $code->();
		return $value if $value;
		last if time > $end;
		sleep($step // 0.02);
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
	my %options = (port => 0, job_seconds => 0.3, max_seconds => 300, api_key => $canary, @_);
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

{
	package TrainerTest::Sandbox;

	use Test::More;

	sub api_base { return $_[0]{base} . '/v1' }

	sub request
	{
		my ($self, $method, $path, $body) = @_;
		my %options = (headers => { authorization => "Bearer $TrainerTest::canary" });
		if (defined $body)
		{
			$options{content} = JSON::PP->new->utf8->canonical->encode($body);
			$options{headers}{'content-type'} = 'application/json';
		}
		my $answer = $self->{http}->request($method, $self->{base} . $path, \%options);
		die "$method $path: $answer->{status} $answer->{content}" unless $answer->{success};
		return JSON::PP->new->utf8->decode($answer->{content});
	}

	# fault(kind => ..., ...): the members of a rule, see docs/sandbox.md.
	sub fault
	{
		my ($self, %rule) = @_;
		return $self->request('POST', '/_sandbox/faults', \%rule)->{id};
	}

	# How often a rule was applied.
	sub applied
	{
		my ($self, $id) = @_;
		my ($rule) = grep { $_->{id} == $id } @{ $self->request('GET', '/_sandbox/faults') };
		return $rule->{applied};
	}

	sub heal     { return $_[0]->request('DELETE', '/_sandbox/faults') }
	sub state    { return $_[0]->request('GET',    '/_sandbox/state') }
	sub settings { my ($self, %settings) = @_; return $self->request('POST', '/_sandbox/settings', \%settings) }

	# history(method => 'POST', path => qr/.../): the requests of that kind, oldest first.
	sub history
	{
		my ($self, %of) = @_;
		my $method = $of{method};
		my $path   = $of{path};
		return grep {
			(!defined $method || $_->{method} eq $method)
			  && (!defined $path || (ref $path ? $_->{path} =~ $path : $_->{path} eq $path))
		} @{ $self->request('GET', '/_sandbox/history') };
	}

	sub stop
	{
		my ($self) = @_;
		my $pid = delete $self->{pid} or return;
		kill 'TERM', $pid;
		waitpid $pid, 0;
		return;
	}
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
	my $node = PostgreSQL::Test::Cluster->new($name);
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
CREATE EXTENSION trainer SCHEMA $schema;
SELECT count(*) FROM $schema.trainer_attach();
ANALYZE;
SQL
	return;
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
			my ($code, $pid) = $node->psql($database // 'postgres', 'SELECT pid FROM trainer_worker_status()');
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

# kill -9 of the postmaster and of all its children at once.
sub kill_server
{
	my ($node) = @_;
	my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
	my @children = grep { stat_of($_) =~ /^\d+ \(.*\) \S (\d+) /s && $1 == $postmaster } map { m{(\d+)} } glob '/proc/[0-9]*';
	$node->kill9;
	kill 9, @children;
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
	my $query = 'SELECT kind, state, last_code, last_error FROM trainer_operations_pending';
	my $left  = '';
	wait_until('nothing left to do', sub { ($left = $node->safe_psql($database, $query)) eq '' }, $seconds) or diag($left);
	return;
}

# Runs SQL that is to fail; SQLSTATE and the whole message.
sub sql_error
{
	my ($node, $sql, $database) = @_;
	my (undef, undef, $error) = $node->psql($database // 'postgres', "\\set VERBOSITY verbose\n$sql", on_error_stop => 1);
	my ($state) = ($error // '') =~ /(?:ERROR|FATAL):  (\w{5}):/;
	return ($state // '', $error // '');
}

sub session { my ($node, $database) = @_; return $node->background_psql($database // 'postgres', on_error_stop => 0) }

# --- the promises -------------------------------------------------------------------------------------------------------------

sub rows
{
	my ($node, $database, $sql) = @_;
	return map { [ split /\t/, $_, -1 ] } split /\n/, $node->safe_psql($database, $sql, extra_params => [ '-F', "\t" ]);
}

# What holds after every fault, once it is over. Options: database; crashed => 1: the test has killed a process of the server;
# duplicates => 1: it has made jobs of its own under our tokens; forgotten => 1: the sandbox has served databases that are gone.
sub check_invariants
{
	my ($node, $sandbox, %options) = @_;
	my $database = $options{database} // 'postgres';
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	subtest 'the promises hold' => sub {
		settle($node, $options{seconds}, $database);
		check_models($node, $database);
		check_jobs($node, $sandbox, $database, %options);
		check_uploads($node, $sandbox, $database, %options);
		check_log($node, %options);
	};
	return;
}

sub check_models
{
	my ($node, $database) = @_;
	is($node->safe_psql($database, "SELECT id, status FROM custom_models WHERE status NOT IN ('deployed', 'succeeded', 'failed', 'cancelled', 'retired')"),
		'', 'every model has come to its end');
	is($node->safe_psql($database, "SELECT organization_id FROM custom_models WHERE is_active GROUP BY 1 HAVING count(*) > 1"),
		'', 'at most one model serves an organization');
	is($node->safe_psql($database, "SELECT kind, state, due_at FROM trainer_operations WHERE finished_at IS NULL AND due_at < now() - interval '10 seconds'"),
		'', 'no operation is overdue');
	is($node->safe_psql($database, "SELECT custom_model_id, kind, count(*) FROM trainer_event_log WHERE kind IN ('training_succeeded', 'training_failed', 'training_cancelled') GROUP BY 1, 2 HAVING count(*) > 1"),
		'', 'no end is told twice');
	is($node->safe_psql($database, "SELECT provider_job_id FROM custom_models WHERE provider_job_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1"),
		'', 'no two models share a job');
	return;
}

# Per token at most one creation that the provider accepted, or the others cancelled; and the one that goes on is the one adopted.
sub check_jobs
{
	my ($node, $sandbox, $database, %options) = @_;
	my %model_of = map { $_->[0] => $_->[1] } rows($node, $database, "SELECT id, custom_model_id FROM trainer_operations WHERE kind = 'create_job'");
	my %adopted  = map { $_->[0] => $_->[1] } rows($node, $database, "SELECT provider_job_id, id FROM custom_models WHERE provider_job_id IS NOT NULL");
	my @creations = grep { $_->{created} } $sandbox->history(method => 'POST', path => $jobs);
	my $state     = $sandbox->state->{trainer_keys};
	my (%accepted, @strangers, @astray, @twice);
	foreach my $creation (@creations)
	{
		my $token = $creation->{trainer_key} // '';
		if (!$model_of{$token}) { push @strangers, $token; next }
		push @{ $accepted{$token} }, $creation->{created};
	}
	is("@strangers", '', 'the provider has seen no job that nobody committed') unless $options{forgotten};
	foreach my $token (sort keys %accepted)
	{
		my $count = $state->{$token};
		push @twice, $token if $count->{created} - $count->{cancelled} - $count->{failed} > 1;
		push @twice, $token if $count->{created} > 1 && !$options{duplicates};
		next unless $count->{live} || $count->{succeeded};
		push @astray, $token unless grep { ($adopted{$_} // '') eq $model_of{$token} } @{ $accepted{$token} };
		push @astray, "$token still runs" if $count->{live};
	}
	is("@twice",  '', 'no job was created twice');
	is("@astray", '', 'every job at the provider is a model\'s');
	return;
}

# Whatever arrived is, byte for byte, what trainer_dataset_jsonl() shows; and nothing is left of jobs that came to nothing.
sub check_uploads
{
	my ($node, $sandbox, $database, %options) = @_;
	my %wanted = map { $_->[0] => $_->[1] } rows($node, $database, <<'SQL');
WITH sums AS MATERIALIZED (
  SELECT d.id, s.split, encode(sha256(convert_to(string_agg(j.line || E'\n', '' ORDER BY j.place), 'UTF8')), 'hex') AS sum
  FROM training_datasets d, (VALUES ('train'), ('validation')) AS s (split),
    LATERAL trainer_dataset_jsonl(d.id, s.split) WITH ORDINALITY AS j (line, place)
  GROUP BY 1, 2)
SELECT o.id, s.sum FROM trainer_operations o JOIN custom_models m ON m.id = o.custom_model_id
JOIN sums s ON s.id = m.training_dataset_id
  AND s.split = CASE o.kind WHEN 'upload_training_file' THEN 'train' WHEN 'upload_validation_file' THEN 'validation' END
SQL
	my @wrong = grep { ($wanted{ token_of($_->{filename}) } // '') ne $_->{sha256} }
	  grep { $_->{created} && !($options{forgotten} && !$wanted{ token_of($_->{filename}) }) } $sandbox->history(method => 'POST', path => '/v1/files');
	is(join(' ', map { $_->{filename} } @wrong), '', 'what was uploaded is the dataset');
	return if $options{forgotten};
	my %used = map { $_->[0] => 1 } rows($node, $database,
		"SELECT unnest(ARRAY[training_file_id, validation_file_id]) FROM custom_models WHERE status NOT IN ('cancelled') AND fine_tuned_model_id IS NOT NULL");
	my @orphans = grep { !$used{$_} } map { $_->{id} } @{ $sandbox->request('GET', '/v1/files?purpose=fine-tune&limit=10000')->{data} };
	is("@orphans", '', 'no file is left at the provider that no model was trained from');
	return;
}

sub check_log
{
	my ($node, %options) = @_;
	my $log = log_of($node);
	unlike($log, qr/\Q$canary\E/, 'the key is nowhere in the log');
	is(join("\n", $log =~ /^(.*PANIC.*|.*terminate called.*|.*TRAP:.*)$/mg), '', 'no panic');
	my @signals = grep { !($options{crashed} && /signal 9|signal 3/) } $log =~ /^(.*was terminated by signal.*)$/mg;
	is("@signals", '', 'no process ended by a signal that the test did not send');
	return;
}

1;
