# Preference pairs: what is uploaded is what trainer_dataset_jsonl() shows, the job is asked for as the contract has it, and trains.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use TrainerTest;

use Test::More;

my $sandbox = start_sandbox(job_seconds => 0.3);
my $node    = start_node('dpo', $sandbox, organizations => 1);
my $org     = org(1);

# 60 edits, five of them of responses that are rejected later; variants for 20 other comments, of which one of three is chosen.
$node->safe_psql('postgres', <<"SQL");
INSERT INTO model_feedback (organization_id, response_id, feedback_type, edited_roast)
  SELECT '$org', id, 'edited', 'Edited: ' || response_text FROM responses ORDER BY created_at LIMIT 60;
INSERT INTO model_feedback (organization_id, response_id, feedback_type) SELECT '$org', id, 'rejected' FROM responses ORDER BY created_at LIMIT 5;
INSERT INTO trainer_variants (organization_id, comment_id, set_id, rung, temperature, response_text, rank, score, chosen_at)
  SELECT '$org', c.id, md5(c.id::text)::uuid, 'base', 0.8, format(E'Variant %s,\\n"quoted" \\U0001F35E', rank), rank, 0.5, CASE rank WHEN 2 THEN now() END
  FROM (SELECT comment_id AS id FROM responses ORDER BY created_at DESC LIMIT 20) AS c, generate_series(1, 3) AS rank;
SQL

my $dataset = prepare($node, 1, q(method => 'dpo', min_examples => 90, epochs => 2, options => '{"beta": 0.25, "batch_size": 4}'));
is($node->safe_psql('postgres', "SELECT roast_count, report ->> 'from_edits', report ->> 'from_variants' FROM training_datasets"), '95|55|40', 'a pair for each edit, and for each variant that was not chosen');
is($node->safe_psql('postgres', "SELECT count(*) FROM trainer_validate_dataset('$dataset')"), 0, 'nothing is wrong with it');
is($node->safe_psql('postgres', "SELECT count(*) FROM training_examples e JOIN model_feedback f USING (response_id) WHERE f.feedback_type = 'rejected'"), 0, 'what was rejected is in no pair');

my $model = submit($node, $dataset);
wait_for_status($node, $model, 'deployed');
my %uploaded = map { $_->{sha256} => $_->{bytes} } uploads_of($node, $sandbox, $model);
my %shown = map { split /\|/ } split /\n/, $node->safe_psql('postgres', <<"SQL");
SELECT encode(sha256(convert_to(string_agg(line || E'\\n', '' ORDER BY n), 'UTF8')), 'hex'), sum(octet_length(line) + 1)
FROM unnest('{train,validation}'::text[]) AS split, trainer_dataset_jsonl('$dataset', split) WITH ORDINALITY AS j (line, n) GROUP BY split
SQL
is_deeply(\%uploaded, \%shown, 'both files are uploaded, byte for byte as shown');

my $job = $sandbox->request('GET', "$jobs/" . status_of($node, $model, 'provider_job_id'));
is($job->{method}{type}, 'dpo', 'the job is one of preferences');
my %asked = %{ $job->{method}{dpo}{hyperparameters} };
is_deeply([ map { $asked{$_} + 0 } qw(n_epochs batch_size learning_rate_multiplier beta) ], [ 2, 4, 0.1, 0.25 ], '... with the hyperparameters that were asked for');
is($node->safe_psql('postgres', "SELECT training_loss > 0, validation_loss > 0, trained_tokens > 0, training_cost_cents > 0 FROM custom_models WHERE id = '$model'"), 't|t|t|t', 'it has been trained, and measured');

# --- what is no pair is refused ---
my $broken = prepare($node, 1, q(method => 'dpo', min_examples => 90));
$node->safe_psql('postgres', "UPDATE training_examples SET non_preferred = NULL WHERE dataset_id = '$broken'");
is($node->safe_psql('postgres', "SELECT DISTINCT severity, code FROM trainer_validate_dataset('$broken')"), 'error|wrong_method', 'the validation says what the provider will');
my ($state, $message) = sql_error($node, "CALL trainer_wait_for_training('" . submit($node, $broken) . "')");
is($state, 'TR002', 'the job fails');
like($message, qr/DETAIL:  invalid_training_file: /, '... for its file');
my ($last) = reverse job_posts($sandbox, $node->safe_psql('postgres', "SELECT id FROM trainer_operations WHERE kind = 'create_job' ORDER BY created_at DESC LIMIT 1"));
ok($last, '... which the provider was asked for');

check_invariants($node, $sandbox);
$node->stop;
done_testing();
