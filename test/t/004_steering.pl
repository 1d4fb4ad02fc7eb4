# Cancel, pause and resume in every state; which version serves, and who decides it.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use TrainerTest;

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $sandbox = start_sandbox(job_seconds => 0.3);
my $node    = start_node('steering', $sandbox, organizations => 10);

sub cancel { return $node->safe_psql('postgres', "SELECT status FROM trainer_cancel_training('$_[0]')") }

sub job_at_provider
{
	my ($model) = @_;
	my $id = status_of($node, $model, 'provider_job_id');
	return $id eq '' ? '' : $sandbox->request('GET', "$jobs/$id")->{status};
}

# A rule that falls on the first upload of a model must know its operation: the worker stands still until it is set.
sub train_with_slow_upload
{
	my ($organization, $ms) = @_;
	$node->safe_psql('postgres', 'SELECT trainer_pause_worker()');
	my $model = train($node, $organization);
	my $operation = $node->safe_psql('postgres', "SELECT id FROM trainer_operations WHERE custom_model_id = '$model'");
	my $rule = $sandbox->fault(kind => 'latency', ms => $ms, method => 'POST', path => '/v1/files', filename => $operation);
	$node->safe_psql('postgres', 'SELECT trainer_resume_worker()');
	wait_until('the upload is under way', sub { $sandbox->applied($rule) });
	return $model;
}

# --- the worker paused ---
$node->safe_psql('postgres', "SELECT trainer_pause_worker('moving house')");
my $before = () = $sandbox->history();
my $early  = train($node, 1);
my $kept   = train($node, 2);
is($node->safe_psql('postgres', 'SELECT running, paused, paused_reason, due FROM trainer_worker_status()'), 't|t|moving house|2', 'a paused worker says so, and why');
is($node->safe_psql('postgres', "SELECT ok, detail FROM trainer_check() WHERE check_name = 'not paused'"), 'f|moving house', 'so does the doctor');
sleep 0.5;
is(scalar(() = grep { $_->{path} ne '/v1/models' } $sandbox->history()), $before, 'it sends nothing');
is(cancel($early), 'cancelled', 'what has not been sent is cancelled at once');
$node->safe_psql('postgres', 'SELECT trainer_resume_worker()');
wait_for_status($node, $kept, 'deployed');
is(scalar(uploads_of($node, $sandbox, $early)), 0, 'and never sent');
is($node->safe_psql('postgres', "SELECT status FROM training_datasets WHERE id = '" . status_of($node, $early, 'training_dataset_id') . "'"), 'ready', 'its dataset is ready again');
my ($state, $message) = sql_error($node, "SELECT trainer_cancel_training('$early')");
is($state, '55000', 'it cannot be cancelled twice');
($state) = sql_error($node, "SELECT trainer_cancel_training('$kept')");
is($state, '55000', 'nor can what has ended');

# --- cancelled during the upload, the creation, and while nobody knows ---
my $uploading = train_with_slow_upload(3, 500);
is(cancel($uploading), 'pending', 'cancelled during the upload: the wish is noted');
wait_for_status($node, $uploading, 'cancelled');
is($node->safe_psql('postgres', "SELECT count(*) FROM trainer_operations WHERE custom_model_id = '$uploading' AND kind = 'create_job' AND sent_at IS NOT NULL AND state <> 'cancelled'"), 0, '... and no job is created');

my $known = () = grep { $_->{created} } $sandbox->history(method => 'POST', path => $jobs);
$sandbox->settings(job_seconds => 20);
$sandbox->fault(kind => 'latency', ms => 500, method => 'POST', path => $jobs);
my $creating = train($node, 4);
wait_until('the creation', sub { $known < grep { $_->{created} } $sandbox->history(method => 'POST', path => $jobs) });
is(cancel($creating), 'uploading', 'cancelled during the creation: the wish is noted');
wait_for_status($node, $creating, 'cancelled');
is(job_at_provider($creating), 'cancelled', '... and the job is cancelled at the provider');

$sandbox->fault(kind => 'drop_after', method => 'POST', path => $jobs);
my $lost = train($node, 4);
wait_until('the lost answer', sub { $node->safe_psql('postgres', "SELECT count(*) FROM trainer_operations WHERE custom_model_id = '$lost' AND state IN ('reconcile', 'checking')") });
cancel($lost);
wait_for_status($node, $lost, 'cancelled');
is(job_at_provider($lost), 'cancelled', 'cancelled while the creation\'s answer is lost: the job is found and cancelled');

$sandbox->fault(kind => 'drop_before', method => 'POST', path => $jobs);
my $gone = train($node, 4);
wait_until('the lost request', sub { $node->safe_psql('postgres', "SELECT count(*) FROM trainer_operations WHERE custom_model_id = '$gone' AND state IN ('reconcile', 'checking')") });
cancel($gone);
wait_for_status($node, $gone, 'cancelled');
is(job_at_provider($gone), '', 'cancelled while a creation is looked for that never arrived: it is not sent again');

