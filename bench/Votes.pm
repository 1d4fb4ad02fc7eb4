# Votes: A/B tests between caption desks, whose verdicts are real where there are data. No measurement of time: what the extension says is held against
# plain SQL over the same rows.
package Votes;
use strict;
use warnings;

sub measure {
    my ($postgres, %arg) = @_;
    my $session = $postgres->create_database('votes');
    $session->run("\\i bench/schema.sql\nCREATE EXTENSION trainer CASCADE; SELECT count(*) FROM trainer_attach()");
    my @data = -d "$arg{dir}/votes" ? ('-v', "data=$arg{dir}/votes") : ();
    print @data ? "Real votes\n\n" : "Made-up votes (real ones with --data)\n\n";
    system('psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'votes', @data, map { ('-f', "$arg{bench}/votes/$_.sql") } qw(load replay plain compare)) == 0
      or die "votes: see above\n";
}

1;
