# Random SQL over everything that an admin of ours may touch: errors as many as there may be, but no process dies.
# TRAINER_SQLSMITH_QUERIES makes it longer, TRAINER_SEED repeats a run.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Matrix;
use TrainerTest;

use PostgreSQL::Test::Utils;
use Test::More;

my $seed    = $ENV{TRAINER_SEED}             // int(rand(2**31));
my $queries = $ENV{TRAINER_SQLSMITH_QUERIES} // 500;
diag("TRAINER_SEED=$seed");
matrix('Random SQL');

my $sandbox = start_sandbox(job_seconds => 0.2, max_seconds => 3000);
my $node = start_node('smith', $sandbox, organizations => 3, 'statement_timeout' => '2s', 'log_min_error_statement' => 'panic', 'log_statement' => 'none');
my $model = train($node, 1);
wait_for_status($node, $model, 'deployed');
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE admin LOGIN; CREATE ROLE app LOGIN;
SELECT trainer_grant('admin', 'admin'), trainer_grant('app', 'app', '''00000000-0000-4000-8000-000000000001''');
GRANT SELECT ON organizations, comments, responses, roast_metadata, roastr_persona TO admin, app;
SQL

foreach my $role ('admin', 'app')
{
	staged('S1', "$queries random queries by a role that is let in as $role", sub {
		my ($out, $err) = ('', '');
		my $connection = 'host=' . $node->host . ' port=' . $node->port . " dbname=postgres user=$role";
		IPC::Run::run([ 'sqlsmith', "--target=$connection", "--seed=$seed", "--max-queries=$queries", '--verbose' ], '<', \undef, '>', \$out, '2>', \$err, IPC::Run::timeout(2400));
		my ($done) = $err =~ /.*queries: (\d+)/s;
		cmp_ok($done // 0, '>=', $queries, 'the queries were made') or diag(substr($err, -2000));
		unlike($err, qr/08006|57P0[123]|server closed the connection/, 'the server was always there');
		unlike(log_of($node), qr/terminated by signal|PANIC|terminate called|TRAP:/, 'no process died');
		is($node->safe_psql('postgres', 'SELECT running FROM trainer_worker_status()'), 't', 'the worker is there');
		my ($rate) = $err =~ /.*error rate: ([\d.]+)/s;
		cmp_ok($rate // 1, '<', 1, 'some of them succeed');
		return "$done queries, no death";
	});
}

$node->stop;
done_testing();
