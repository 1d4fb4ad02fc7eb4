# Serving: what trainer_generate() takes beside libcurl alone, looking up the model that serves, and finding examples for a comment.
package Serving;
use strict;
use warnings;
use Chat;
use Latency;
use Paired;
use Report;

sub measure {
    my ($postgres, %arg) = @_;
    heading('Serving');
    my $session = $postgres->create_database('serving');
    my %rows = $arg{quick} ? (examples => 2_000, references => 500, lookups => 10_000)
                           : (examples => 100_000, references => 10_000, lookups => 100_000);
    $session->run(join("\n", map { "\\set $_ $rows{$_}" } keys %rows) . "\n\\i bench/serving.sql\nSET jit = off; CHECKPOINT");
    overhead($postgres, $session, %arg);
    lookups($session, $rows{lookups}, %arg);
    matches($session, %rows);
}

# --- a reply, against a provider that answers at once ---------------------------------------------------------------------------

sub overhead {
    my ($postgres, $session, %arg) = @_;
    my $calls = $arg{quick} ? 200 : 1000;
    my $provider = Chat->start(dir => $arg{dir});
    Latency::write_key("$arg{dir}/chat-key");
    $postgres->set('trainer.api_key_file' => "$arg{dir}/chat-key", 'trainer.api_base' => $provider->base);
    # Warm, and the request that the peer repeats.
    $session->run('CALL time_generate(20)');
    $provider->call(20);
    my $took = rounds($arg{quick} ? 2 : 7, [ ours => sub { generate($session, $calls) },
        libcurl => sub { quantiles('libcurl', $provider->call($calls)) } ]);
    $provider->stop;
    my $rows = $session->run('SELECT count(*) FROM trainer_generations WHERE prompt_tokens = 120 AND rung = \'fine_tuned\'');
    die "$rows generations were recorded\n" if $rows < $calls;
    tell_overhead($took, $calls);
}

sub generate {
    my ($session, $calls) = @_;
    $session->run("TRUNCATE took; CALL time_generate($calls)");
    return { map { quantiles($_, split /\n/, $session->run("SELECT us FROM took WHERE what = '$_'"))->%* } qw(call committed) };
}

# In milliseconds, as parts of a round.
sub quantiles {
    my ($name, @us) = @_;
    my @sorted = sort { $a <=> $b } @us;
    return { map { ("$name $_" => Latency::quantile(\@sorted, $_) / 1000) } 0.5, 0.99 };
}

sub tell_overhead {
    my ($took, $calls) = @_;
    my %name = ('libcurl' => 'peer: libcurl alone, the same request', 'call' => 'trainer_generate(), with its rows',
        'committed' => 'the same and its COMMIT');
    for my $what (qw(libcurl call committed)) {
        report(format => '%.2f', value => spread(@{ $took->{"$what $_->[0]"} }), what => "$name{$what}: $_->[1] of $calls, ms")
          for [ 0.5, 'p50' ], [ 0.99, 'p99' ];
    }
    my $over = sub { my ($q) = @_; spread(map { $took->{"call $q"}[$_] - $took->{"libcurl $q"}[$_] } 0 .. $#{ $took->{"call $q"} }) };
    report(format => '%.2f', value => $over->(0.5), what => '  trainer_generate() - libcurl: p50, ms');
    report(format => '%.2f', value => $over->(0.99), most => 1, what => '  trainer_generate() - libcurl: p99, ms');
}

# --- the model that serves ------------------------------------------------------------------------------------------------------

# What has an older snapshot than its statement neither keeps nor takes what is kept.
sub lookups {
    my ($session, $count, %arg) = @_;
    my %run = (loop => 'organization', plpgsql => 'active_model(organization)', ours => 'bare_active_model(organization)',
        wrapped => 'trainer_active_model(organization)');
    my ($wrong) = $session->run('SELECT count(*) FROM lookups WHERE active_model(organization) IS DISTINCT FROM trainer_active_model(organization)');
    die "$wrong lookups differ\n" if $wrong;
    my @contenders;
    for my $level ('READ COMMITTED', 'REPEATABLE READ') {
        push @contenders, map {
            my $call = $run{$_};
            ("$_ $level" => sub { $session->run("BEGIN ISOLATION LEVEL $level; SELECT count($call) FROM lookups; COMMIT"); undef })
        } qw(loop plpgsql ours wrapped);
    }
    rounds(1, \@contenders);
    my $seconds = rounds($arg{quick} ? 2 : 7, \@contenders);
    tell_lookups(above_the_loop($seconds, $count));
}

# Nanoseconds a call above the empty loop; less than one is not told apart.
sub above_the_loop {
    my ($seconds, $count) = @_;
    my %ns;
    for my $name (keys %$seconds) {
        my ($level) = $name =~ /^\w+ (.*)/;
        my $loop = $seconds->{"loop $level"};
        $ns{$name} = [ map { my $ns = ($seconds->{$name}[$_] - $loop->[$_]) * 1e9 / $count; $ns > 1 ? $ns : 1 } 0 .. $#$loop ];
    }
    return \%ns;
}

sub tell_lookups {
    my ($ns) = @_;
    for ([ '5a', 'READ COMMITTED', 50, 'kept in the session' ], [ '5b', 'REPEATABLE READ', 2, 'not kept' ]) {
        my ($goal, $level, $least, $how) = @$_;
        report(goal => $goal, least => $least, format => '%.1f', value => ratio($ns, "plpgsql $level", "ours $level"),
            what => "active model, plpgsql / ours, $how");
        report(format => '%.0f', value => times($ns, "$_->[0] $level"), what => "  $_->[1], ns")
          for [ plpgsql => 'peer: plpgsql' ], [ ours => 'ours, as trainer_generate() looks it up' ],
          [ wrapped => 'ours, as trainer_active_model(), which sets its search_path' ];
    }
}

# --- examples for a comment -----------------------------------------------------------------------------------------------------

sub matches {
    my ($session, %rows) = @_;
    $session->run('CALL time_matches(); TRUNCATE took; CALL time_matches()');
    my %most = (exemplars => 10);
    for ([ exemplars => "trainer_exemplar_matches() of $rows{examples} examples" ],
        [ references => "trainer_reference_matches() of $rows{references} roasts" ]) {
        my ($name, $what) = @$_;
        my $took = quantiles($name, split /\n/, $session->run("SELECT us FROM took WHERE what = '$name'"));
        report(format => '%.1f', value => { median => $took->{"$name 0.5"} }, what => "$what, p50 of 200 comments, ms");
        report(format => '%.1f', value => { median => $took->{"$name 0.99"} }, what => '  p99, ms',
            $most{$name} ? (most => $most{$name}) : ());
    }
    remark("trainer_exemplar_matches() reads by: $_") for scans($session);
}

# How the tables are read, out of the plan of the function's body.
sub scans {
    my ($session) = @_;
    $session->run(q{SELECT 'PREPARE body (uuid, text, integer) AS ' || prosrc FROM pg_proc WHERE proname = 'trainer_exemplar_matches' \gexec});
    my $plan = $session->run(q{SELECT format('EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE body (%L, %L, 5)', m.id, c.original_text)
        FROM custom_models AS m, comments AS c WHERE m.kind = 'exemplar' ORDER BY c.id LIMIT 1 \gexec});
    return $plan =~ /((?:Index|Index Only|Bitmap Index|Bitmap Heap|Seq) Scan[^\n]*? \(actual[^\n]*)/g;
}

1;
