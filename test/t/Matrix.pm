# The tables of docs/reliability.md and docs/security.md as the tests show them: a row a fault or an attack, with what was staged,
# what came of it, and whether the promises held afterwards. A row is a subtest, so that none is printed that was not run.
package Matrix;

use strict;
use warnings;

use Exporter 'import';
use Test::More;

our @EXPORT = qw(matrix staged);

my $title = '';
my $checker;
my @rows;

# matrix('Crashes', sub { check_invariants(...) }): names the table that this file prints when it ends, and gives what every row ends
# with; without it, the test calls check_invariants() itself after the rows that it counts for.
sub matrix { ($title, $checker) = @_; return }

# staged('F1', 'the worker is killed ...', sub { ...; return 'one job, adopted' }): runs the row's tests. The code returns in a few
# words what came of it; a failed row says FAILED instead.
sub staged
{
	my ($id, $what, $code) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $outcome;
	push @rows, my $row = { id => $id, what => $what, promises => '-' };
	my $passed = subtest("$id: $what" => sub { $outcome = $code->(); ok(defined $outcome, 'it came to an end'); $checker->() if $checker; });
	$row->{outcome} = $passed ? $outcome // '' : 'FAILED';
	return;
}

# What check_invariants() found counts for every row since the last time.
sub promises
{
	my ($held) = @_;
	$_->{promises} = $held ? 'held' : 'BROKEN' foreach grep { $_->{promises} eq '-' } @rows;
	return;
}

END
{
	if (@rows)
	{
		my @table = ([ 'id', 'what was staged', 'what came of it', 'promises' ], map { [ @$_{qw(id what outcome promises)} ] } @rows);
		my @width = map { my $column = $_; my $most = 0; length $_->[$column] > $most and $most = length $_->[$column] foreach @table; $most } 0 .. 3;
		diag($title);
		foreach my $line (@table)
		{
			diag(join ' | ', map { sprintf '%-*s', $width[$_], $line->[$_] } 0 .. 3);
		}
	}
}

1;
