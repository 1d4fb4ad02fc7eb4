# The one checker of the promises, check_invariants(), which every test ends with.
package Promises;

use strict;
use warnings;

use Exporter 'import';
use Matrix ();
use Test::More;

our @EXPORT = qw(check_invariants leave_out);

# The tokens of what other databases have sent to the same sandbox.
my %left_out;

# What this database sends, or has sent, is no matter of the checks that follow, unless the database that they look at knows of it, too:
# it is about to be dropped, or another one is looked at. The tokens of what is yet to be sent are known before.
sub leave_out
{
	my ($node, $database, $schema) = @_;
	$schema //= 'public';
	$left_out{ $_->[0] } = 1 foreach rows($node, $database // 'postgres', <<"SQL");
SELECT id FROM $schema.trainer_operations
UNION SELECT $schema.trainer_operation_id(m.id, k.kind) FROM $schema.custom_models m, unnest(ARRAY['upload_training_file', 'upload_validation_file', 'create_job']) AS k (kind)
SQL
	return;
}

sub rows
{
	my ($node, $database, $sql) = @_;
	return map { [ split /\t/, $_, -1 ] } split /\n/, $node->safe_psql($database, $sql, extra_params => [ '-F', "\t" ]);
}

# What holds after every fault, once it is over. Options: database; crashed => 1: the test has killed a process of the server;
# duplicates => 1: there were to be jobs with one token, of the test or of two servers;
# full_log => 1: there was no room for the write-ahead log, for which Postgres panics; beside => [other servers with the same rows].
sub check_invariants
{
	my ($node, $sandbox, %options) = @_;
	my $database = $options{database} // 'postgres';
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $held = subtest 'the promises hold' => sub {
		my @nodes = ($node, @{ $options{beside} // [] });
		TrainerTest::settle($_, $options{seconds}, $database) foreach @nodes;
		check_models($_, $database) foreach @nodes;
		check_jobs($node, $sandbox, $database, %options);
		check_uploads($node, $sandbox, $database, %options);
		check_tenants($node, $database);
		check_log($node, %options);
	};
	Matrix::promises($held);
	return;
}

# Of several servers with the same rows: what each of them has.
sub rows_of_all
{
	my ($node, $database, $sql, %options) = @_;
	return map { rows($_, $database, $sql) } $node, @{ $options{beside} // [] };
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
	is($node->safe_psql($database, "SELECT custom_model_id, string_agg(kind, ' ') FROM trainer_event_log WHERE kind IN ('training_succeeded', 'training_failed', 'training_cancelled') GROUP BY 1 HAVING count(*) > 1"),
		'', 'a training ends once');
	is($node->safe_psql($database, "SELECT provider_job_id FROM custom_models WHERE provider_job_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1"),
		'', 'no two models share a job');
	is($node->safe_psql($database, "SELECT id, training_started_at, training_completed_at FROM custom_models WHERE training_completed_at < training_started_at"),
		'', 'no training ended before it began');
	return;
}

# Per token at most one creation that the provider accepted, or the others cancelled; and the one that goes on is the one adopted.
sub check_jobs
{
	my ($node, $sandbox, $database, %options) = @_;
	my %model_of = map { $_->[0] => $_->[1] } rows_of_all($node, $database, "SELECT id, custom_model_id FROM trainer_operations WHERE kind = 'create_job'", %options);
	my %adopted  = map { $_->[0] => $_->[1] } rows_of_all($node, $database, "SELECT provider_job_id, id FROM custom_models WHERE provider_job_id IS NOT NULL", %options);
	my @creations = grep { $_->{created} } $sandbox->history(method => 'POST', path => $TrainerTest::jobs);
	my $state     = $sandbox->state->{trainer_keys};
	my (%accepted, @strangers, @astray, @twice);
	foreach my $creation (@creations)
	{
		my $token = $creation->{trainer_key} // '';
		if (!$model_of{$token}) { push @strangers, $token unless $left_out{$token}; next }
		push @{ $accepted{$token} }, $creation->{created};
	}
	is("@strangers", '', 'the provider has seen no job that nobody committed');
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
	# Of what was erased nobody knows any more what it was.
	my %erased = map { $_->[0] => 1 } rows($node, $database,
		"SELECT o.id FROM trainer_operations o JOIN custom_models m ON m.id = o.custom_model_id JOIN training_datasets d ON d.id = m.training_dataset_id WHERE d.report ? 'erased'");
	my $matters = sub { my $token = TrainerTest::token_of($_[0]{filename}); return $wanted{$token} || !$left_out{$token} };
	my @wrong = grep { ($wanted{ TrainerTest::token_of($_->{filename}) } // '') ne $_->{sha256} }
	  grep { $_->{created} && $matters->($_) && !$erased{ TrainerTest::token_of($_->{filename}) } } $sandbox->history(method => 'POST', path => '/v1/files');
	is(join(' ', map { $_->{filename} } @wrong), '', 'what was uploaded is the dataset');
	my %used = map { $_->[0] => 1 } rows_of_all($node, $database,
		"SELECT unnest(ARRAY[training_file_id, validation_file_id]) FROM custom_models WHERE status NOT IN ('cancelled') AND fine_tuned_model_id IS NOT NULL", %options);
	my @orphans = grep { !$used{$_} } map { $_->{id} } grep { $matters->($_) } @{ $sandbox->request('GET', '/v1/files?purpose=fine-tune&limit=10000')->{data} };
	is("@orphans", '', 'no file is left at the provider that no model was trained from');
	return;
}

# Each organization's persona names it, and ends in every message for it: nobody's example speaks of another.
sub check_tenants
{
	my ($node, $database) = @_;
	is($node->safe_psql($database, <<'SQL'), '', 'no example speaks of another organization');
SELECT DISTINCT o.name, n.name FROM training_examples e JOIN organizations o ON o.id = e.organization_id,
  LATERAL (SELECT (regexp_matches(e.messages::text, 'kindly meant, at (org [0-9]+)[.]', 'g'))[1] AS name) n WHERE n.name <> o.name
SQL
	return;
}

# A line at a time: a log may have hundreds of megabytes.
sub check_log
{
	my ($node, %options) = @_;
	my $sent = $options{full_log} ? qr/signal [936]\b/ : qr/signal [93]\b/;
	my (@keys, @panics, @signals);
	my ($starts, $restarts, $ready) = (0, 0, 0);
	open my $log, '<', $node->logfile or die "cannot read the log: $!";
	while (my $line = <$log>)
	{
		push @keys,    $line if $line =~ /\Q$TrainerTest::canary\E|\Q$TrainerTest::other_canary\E/;
		push @panics,  $line if $line =~ /PANIC|terminate called|TRAP:/ && !($options{full_log} && $line =~ /PANIC:  could not write to (?:log file|file "pg_wal)/);
		push @signals, $line if $line =~ /was terminated by signal/ && !($options{crashed} && $line =~ $sent);
		++$starts   if $line =~ /LOG:  starting PostgreSQL/;
		++$restarts if $line =~ /reinitializing/;
		++$ready    if $line =~ /ready to accept connections/;
	}
	is("@keys",    '', 'the key is nowhere in the log');
	is("@panics",  '', 'no panic');
	is("@signals", '', 'no process ended by a signal that the test did not send');
	# Each start ends in one such line, and so does each restart after a death that the test has caused.
	is($restarts, 0, 'the server has not restarted by itself') unless $options{crashed};
	cmp_ok($ready, '<=', $starts + $restarts, 'it is ready once for each start');
	return;
}

1;
