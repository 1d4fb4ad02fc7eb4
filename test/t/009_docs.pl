# Every SQL example of the documentation, run in the order of the pages against the sample app; and every link between the pages.
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

# What a page links to within the repository, without the places inside of a page.
sub relative_links
{
	my ($page) = @_;
	my @links = slurp_file("$top/$page") =~ /\]\(([^()\s]+)\)/g;
	return grep { $_ ne '' } map { s/#.*//r } grep { !/^[a-z]+:/ } @links;
}

my @pages = ('README.md', map { s{^\Q$top\E/}{}r } sort glob("$top/docs/*.md"));
my $links = 0;
for my $page (@pages)
{
	my $folder = $page =~ s{[^/]*$}{}r;
	my @links = relative_links($page);
	$links += @links;
	is_deeply([ grep { !-e "$top/$folder$_" } @links ], [], "the links of $page lead to files that exist");
}
cmp_ok($links, '>', 0, 'there are links to follow');

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
