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
my $app = 'CREATE EXTENSION trainer CASCADE;' . slurp_file("$top/demo/schema.sql") . slurp_file("$top/demo/data.sql") . <<'SQL';
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

# The programs of a page, in the languages that apps are written in: each prints what it got.
sub run_programs
{
	my ($node, $page) = @_;
	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'postgres', PGUSER => scalar getpwuid($>));
	my $text = slurp_file("$top/$page");
	foreach ([ 'js', 'node' ], [ 'python', 'python3' ])
	{
		my ($language, $program) = @$_;
		foreach my $code ($text =~ /^```$language\n(.*?)^```$/gms)
		{
			my $file = "$PostgreSQL::Test::Utils::tmp_check/example.$language";
			unlink $file;
			append_to_file($file, $code);
			my ($out, $err) = run_command([ $program, $file ]);
			like($out, qr/response_text/, "the $language of $page has its reply") or diag($err);
			is($err, '', '... and nothing to complain about');
		}
	}
	return;
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

# The rows of the tables of faults and attacks: each is staged by the test that it names, and whatever is staged has a row.
# A loop takes its ids from a list of its own, so whatever a test that stages anything has in quotes and looks like an id is one.
sub staged_rows
{
	my $test = slurp_file("$FindBin::RealBin/$_[0]");
	return $test =~ /^\s*staged\(/m ? $test =~ /'([A-Z]\d+)'/g : ();
}

my (%row, %staged);
for my $page (grep { -e "$top/$_" } 'docs/security.md', 'docs/reliability.md')
{
	for my $line (grep { /^\| [A-Z]\d+ \|/ } split /\n/, slurp_file("$top/$page"))
	{
		my ($id) = $line =~ /^\| (\w+) \|/;
		$row{"$id in $_"} = 1 foreach $line =~ /`(\w+\.pl)`/g;
	}
}
for my $file (map { s{.*/}{}r } sort glob("$FindBin::RealBin/*.pl"))
{
	$staged{"$_ in $file"} = 1 foreach staged_rows($file);
}
is_deeply([ grep { !$staged{$_} } sort keys %row ],    [], 'every row of the tables is staged by the test that it names');
is_deeply([ grep { !$row{$_} } sort keys %staged ], [], 'whatever is staged has a row');

my $sandbox = start_sandbox(job_seconds => 0.5);
for my $page ('README.md', 'docs/erasure.md', 'docs/experiments.md', 'docs/feedback.md', 'docs/money.md', 'docs/monitoring.md', 'docs/notifications.md', 'docs/operations.md', 'docs/page.md', 'docs/quality.md', 'docs/security.md', 'docs/serving.md', 'docs/sql.md', 'docs/tokens.md')
{
	(my $name = $page) =~ s/\W/_/g;
	my $node = new_node($name, $sandbox, init => { same_system => 1 }, 'trainer.poll_interval' => '100ms');
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
	run_programs($node, $page);
	$node->stop;
}

done_testing();
