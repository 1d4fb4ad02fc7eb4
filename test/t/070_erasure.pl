# Erasure: what a person wants forgotten leaves our tables at once, and the provider whatever dies in between; models that learned it can go, too.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Matrix;
use TrainerTest;

use Test::More;

my $sandbox = start_sandbox(job_seconds => 0.3, max_seconds => 600);
my $node;
matrix('Erasure', sub { check_invariants($node, $sandbox, crashed => 1, seconds => 60) });
$node = start_node('erasure', $sandbox, organizations => 4, 'trainer.request_timeout' => '20s');
my $text = 'the canary sings at noon';

# The first response to train on of an organization's newest dataset is the one that is looked for.
sub marked
{
	my ($organization) = @_;
	my $response = $node->safe_psql('postgres', "UPDATE responses SET response_text = '$text ' || id WHERE id = (SELECT id FROM responses WHERE organization_id = '" . org($organization) . "' ORDER BY created_at DESC LIMIT 1) RETURNING id");
	# On which side it comes depends on the organization: not to be measured with.
	return ($response, prepare($node, $organization, 'validation_fraction => 0'));
}

# How many rows of our tables, files at the provider and prompts hold the text.
sub traces
{
	my $rows = 0;
	foreach my $table (split /\n/, $node->safe_psql('postgres', q(SELECT c FROM pg_extension e, unnest(e.extconfig::regclass[]) AS c WHERE e.extname = 'trainer' AND c::text !~ '_seq$')))
	{
		$rows += $node->safe_psql('postgres', "SELECT count(*) FROM $table AS t WHERE t::text LIKE '%$text%'");
	}
	my $files = grep { ($sandbox->{http}->get("$sandbox->{base}/v1/files/$_->{id}/content", { headers => { authorization => "Bearer $canary" } })->{content}) =~ /\Q$text/ }
	  @{ $sandbox->request('GET', '/v1/files?purpose=fine-tune&limit=10000')->{data} };
	return "$rows rows, $files files";
}

# The models at the provider by that name, checkpoints included.
sub models_of { my ($name) = @_; return grep { is_there("/v1/models/$_") } $name, split /\n/, $node->safe_psql('postgres', "SELECT model FROM trainer_checkpoints WHERE model LIKE '$name%'") }

sub is_there
{
	my ($path) = @_;
	return $sandbox->{http}->get($sandbox->{base} . $path, { headers => { authorization => "Bearer $canary" } })->{success};
}

sub erase
{
	my ($arguments) = @_;
	return $node->safe_psql('postgres', "SELECT m.name, e.status, e.serves, e.how, e.files_deleted, e.model_deletion FROM trainer_erase($arguments) e JOIN custom_models m ON m.id = e.custom_model_id ORDER BY m.version");
}

my %gap = (
	claimed   => 'after the claim, before the request',
	answered  => 'after the answer, before the record',
	recording => 'in the record, before its commit',
	recorded  => 'after the record\'s commit');

