# Tokens: counting by o200k_base, beside npm `tiktoken` (WASM) in a process that stays up, and beside a service that fetches and counts.
package Tokens;
use strict;
use warnings;
use IPC::Open2 qw(open2);
use JSON::PP qw(decode_json encode_json);
use Time::HiRes qw(time);
use Paired;
use Report;

my ($dir, $quick);

sub measure {
    my ($postgres, %arg) = @_;
    ($dir, $quick) = @arg{qw(dir quick)};
    heading('Tokens, o200k_base');
    if (!-d "$arg{bench}/node_modules/tiktoken" || system('command -v node >/dev/null')) {
        remark('not measured: the peer, npm tiktoken, is not there');
        return;
    }
    my @sizes = $quick ? (300_000, 500_000) : (4_000_000, 8_000_000);
    system('node', "$arg{bench}/peer/tokens_corpus.mjs", "$dir/corpus", $dir, @sizes) == 0 or die "the corpus could not be made\n";
    my $session = $postgres->create_database('tokens');
    $session->run('SET client_min_messages = warning; CREATE EXTENSION trainer CASCADE');
    $ENV{PGDATABASE} = 'tokens';
    my $ours = start("$arg{bench}/tokens", "$arg{bench}/trainer_tokens.bin");
    my $peer = start('node', "$arg{bench}/peer/tokens.mjs");
    texts($ours, $peer);
    long_words($ours, $peer);
    first_call($postgres, $peer);
    in_sql($session, $peer);
    stop($_) for $ours, $peer;
}

# --- the two processes: a request a line, an answer a line ----------------------------------------------------------------------

sub start {
    my @command = @_;
    my $process = {};
    $process->{pid} = open2($process->{out}, $process->{in}, @command);
    $process->{in}->autoflush(1);
    return $process;
}

sub stop {
    my ($process) = @_;
    close $process->{in};
    waitpid $process->{pid}, 0;
}

sub ask {
    my ($process, $request) = @_;
    print { $process->{in} } "$request\n";
    my $answer = readline $process->{out} // die "a contender ended\n";
    return $answer;
}

# Both give the CPU seconds of the thread that counts: the machine may be at other work, and one takes fifty times as long.
sub by_ours {
    my ($ours, $what, $file, $end) = @_;
    my ($seconds, $tokens) = split ' ', ask($ours, "$what $file $end");
    return ($seconds, $tokens);
}

sub by_peer {
    my ($peer, %request) = @_;
    my $answer = decode_json(ask($peer, encode_json(\%request)));
    return @$answer{qw(seconds tokens)};
}

# --- measurements ---------------------------------------------------------------------------------------------------------------

sub same_tokens {
    my ($what, $ours, $theirs) = @_;
    die "$what: $ours tokens, and $theirs by the peer\n" if $ours != $theirs;
}

sub texts {
    my ($ours, $peer) = @_;
    for my $set ([ chat => 10, "\n" ], [ docs => 0, "\0" ]) {
        my ($name, $end, $string) = @$set;
        my $file = "$dir/$name";
        same_tokens($name, (by_ours($ours, 'count', $file, $end))[1], (by_peer($peer, file => $file, end => $string))[1]);
        my $took = rounds($quick ? 2 : 5, [ ours => sub { (by_ours($ours, 'count', $file, $end))[0] },
            fresh => sub { (by_ours($ours, 'fresh', $file, $end))[0] }, peer => sub { (by_peer($peer, file => $file, end => $string))[0] } ]);
        my $mb = (-s $file) / 1e6;
        my $speed = sub { spread(map { $mb / $_ } @{ $took->{ $_[0] } }) };
        report(format => '%.1f', value => $speed->('peer'), what => "$name: peer, npm tiktoken, MB/s");
        report(format => '%.1f', value => $speed->('ours'), what => "$name: ours, MB/s");
        report(goal => '2a', format => '%.1f', value => ratio($took, 'peer', 'ours'), least => 40, what => "$name: tokens a second, ours / peer");
        report(format => '%.1f', value => ratio($took, 'peer', 'fresh'), what => "$name: the same by a counter that has seen nothing");
    }
    report(goal => '2b', value => 'not measured', least => 7, what => 'ours / the native core of tiktoken, which has to be built by hand');
}

