# Comments of the first organization that replies are asked for: what tests of experiments live on.
package Traffic;
use strict;
use warnings;

use Exporter qw(import);
use POSIX ();
use TrainerTest;

our @EXPORT = qw(new_comments all_answered writers);

# n comments that nobody has seen, for the worker to answer.
my $asked = 0;
sub new_comments
{
	my ($node, $n) = @_;
	$node->safe_psql('postgres', <<"SQL");
BEGIN;
CREATE TEMP TABLE made ON COMMIT DROP AS SELECT md5('traffic' || n)::uuid AS id FROM generate_series($asked + 1, $asked + $n) AS n;
INSERT INTO comments SELECT id, '${\ org(1)}', 'bluesky', 'What about it, ' || id || '?' FROM made;
SELECT count(trainer_request_generation(id)) FROM made;
COMMIT;
SQL
	$asked += $n;
	return;
}

# Meanwhile, and once after: verdicts that came when all is answered would come after the window of the first outcomes on a busy machine.
sub all_answered
{
	my ($node, $meanwhile) = @_;
	return wait_until(
		'every request has come to its end',
		sub {
			my $left = $node->safe_psql('postgres', 'SELECT count(*) FROM trainer_generation_requests WHERE finished_at IS NULL');
			$meanwhile->() if $meanwhile;
			return $left == 0;
		},
		60);
}

# Two processes that ask for 40 replies each, one after the other, to comments of that name; their pids, to be waited for.
sub writers
{
	my ($node, $name) = @_;
	return map {
		my $writer = $_;
		my $pid = fork() // die "cannot fork: $!";
		if ($pid == 0)
		{
			foreach my $n (1 .. 40)
			{
				my $id = "md5('$name$writer/$n')::uuid";
				eval { $node->safe_psql('postgres', "INSERT INTO comments VALUES ($id, '${\ org(1)}', 'x', 'Question $n?'); SELECT trainer_generate($id)") };
			}
			POSIX::_exit(0);
		}
		$pid
	} 1 .. 2;
}

1;