staged('G12', 'the worker is killed around the deletions of files and models, at each point', sub {
	my ($response, $dataset) = marked(1);
	my $first = submit($node, $dataset, "name => 'first'");
	wait_for_status($node, $first, 'deployed');
	$node->safe_psql('postgres', "UPDATE roast_metadata SET rqc_score = 0.1 WHERE response_id = '$response'");
	my $second = submit($node, prepare($node, 1), "name => 'second', parent_model_id => '$first'");
	wait_for_status($node, $second, 'deployed');
	settle($node, 60);
	is(traces(), '1 rows, 1 files', 'the example is in the table, and in the file at the provider');
	is($node->safe_psql('postgres', "SELECT string_agg(how, ' ' ORDER BY version) FROM trainer_lineage('$response') WHERE learned"), 'trained inherited', 'both models learned it');
	my @names = map { status_of($node, $_, 'fine_tuned_model_id') } $first, $second;
	my @files = map { split /\|/, $node->safe_psql('postgres', "SELECT training_file_id, validation_file_id FROM custom_models WHERE id = '$_'") } $first, $second;
	is(scalar(models_of($_)), 4, "$_ and its checkpoints are at the provider") foreach @names;

	my $deaths = deaths($node);
	my @faults = map { my $point = $_; map { "$point-$_:crash" } qw(delete_file delete_model) } sort keys %gap;
	# One deletion at a time: of several that are recorded together, the first death would be the last moment of the others, too.
	set_setting($node, 'trainer.max_concurrent_requests', 1);
	wait_for_reload($node, 'trainer.max_concurrent_requests', 1);
	set_faults($node, @faults);
	$node->safe_psql('postgres', 'SELECT trainer_pause_worker()');
	is(erase("'" . org(1) . "', response_id => '$response', delete_models => true"), "first|retired|f|trained|1|queued\nsecond|retired|f|inherited|2|queued", 'both are told');
	ask($node, 'SELECT trainer_resume_worker()');
	wait_until('every fault is met', sub { !grep { !fault_met($node, $_) } @faults }, 60) or diag('not met: ' . join ' ', grep { !fault_met($node, $_) } @faults);
	wait_for_restart($node, $deaths + @faults);
	wait_for_worker($node);
	settle($node, 60);
	set_faults($node);
	set_setting($node, 'trainer.max_concurrent_requests', 64);
	is(traces(), '0 rows, 0 files', 'nothing is left of the text');
	is(join(' ', grep { $_ && is_there("/v1/files/$_") } @files), '', 'no file');
	is(join(' ', map { models_of($_) } @names), '', 'no model, no checkpoint');
	is($node->safe_psql('postgres', "SELECT name, status, is_active, fine_tuned_model_id IS NULL, erased_at IS NOT NULL FROM custom_models WHERE organization_id = '" . org(1) . "' ORDER BY version"),
		"first|retired|f|t|t\nsecond|retired|f|t|t", 'the base model serves');
	foreach my $model ($first, $second)
	{
		is(scalar(grep { $_ eq 'erased' } events_of($node, $model)), 1, 'told once that it was erased');
		is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT detail ->> 'model') FROM trainer_event_log WHERE custom_model_id = '$model' AND kind = 'model_deleted'"), '4|4', '... and once of each deletion');
		my ($state) = sql_error($node, "SELECT trainer_deploy_model('$model')");
		is($state, 'TR003', '... and it can be deployed no more');
	}
	return 'neither text, file, model nor checkpoint is left; ' . @faults . ' crashes';
});

staged('L6', 'an organization is erased and deleted while the worker is paused', sub {
	my ($response, $dataset) = marked(2);
	my $model = submit($node, $dataset, "name => 'whole'");
	wait_for_status($node, $model, 'deployed');
	my $name = status_of($node, $model, 'fine_tuned_model_id');
	$node->safe_psql('postgres', "SELECT trainer_collect_feedback('$response', 'edited', '$text, edited'); SELECT trainer_make_exemplar_model('$dataset', 'shown')");
	settle($node, 60);
	is(traces(), '3 rows, 1 files', 'example, exemplar and feedback');
	$node->safe_psql('postgres', 'SELECT trainer_pause_worker()');
	is(erase("'" . org(2) . "', delete_models => true"), "whole|retired|f|trained|1|queued\nshown|retired|f|exemplar|0|retired: it has no examples any more", 'what goes');
	is(traces(), '0 rows, 1 files', 'the text has left our tables');
	my $delete = "DELETE FROM roastr_persona WHERE organization_id = '" . org(2) . "'; DELETE FROM roast_metadata m USING responses r WHERE r.id = m.response_id AND r.organization_id = '" . org(2) . "';"
	  . " DELETE FROM responses WHERE organization_id = '" . org(2) . "'; DELETE FROM comments WHERE organization_id = '" . org(2) . "'; DELETE FROM organizations WHERE id = '" . org(2) . "';";
	my ($state, $error) = sql_error($node, "BEGIN; $delete COMMIT;");
	is($state, '55000', 'the organization stays while something is left at the provider');
	like($error, qr/still to be done for it: delete_file, delete_model/, '... which is told');
	$node->safe_psql('postgres', 'SELECT trainer_resume_worker()');
	settle($node, 60);
	is(traces(), '0 rows, 0 files', 'the text has left the provider');
	is(join(' ', models_of($name)), '', '... and the model with it');
	leave_out($node);
	$node->safe_psql('postgres', "BEGIN; $delete COMMIT;");
	is($node->safe_psql('postgres', "SELECT kind FROM trainer_event_log WHERE organization_id = '" . org(2) . "'"), 'erasure', 'that it was erased stays known');
	return 'refused (55000) until nothing is left at the provider, then deleted';
});

