# The page of trainer_report() in a browser, wide and narrow, light and dark: of the sample app after weeks of replies, of names that want to be markup, and of an
# organization that has nothing yet. Screenshots stay beside the logs (TRAINER_SCREENSHOTS names another directory).
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use Browser qw(start_browser);
use TrainerTest;

use PostgreSQL::Test::Utils;
use Test::More;

my $top  = "$FindBin::RealBin/../..";
my $dir  = $ENV{TRAINER_SCREENSHOTS} // $PostgreSQL::Test::Utils::log_path;
my $full = $PostgreSQL::Test::Utils::tmp_check;

my $sandbox = start_sandbox(job_seconds => 0.5);
my $node = new_node('page', $sandbox, 'trainer.poll_interval' => '100ms', 'trainer.retrain_threshold' => 100_000_000, 'trainer.experiment_interval' => '1h', 'trainer.rollback_on_regression' => 'off');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION trainer CASCADE;' . slurp_file("$top/demo/schema.sql") . slurp_file("$top/demo/data.sql") . 'SELECT trainer_attach();');
wait_for_worker($node);

sub value { return $node->safe_psql('postgres', $_[0]) }

my ($bakery, $podcast) = map { value("SELECT id FROM organizations WHERE slug = '$_'") } 'corner-oven', 'last-train-home';

# Three versions, really trained.
foreach my $version (1 .. 3)
{
	my $model = value("SELECT m.id FROM trainer_prepare_dataset('$bakery', epochs => $version, learning_rate_multiplier => 0.1 * $version) AS d, trainer_submit_training(d.id) AS m");
	wait_for_status($node, $model, 'deployed', 60);
}
settle($node, 60);
value(slurp_file("$FindBin::RealBin/page_history.sql"));

# What ends a word is no end of what a browser reads: names of all organizations and models at their worst.
my $hostile = q{E'<script>document.title = "x"</script><img src=x onerror="console.error(1)"> " \' ]]> <!-- \u202Eevil \u2028 ' || repeat('Donaudampfschifffahrt', 12)};

# file of a page, and the page
sub page
{
	my ($name, $sql) = @_;
	my $html = value($sql);
	my $file = "$full/$name.html";
	unlink $file;
	append_to_file($file, $html);
	return ($file, $html);
}

my $browser = start_browser();

sub is_readable
{
	my ($name, $file) = @_;
	foreach my $width (1280, 390)
	{
		foreach my $scheme ('light', 'dark')
		{
			$browser->open_page($file, $width, $scheme);
			is_deeply([ $browser->findings ], [], "$name is readable, $width pixels wide, $scheme");
			is_deeply([ $browser->complaints($file) ], [], '... nothing is complained of, and nothing asked for');
			$browser->screenshot("$dir/page-$name-$width-$scheme.png");
			cmp_ok(-s "$dir/page-$name-$width-$scheme.png", '>', 20_000, '... and there is something to see');
		}
	}
	# What is in between.
	foreach my $width (1100, 768, 360)
	{
		$browser->open_page($file, $width, 'light');
		is_deeply([ $browser->findings ], [], "$name is readable, $width pixels wide");
	}
	return;
}

my ($file, $html) = page('full', "SELECT trainer_report('$bakery', 'The Corner Oven')");
cmp_ok(length $html, '<', 200_000, 'the page is small');
is_readable('full', $file);
$browser->open_page($file, 1280, 'light');
is($browser->evaluate('document.title') =~ /^The Corner Oven: models, / ? 1 : 0, 1, 'it has its title');
is($browser->evaluate('[...document.querySelectorAll(".tiles .big")].map((e) => e.textContent).join("|")') =~ /^Version 3\|\d+ %\|A\/B test\|\$[\d.]+$/ ? 1 : 0, 1, 'its first look says what serves, how good it is, what goes on and what it costs')
  or diag($browser->evaluate('document.querySelector(".tiles").textContent'));
is($browser->evaluate('document.querySelectorAll("#versions figure polyline.l").length'), 6, 'three versions have two curves each');
cmp_ok($browser->evaluate('document.querySelectorAll("#approval svg.wide line.i").length'), '>', 8, 'approval has intervals over the weeks');
cmp_ok($browser->evaluate('document.querySelectorAll("#costs svg.wide rect").length'), '>', 20, 'costs have bars');
is($browser->evaluate('document.querySelectorAll("section > p.none").length'), 0, 'no part is empty');
is($browser->evaluate('[...document.querySelectorAll("svg.wide")].every((e) => e.getBoundingClientRect().width > 0) && [...document.querySelectorAll("svg.narrow")].every((e) => !e.getBoundingClientRect().width)'),
	1, 'wide plots are shown on a wide screen');

value("UPDATE custom_models SET name = left($hostile, 255), base_model = left($hostile, 256)");
value("INSERT INTO custom_models (organization_id, name, version, base_model, status, error_message) VALUES ('$bakery', left($hostile, 255), 4, left($hostile, 256), 'failed', $hostile)");
value("INSERT INTO trainer_event_log (organization_id, kind, detail) SELECT '$bakery', left($hostile, 60), jsonb_build_object('reason', $hostile)");
($file) = page('hostile', "SELECT trainer_report('$bakery', $hostile)");
is_readable('hostile', $file);
is($browser->evaluate('document.title') =~ /^<script>/ ? 1 : 0, 1, 'markup in a name is text');

($file) = page('empty', "SELECT trainer_report('$podcast')");
is_readable('empty', $file);
cmp_ok($browser->evaluate('document.querySelectorAll("p.none").length'), '>=', 5, 'what is missing is said in words');

# The looks themselves: what is broken on purpose is found.
sub broken
{
	my ($what, $from, $to) = @_;
	my $bad = $html;
	$bad =~ s/$from/$to/ or die "nothing to break: $from";
	unlink "$full/broken.html";
	append_to_file("$full/broken.html", $bad);
	$browser->open_page("$full/broken.html", 390, 'light');
	my @found = ($browser->findings, $browser->complaints("$full/broken.html"));
	ok((grep { /^$what/ } @found), "found: $what") or diag(explain(\@found));
	return;
}
(my $lax = $html) =~ s/style-src 'sha256-[^']*'/style-src 'unsafe-inline'/;
$html = $lax;
broken('scrolls',           qr/<\/style>/, 'table { width: 600px }</style>');
broken('small',             qr/<\/style>/, '.note { font-size: 10px }</style>');
broken('pale',              qr/<\/style>/, '.sub { color: #999 }</style>');
broken('small: text',       qr/<\/style>/, 'svg.wide { display: block } svg.narrow { display: none }</style>');
broken('one on the other',  qr/<\/style>/, 'td { display: block; height: 4px }</style>');
broken('not ours',          qr/<main>/,    '<main><script>1</script>');
broken('error: ',           qr/<main>/,    '<main><img src="http://127.0.0.1:9/x.png"/>');

$browser->stop;
$node->stop;
done_testing();
