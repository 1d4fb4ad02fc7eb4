# Every SQL example of the documentation, run in the order of the pages against the sample app.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use TrainerTest;

use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::RealBin/../..";

# The sample app under the names that the pages use, and a second set of names for the example of a mapping.
my $app = 'CREATE EXTENSION trainer;' . slurp_file("$top/demo/schema.sql") . slurp_file("$top/demo/data.sql") . <<'SQL';
CREATE SCHEMA app;
CREATE VIEW app.replies AS
  SELECT id, organization_id, comment_id, response_text AS body, created_at AS sent_at FROM responses;
SQL

# The fenced blocks that are marked as SQL, in order.
sub examples
{
	my ($page) = @_;
	my @blocks = slurp_file("$top/$page") =~ /^```sql\n(.*?)^```$/gms;
	die "$page has no examples" unless @blocks;
	return @blocks;
}

my $sandbox = start_sandbox(job_seconds => 0.5);
for my $page ('README.md', 'docs/operations.md', 'docs/sql.md')
{
	(my $name = $page) =~ s/\W/_/g;
	my $node = new_node($name, $sandbox, 'trainer.poll_interval' => '100ms');
	$node->start;
	$node->safe_psql('postgres', $app);
	# The README binds the extension itself; the other pages begin where it ends.
	$node->safe_psql('postgres', 'SELECT trainer_attach()') unless $page eq 'README.md';

	my $script = "$PostgreSQL::Test::Utils::tmp_check/$name.sql";
	append_to_file($script, join("\n", examples($page)));
	my ($out, $err) = ('', '');
	my $status = $node->psql('postgres', undef, stdout => \$out, stderr => \$err, on_error_stop => 1, timeout => 120,
		extra_params => [ '-v', 'ON_ERROR_STOP=1', '-f', $script ]);
	is($status, 0, "the examples of $page run") or diag($err);
	unlike($err, qr/ERROR|FATAL/, "and none of them fails");
	$node->stop;
}

done_testing();