# What has no break is one piece, however long.
sub long_words {
    my ($ours, $peer) = @_;
    my $size = $quick ? 10_000 : 100_000;
    srand 1;
    my %text = ('one letter' => 'a' x $size, 'random letters' => join('', map { chr(97 + int rand 26) } 1 .. $size));
    for my $name (sort keys %text) {
        my $file = "$dir/" . $name =~ tr/ /_/r;
        open my $out, '>', $file or die "$file: $!\n";
        print $out $text{$name};
        close $out or die $!;
        # The peer takes seconds: once a round, of three.
        my $took = rounds($quick ? 2 : 3, [ ours => sub { (by_ours($ours, 'fresh', $file, 10))[0] }, peer => sub { (by_peer($peer, file => $file, end => "\n"))[0] } ]);
        same_tokens($name, (by_ours($ours, 'count', $file, 10))[1], (by_peer($peer, file => $file, end => "\n"))[1]);
        report(goal => '2f', format => '%.1f', value => spread(map { $_ * 1000 } @{ $took->{ours} }), most => 30, what => "$size bytes of $name without a break, ms");
        report(goal => '2f', format => '%.0f', value => ratio($took, 'peer', 'ours'), least => 200, what => '  peer / ours');
    }
}

# Beside another function of the library, which maps nothing: the rest is what a session does for any first call.
sub first_call {
    my ($postgres, $peer) = @_;
    my $first = sub {
        my ($call) = @_;
        my $session = $postgres->session('tokens');
        $session->run('SELECT 1');
        my $start = time;
        $session->run("SELECT $call");
        return time - $start;
    };
    my $took = rounds($quick ? 3 : 15, [ floor => sub { $first->('trainer_estimated_tokens(13)') }, ours => sub { $first->("trainer_count_tokens('Hello, world!')") },
        peer => sub { (by_peer($peer, load => JSON::PP::true()))[0] } ]);
    report(format => '%.1f', value => spread(map { $_ * 1000 } @{ $took->{floor} }), what => 'floor, the first call of a function that needs no tables, ms');
    report(goal => '2e', format => '%.1f', value => spread(map { $_ * 1000 } @{ $took->{ours} }), most => 5, what => 'first call in a fresh session, ms');
    report(goal => '2e', format => '%.0f', value => ratio($took, 'peer', 'ours'), least => 50, what => '  loading the encoding in Node / first call');
}

# Each text once, none of them the same as another.
sub in_sql {
    my ($session, $peer) = @_;
    $session->run("CREATE TABLE texts (text text); COPY texts FROM '$dir/chat' (FORMAT csv, DELIMITER E'\\x01', QUOTE E'\\x02'); VACUUM ANALYZE texts; CHECKPOINT");
    my $count = $session->run('SELECT count(*) FROM texts');
    my $ours = 'SELECT sum(trainer_count_tokens(text)) FROM texts';
    my $theirs = 'SELECT text FROM texts';
    same_tokens('SQL', $session->run($ours), (by_peer($peer, sql => $theirs))[1]);
    my $took = rounds($quick ? 2 : 5, [ ours => sub { $session->run($ours); undef }, floor => sub { $session->run('SELECT sum(octet_length(text)) FROM texts'); undef },
        peer => sub { by_peer($peer, sql => $theirs); undef } ]);
    report(format => '%.0f', value => spread(map { $_ * 1000 } @{ $took->{floor} }), what => "SQL, $count texts: floor, sum(octet_length(text)), ms");
    report(format => '%.0f', value => spread(map { $_ * 1000 } @{ $took->{ours} }), what => 'SQL: sum(trainer_count_tokens(text)), ms');
    report(goal => '2c', format => '%.1f', value => ratio($took, 'peer', 'ours'), least => 30, what => '  a service (node-postgres and npm tiktoken) / ours');
}

1;