# --- cancelled, paused and resumed while it runs ---
$sandbox->settings(job_seconds => 2);
my $running = train($node, 5);
wait_for_status($node, $running, 'running');
is(cancel($running), 'running', 'cancelled while it runs: the provider decides');
wait_for_status($node, $running, 'cancelled');
is(job_at_provider($running), 'cancelled', '... and has cancelled it');
is(status_of($node, $running, 'training_cost_cents IS NULL OR training_cost_cents >= 0, is_active'), 't|f', '... and it does not serve');

my $paused = train($node, 5);
($state) = sql_error($node, "SELECT trainer_resume_training('$paused')");
is($state, '55000', 'what is not paused cannot be resumed');
wait_for_status($node, $paused, 'running');
$node->safe_psql('postgres', "SELECT trainer_pause_training('$paused')");
wait_for_status($node, $paused, 'paused');
is(job_at_provider($paused), 'paused', 'a training is paused');
sleep 0.5;
is(status_of($node, $paused), 'paused', '... stays so');
$node->safe_psql('postgres', "SELECT trainer_resume_training('$paused')");
wait_for_status($node, $paused, 'deployed');
my $halted = train($node, 5);
wait_for_status($node, $halted, 'running');
$node->safe_psql('postgres', "SELECT trainer_pause_training('$halted')");
wait_for_status($node, $halted, 'paused');
cancel($halted);
wait_for_status($node, $halted, 'cancelled');
is(job_at_provider($halted), 'cancelled', 'a paused training can be cancelled');
$sandbox->settings(job_seconds => 0.2);

# --- versions ---
my $first = train($node, 6);
wait_for_status($node, $first, 'deployed');
my $second = train($node, 6);
wait_for_status($node, $second, 'deployed');
is(status_of($node, $first, 'version, status, is_active'), '1|retired|f', 'a new version retires the one before');
is(status_of($node, $second, 'version, status, is_active'), '2|deployed|t', '... and serves');
is($node->safe_psql('postgres', "SELECT id FROM trainer_rollback_model('" . org(6) . "', 'too dry')"), $first, 'a rollback brings the one before back');
is(status_of($node, $second, 'status, is_active'), 'retired|f', '... and retires the new one');
is($node->safe_psql('postgres', "SELECT id IS NULL FROM trainer_rollback_model('" . org(6) . "')"), 't', 'behind the first there is the base model');
($state) = sql_error($node, "SELECT trainer_rollback_model('" . org(6) . "')");
is($state, '55000', '... and nothing behind that');
is($node->safe_psql('postgres', "SELECT is_active FROM trainer_deploy_model('$second')"), 't', 'a retired model can be deployed by hand, at once');

set_setting($node, 'trainer.auto_deploy', 'off');
my $shy = train($node, 6);
wait_for_status($node, $shy, 'succeeded');
settle($node);
is(status_of($node, $shy, 'status, is_active, verified_at IS NOT NULL'), 'succeeded|f|t', 'without auto_deploy a model that answers waits');
is(status_of($node, $second, 'is_active'), 't', '... and the one before serves on');
is($node->safe_psql('postgres', "SELECT status, is_active FROM trainer_deploy_model('$shy')"), 'deployed|t', '... until somebody deploys it');
set_setting($node, 'trainer.auto_deploy', 'on');
($state) = sql_error($node, "SELECT trainer_deploy_model('$running')");
is($state, 'TR003', 'a model that was never trained cannot be deployed');
($state) = sql_error($node, "SELECT trainer_deploy_model('$second', 'sideways')");
is($state, '22023', 'nor in a way that is not known');

# An older version that comes in late does not take the newer one's place.
$sandbox->fault(kind => 'model_lag', ms => 1500, count => -1, model => 'late');
my $older = train($node, 7, 'late');
wait_for_status($node, $older, 'evaluating');
my $newer = train($node, 7, 'prompt');
wait_for_status($node, $newer, 'deployed');
wait_for_status($node, $older, 'succeeded');
settle($node);
is(status_of($node, $newer, 'is_active'), 't', 'an older version that comes late does not replace a newer one');
ok((grep { $_ eq 'model_superseded' } events_of($node, $older)), '... which is told');

# Training goes on from a model of ours.
my $child = submit($node, prepare($node, 7), "parent_model_id => '$newer'");
wait_for_status($node, $child, 'deployed');
is(status_of($node, $child, 'base_model'), status_of($node, $newer, 'fine_tuned_model_id'), 'a child is trained from its parent');

check_invariants($node, $sandbox);
$node->stop;
done_testing();
