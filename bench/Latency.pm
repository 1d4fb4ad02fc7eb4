# How soon a committed request is on the wire: from the client's COMMIT, whose own write to disk is counted in, to the first bytes
# of the upload at the provider. Nothing else is going on; the worker is asleep.
package Latency;
use strict;
use warnings;
use IO::Socket::INET;
use Report;
use POSIX ();
use Time::HiRes qw(sleep time);
use Worker;

sub measure {
    my ($postgres, %arg) = @_;
    my $samples = $arg{quick} ? 20 : 300;
    my $session = $postgres->create_database('latency');
    $session->run('\i bench/schema.sql');
    $session->run(q{
        CREATE EXTENSION trainer CASCADE;
        SELECT count(*) FROM trainer_attach();
        INSERT INTO organizations (id, name, slug, plan_id) VALUES (md5('organization 1')::uuid, 'One', 'one', 'plus')});
    # A dataset is trained from once at a time, so each request has its own.
    $session->run(qq{
        INSERT INTO training_datasets (id, organization_id, name, roast_count, status, training_params, prepared_at)
        SELECT md5('dataset ' || n)::uuid, md5('organization 1')::uuid, 'dataset ' || n, 100, 'ready', '{"base_model": "gpt-4o"}', now()
        FROM generate_series(1, $samples) AS n;
        INSERT INTO training_examples (dataset_id, ordinal, organization_id, split, messages)
        SELECT md5('dataset ' || n)::uuid, ordinal, md5('organization 1')::uuid, 'train',
               '[{"role":"user","content":"A comment"},{"role":"assistant","content":"A reply"}]'
        FROM generate_series(1, $samples) AS n, generate_series(1, 100) AS ordinal;
        VACUUM ANALYZE});
    my $provider = refuser();
    write_key("$arg{dir}/latency-key");
    $postgres->set('trainer.api_key_file' => "$arg{dir}/latency-key", 'trainer.databases' => 'latency',
        'trainer.api_base' => "http://127.0.0.1:$provider->{port}");
    Worker::wait_until(30, sub {
        $session->run('SELECT trainer_wake_worker()');
        $session->run('SELECT running FROM trainer_worker_status()') eq 't';
    });
    my @ms = sort { $a <=> $b } map { sample($session, $provider, $_) } 1 .. $samples;
    kill TERM => $provider->{pid};
    waitpid $provider->{pid}, 0;
    report(goal => '3d', most => 5, format => '%.1f', value => { median => quantile(\@ms, 0.5), least => $ms[0], most => $ms[-1] },
        what => "COMMIT of trainer_submit_training() -> its request on the wire, p50 of $samples, ms");
    report(format => '%.1f', value => { median => quantile(\@ms, 0.99) }, what => '  p99, ms');
}

sub sample {
    my ($session, $provider, $number) = @_;
    sleep 0.05 + rand 0.05;
    $session->run("BEGIN; SELECT id FROM trainer_submit_training(md5('dataset $number')::uuid)");
    my $committing = time;
    $session->run('COMMIT');
    my $arrived = readline $provider->{arrivals};
    die "the stand-in of the provider ended\n" unless defined $arrived;
    return ($arrived - $committing) * 1000;
}

sub quantile {
    my ($sorted, $q) = @_;
    return $sorted->[ int($q * $#$sorted + 0.5) ];
}

sub write_key {
    my ($file) = @_;
    open my $key, '>', $file or die $!;
    print $key "sk-bench-0123456789\n";
    close $key or die $!;
    chmod 0600, $file or die $!;
}

# A provider that refuses every request for good, so that none is followed by another, and tells when each arrived.
sub refuser {
    my $listener = IO::Socket::INET->new(Listen => 16, LocalAddr => '127.0.0.1', ReuseAddr => 1) or die "no port: $!\n";
    pipe my $arrivals, my $tell or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        $SIG{TERM} = 'DEFAULT';
        $tell->autoflush(1);
        while (my $connection = $listener->accept) { refuse($connection, $tell) }
        POSIX::_exit(0);
    }
    return { pid => $pid, port => $listener->sockport, arrivals => $arrivals };
}

sub body_length { return $_[0] =~ /^content-length: *(\d+)/im ? $1 : 0 }

sub refuse {
    my ($connection, $tell) = @_;
    my $request = '';
    my $arrived;
    until ($request =~ /\r\n\r\n/ && length($request) >= $+[0] + body_length($request)) {
        sysread $connection, $request, 65536, length $request or return;
        $arrived //= time;
    }
    my $body = '{"error": {"message": "no", "type": "invalid_request_error", "code": "refused"}}';
    print $connection "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n"
      . "Content-Length: @{[ length $body ]}\r\n\r\n$body";
    close $connection;
    printf $tell "%.6f\n", $arrived if $request =~ /^POST /;
}

1;
