# A headless Chromium, driven over its two pipes by the DevTools protocol, and what it finds wrong with a page.
package Browser;

use strict;
use warnings;

use Exporter 'import';
use IO::Select;
use JSON::PP;
use MIME::Base64;
use POSIX ();
use PostgreSQL::Test::Utils;
use Time::HiRes qw(time);

our @EXPORT_OK = qw(start_browser);

my $json = JSON::PP->new->utf8;

# Commands are read from descriptor 3 and answered on 4. --no-sandbox: the tests run as a system user in whatever container CI has, where Chromium may not make the
# namespaces of its sandbox; what it opens is our own page, whose policy forbids all code.
sub start_browser
{
	my $dir = PostgreSQL::Test::Utils::tempdir();
	pipe(my $commands, my $ours)    or die "cannot make a pipe: $!";
	pipe(my $theirs,   my $answers) or die "cannot make a pipe: $!";
	my $pid = fork() // die "cannot fork: $!";
	if ($pid == 0)
	{
		# By way of numbers that nothing has, so that neither closes the other.
		POSIX::dup2(fileno $commands, 20);
		POSIX::dup2(fileno $answers,  21);
		POSIX::dup2(20, 3);
		POSIX::dup2(21, 4);
		$ENV{HOME} = $dir;
		delete $ENV{DISPLAY};
		open STDIN,  '<', '/dev/null';
		open STDOUT, '>', "$dir/log";
		open STDERR, '>&', \*STDOUT;
		exec 'chromium', '--headless=new', '--no-sandbox', '--remote-debugging-pipe', "--user-data-dir=$dir/profile", '--disable-gpu', '--disable-dev-shm-usage',
		  '--hide-scrollbars', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-default-apps', '--disable-extensions', '--disable-sync',
		  '--disable-crash-reporter', '--disable-breakpad', 'about:blank'
		  or POSIX::_exit(127);
	}
	close $commands;
	close $answers;
	my $self = bless { pid => $pid, to => $ours, from => $theirs, buffer => '', next => 0, events => [], log => "$dir/log" }, __PACKAGE__;
	my $target = $self->call('Target.createTarget', { url => 'about:blank' })->{targetId};
	$self->{session} = $self->call('Target.attachToTarget', { targetId => $target, flatten => JSON::PP::true })->{sessionId};
	$self->call($_) for 'Page.enable', 'Runtime.enable', 'Log.enable', 'Network.enable';
	return $self;
}

sub read_message
{
	my ($self, $deadline) = @_;
	my $end;
	while (($end = index $self->{buffer}, "\0") < 0)
	{
		IO::Select->new($self->{from})->can_read($deadline - time) or die "the browser does not answer: " . slurp_file($self->{log});
		sysread($self->{from}, $self->{buffer}, 1 << 20, length $self->{buffer}) or die "the browser has gone: " . slurp_file($self->{log});
	}
	my $message = substr $self->{buffer}, 0, $end + 1, '';
	chop $message;
	return $json->decode($message);
}

