# What the last rows of a server knew is lost, or a list of the provider lags longer than anybody waits, or a session sits on a row:
# one job all the same, or the other one is found and cancelled.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use TrainerTest;

use Test::More;
use Time::HiRes qw(time);

my $sandbox = start_sandbox(job_seconds => 4);

# --- a server whose last rows are lost: a copy from before the creation, started after it ---
my $first = start_node('first', $sandbox, organizations => 3);
$first->safe_psql('postgres', 'SELECT trainer_pause_worker()');
my $lost = train($first, 1, 'lost');
$first->stop;
$first->backup_fs_cold('before');
my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init_from_backup($first, 'before');
$first->start;
$first->safe_psql('postgres', 'SELECT trainer_resume_worker()');
wait_until('the first server has its job', sub { $first->safe_psql('postgres', "SELECT provider_job_id FROM custom_models WHERE id = '$lost'") });
my $job = $first->safe_psql('postgres', "SELECT provider_job_id FROM custom_models WHERE id = '$lost'");
$first->stop('immediate');

$copy->start;
$copy->safe_psql('postgres', 'SELECT trainer_resume_worker()');
wait_for_status($copy, $lost, 'deployed');
is($copy->safe_psql('postgres', "SELECT provider_job_id FROM custom_models WHERE id = '$lost'"), $job, 'the server that lost the rows adopts the same job');
is(scalar(my @posts = $sandbox->history(method => 'POST', path => $jobs)), 1, 'one job was created');

# --- a list that lags longer than the quiet period ---
sub live_jobs { return scalar grep { $_->{live} > 0 } values %{ $sandbox->state->{trainer_keys} } }
$sandbox->settings(job_seconds => 60);
$sandbox->fault(kind => 'drop_after', method => 'POST', path => $jobs);
$sandbox->fault(kind => 'list_lag', ms => 3000, count => -1);
my $twins = train($copy, 2, 'twins');
wait_until('the other job is found by a later sweep, and cancelled',
	sub { $copy->safe_psql('postgres', "SELECT count(*) FROM trainer_events WHERE custom_model_id = '$twins' AND kind = 'duplicate_cancelled'") });
my ($keys) = grep { $_->{created} == 2 } values %{ $sandbox->state->{trainer_keys} };
is($keys->{live}, 1, 'of the two jobs one goes on');

# --- cancelled while the creation is in doubt ---
$sandbox->fault(kind => 'drop_after', method => 'POST', path => $jobs);
my $doubt = train($copy, 3, 'doubt');
wait_until('the creation is in doubt',
	sub { $copy->safe_psql('postgres', "SELECT 1 FROM trainer_operations WHERE custom_model_id = '$doubt' AND kind = 'create_job' AND state IN ('reconcile', 'checking')") });
$copy->safe_psql('postgres', "SELECT trainer_cancel_training('$doubt')");
my $token = $copy->safe_psql('postgres', "SELECT id FROM trainer_operations WHERE custom_model_id = '$doubt' AND kind = 'create_job'");
wait_for_status($copy, $doubt, 'cancelled');
wait_until('the job that nobody waits for is cancelled, too', sub { $sandbox->state->{trainer_keys}{$token}{live} == 0 });
is($sandbox->state->{trainer_keys}{$token}{cancelled}, 1, 'nothing is paid for that nobody wants');
$sandbox->heal;

# --- a session that sits on a model's row ---
$sandbox->settings(job_seconds => 0.3);
my $held = train($copy, 1, 'held');
my $session = session($copy);
$session->query_safe("BEGIN; SELECT 1 FROM custom_models WHERE id = '$held' FOR UPDATE");
my $began = time;
my $other = train($copy, 2, 'other');
wait_for_status($copy, $other, 'deployed');
cmp_ok(time - $began, '<', 8, 'the others do not wait for a model that a session has locked');
$session->query_safe('COMMIT');
$session->quit;
wait_for_status($copy, $held, 'deployed');

# --- deployed by hand although a newer one serves ---
my $older = $copy->safe_psql('postgres', "SELECT id FROM custom_models WHERE organization_id = '" . org(1) . "' AND status = 'retired' ORDER BY version LIMIT 1");
$copy->safe_psql('postgres', "UPDATE custom_models SET verified_at = NULL, status = 'failed', error_sqlstate = 'TR003' WHERE id = '$older'");
$copy->safe_psql('postgres', "SELECT trainer_deploy_model('$older')");
wait_for_status($copy, $older, 'deployed');
is($copy->safe_psql('postgres', "SELECT is_active FROM custom_models WHERE id = '$older'"), 't', 'who asks for an older version gets it');

$copy->stop;
done_testing();