staged('D3', 'a provider that refuses to delete a model', sub {
	my ($response, $dataset) = marked(3);
	my $model = submit($node, $dataset, "name => 'kept'");
	wait_for_status($node, $model, 'deployed');
	my $name = status_of($node, $model, 'fine_tuned_model_id');
	settle($node, 60);
	$sandbox->fault(kind => 'status', status => 403, code => 'insufficient_permissions', method => 'DELETE', path => '/v1/models/*', count => -1);
	my $erase = "'" . org(3) . "', response_id => '$response', delete_models => true";
	is(erase($erase), 'kept|retired|f|trained|1|queued', 'asked for');
	settle($node, 60);
	is($node->safe_psql('postgres', "SELECT DISTINCT detail ->> 'operation', detail ->> 'code' FROM trainer_event_log WHERE custom_model_id = '$model' AND kind = 'operation_failed'"),
		'delete_model|insufficient_permissions', 'that it could not be done is told');
	is(scalar(models_of($name)), 4, 'it is still there');
	is(status_of($node, $model, 'fine_tuned_model_id'), $name, '... by the name that we know');
	$sandbox->heal;
	is(erase($erase), 'kept|retired|f|trained|0|queued', 'asked for again, without the text that is gone');
	settle($node, 60);
	is(join(' ', models_of($name)), '', 'now it is deleted');
	is(erase($erase), 'kept|retired|f|trained|0|done', 'and that is known');
	return 'told, and done when asked for again';
});

staged('L7', 'a response is erased while a model is being trained with it', sub {
	$sandbox->settings(job_seconds => 6);
	my ($response, $dataset) = marked(4);
	$sandbox->fault(kind => 'latency', ms => 1500, method => 'POST', path => '/v1/files');
	my $model = submit($node, $dataset, "name => 'under way'");
	my $erase = "'" . org(4) . "', response_id => '$response', delete_models => true";
	wait_until('the upload is under way', sub { $node->safe_psql('postgres', "SELECT 1 FROM trainer_operations WHERE custom_model_id = '$model' AND kind = 'upload_training_file' AND state = 'sending'") });
	my ($state, $error) = sql_error($node, "SELECT trainer_erase($erase)");
	is($state, '55000', 'a file on its way is waited for');
	like($error, qr/cannot erase what is being uploaded/, '... which is told');
	wait_for_status($node, $model, 'running');
	is(erase($erase), 'under way|running|f|trained|0|not touched: its training is under way (running)', 'the job goes on');
	is(traces(), '0 rows, 1 files', '... and has what it was given');
	wait_for_status($node, $model, 'deployed');
	settle($node, 60);
	my $name = status_of($node, $model, 'fine_tuned_model_id');
	is(erase($erase), 'under way|retired|f|trained|1|queued', 'asked again it is known what it learned');
	settle($node, 60);
	is(traces() . join(' ', models_of($name)), '0 rows, 0 files', 'nothing is left');
	$sandbox->settings(job_seconds => 0.3);
	return 'refused (55000) while a file is on its way; the job is told, and goes when it has ended';
});

$node->stop;
done_testing();