# The result of a command; what happens meanwhile is kept.
sub call
{
	my ($self, $method, $parameters) = @_;
	my $id = ++$self->{next};
	my $message = { id => $id, method => $method, params => $parameters // {}, ($self->{session} ? (sessionId => $self->{session}) : ()) };
	my $text    = $json->encode($message) . "\0";
	syswrite($self->{to}, $text) == length $text or die "cannot write to the browser: $!";
	my $deadline = time + 60;
	while (1)
	{
		my $answer = $self->read_message($deadline);
		if (($answer->{id} // 0) != $id) { push @{ $self->{events} }, $answer; next }
		die "$method: $answer->{error}{message}" if $answer->{error};
		return $answer->{result};
	}
}

# Opens a file in a window of that width, in light or dark.
sub open_page
{
	my ($self, $file, $width, $scheme) = @_;
	$self->call('Emulation.setDeviceMetricsOverride', { width => $width + 0, height => 900, deviceScaleFactor => 1, mobile => JSON::PP::false });
	$self->call('Emulation.setEmulatedMedia', { features => [ { name => 'prefers-color-scheme', value => $scheme } ] });
	$self->{events} = [];
	$self->call('Page.navigate', { url => "file://$file" });
	my $deadline = time + 60;
	push @{ $self->{events} }, $self->read_message($deadline) until grep { ($_->{method} // '') eq 'Page.loadEventFired' } @{ $self->{events} };
	return;
}

sub evaluate
{
	my ($self, $code) = @_;
	my $got = $self->call('Runtime.evaluate', { expression => $code, returnByValue => JSON::PP::true });
	die $json->encode($got->{exceptionDetails}) if $got->{exceptionDetails};
	return $got->{result}{value};
}

# What the browser complained of, or asked for beyond the page itself.
sub complaints
{
	my ($self, $file) = @_;
	my @said;
	foreach my $event (@{ $self->{events} })
	{
		my ($method, $of) = @$event{qw(method params)};
		next unless $method;
		push @said, "$of->{entry}{level}: $of->{entry}{text}" if $method eq 'Log.entryAdded';
		push @said, "console: $of->{type}"                     if $method eq 'Runtime.consoleAPICalled';
		push @said, "exception: $of->{exceptionDetails}{text}" if $method eq 'Runtime.exceptionThrown';
		push @said, "request: $of->{request}{url}" if $method eq 'Network.requestWillBeSent' && $of->{request}{url} ne "file://$file";
	}
	return @said;
}

# The whole page as a PNG.
sub screenshot
{
	my ($self, $file) = @_;
	my $data = $self->call('Page.captureScreenshot', { format => 'png', captureBeyondViewport => JSON::PP::true })->{data};
	open my $out, '>:raw', $file or die "cannot write $file: $!";
	print $out decode_base64($data);
	close $out;
	return;
}

# What a reader would stumble over, in words: too wide, cut off, too small, too pale, one on the other.
my $look = <<'JS';
(() => {
  const found = new Set();
  const width = innerWidth;
  const name = (e) => e.tagName.toLowerCase() + (e.id ? '#' + e.id : '') + (e.getAttribute('class') ? '.' + e.getAttribute('class').replace(/ /g, '.') : '');
  if (document.documentElement.scrollWidth > width) found.add('scrolls: the page is ' + document.documentElement.scrollWidth + ' wide');
  const channel = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4);
  const numbers = (c) => c.match(/[\d.]+/g).map(Number);
  const luminance = (c) => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = numbers(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] === 1) return c;
      if (c[3] > 0) throw 'a background that shows through: ' + name(e);
    }
    return matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18] : [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  const boxes = new Map();
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const e = node.parentElement;
    if (!node.data.trim() || e.closest('title, desc')) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    if (!box.width || e.closest('thead') && getComputedStyle(e.closest('thead')).position === 'absolute') continue;
    ++texts;
    const style = getComputedStyle(e);
    const svg = e.closest('svg');
    const words = name(e) + ' "' + node.data.trim().slice(0, 30) + '"';
    const size = parseFloat(style.fontSize) * (svg ? svg.getScreenCTM().a : 1);
    if (size < 11.99) found.add('small: ' + words + ' is ' + size.toFixed(1) + ' px');
    const front = numbers(svg ? style.fill : style.color);
    const [light, dark] = [luminance(front), luminance(behind(e))].sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < 4.5) found.add('pale: ' + words + ' has a contrast of ' + contrast.toFixed(2));
    if (box.left < -1 || box.right > width + 1) found.add('cut off: ' + words);
    const frame = e.closest('section, header, footer').getBoundingClientRect();
    if (box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1) found.add('outside of its part: ' + words);
    if (svg) {
      const view = svg.getBoundingClientRect();
      if (box.left < view.left - 1 || box.right > view.right + 1 || box.top < view.top - 2 || box.bottom > view.bottom + 2) found.add('outside of its plot: ' + words);
    }
    const near = boxes.get(e.closest('section, header, footer')) || [];
    for (const other of near) {
      if (box.left + 1 < other.box.right && other.box.left + 1 < box.right && box.top + 3 < other.box.bottom && other.box.top + 3 < box.bottom && other.e !== e && !other.e.contains(e) && !e.contains(other.e))
        found.add('one on the other: ' + words + ' and ' + other.words);
    }
    near.push({box, words, e});
    boxes.set(e.closest('section, header, footer'), near);
  }
  if (texts < 20) found.add('empty: ' + texts + ' texts');
  for (const e of document.querySelectorAll('svg.plot')) {
    const box = e.getBoundingClientRect();
    if (box.width && (box.width < 250 || box.height < 120)) found.add('small: a plot of ' + box.width + ' x ' + box.height);
  }
  for (const e of document.querySelectorAll('script, link, img, iframe, object, embed, form, input, button, [onload], [onclick], [onerror], [style]')) found.add('not ours: ' + name(e));
  return [...found];
})()
JS

sub findings { my ($self) = @_; return @{ $self->evaluate($look) } }

sub stop
{
	my ($self) = @_;
	return unless $self->{pid};
	kill 'TERM', $self->{pid};
	waitpid $self->{pid}, 0;
	$self->{pid} = 0;
	return;
}

sub DESTROY { my ($self) = @_; local $?; $self->stop; return }

1;
