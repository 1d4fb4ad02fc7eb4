# A/B tests whose results are known from elsewhere: made-up verdicts are replayed by bench/votes, and what is said of them is what plain SQL says. With
# real ones: bench/run --only votes --data DIR.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use TrainerTest;

use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::RealBin/../..";

# Nobody else may look at a test.
my $node = new_node('votes', undef, 'trainer.databases' => 'nobody');
$node->start;
$node->safe_psql('postgres', slurp_file("$top/demo/schema.sql") . 'CREATE EXTENSION trainer CASCADE; SELECT count(*) FROM trainer_attach();');

sub votes
{
	my ($out, $err) = ('', '');
	my $status = $node->psql('postgres', undef, stdout => \$out, stderr => \$err, extra_params => [ map { ('-f', "$top/bench/votes/$_.sql") } @_ ]);
	return ($status, $out, $err);
}

my ($status, $out, $err) = votes(qw(load replay plain compare));
is($status, 0, 'what the extension says is what plain SQL says') or diag($err, $out);
like($out, qr/^660 values compared .* 0 differ/m, 'of all values, at all moments');
sub decisions { return $node->safe_psql('postgres', "SELECT string_agg(coalesce(decision, '-'), ' ' ORDER BY place) FROM votes.seen WHERE comparison = $_[0] AND is_primary") }
like(decisions(2), qr/^- - - - -$/, 'nothing is found where there is nothing');
like(decisions(3), qr/^- .* custom$/, 'and what there is, later than at the first look');
is($node->safe_psql('postgres', <<'SQL'), 't|t', 'some verdicts and scores came too late to count');
SELECT bool_or(f.created_at > g.created_at + interval '432 hours'), bool_or(g.scored_at > g.created_at + interval '1 hour')
FROM trainer_generations AS g JOIN model_feedback AS f USING (response_id)
SQL

# One value that is not the same is found.
$node->safe_psql('postgres', "UPDATE votes.seen SET upper = upper + 1e-8 WHERE (comparison, place, metric) = (3, 5, 'user_approval')");
($status, $out, $err) = votes('compare');
is($status, 3, 'an altered result is an error');
like($out, qr/, 1 differ .*\n(?:.*\n)*.*user_approval.*upper/, 'and it is shown which');

$node->stop;
done_testing();
