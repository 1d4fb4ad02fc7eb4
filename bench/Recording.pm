# Recording of polls: 1,000 rows written by the worker's own statements, beside one transaction a row; then the whole of 100,000 active
# jobs, looked at every 30 seconds, as a share of one core.
package Recording;
use strict;
use warnings;
use Paired;
use Provider;
use Report;
use Time::HiRes qw(sleep time);
use Worker;

my $rows = 1000;

sub measure {
    my ($postgres, %arg) = @_;
    heading('Recording of polls');
    if (my $missing = Provider::missing()) {
        report(goal => $_, what => 'needs nginx and libnginx-mod-http-echo', value => $missing) for qw(6a 6b);
        return;
    }
    my $provider = Provider->start(dir => "$arg{dir}/nginx-recording");
    my $trust = $provider->trust;
    if ($trust) {
        $postgres->stop;
        $postgres->start(under => $trust);
    }
    my $worker = Worker->new(postgres => $postgres, provider => $provider, dir => $arg{dir}, database => 'recording');
    batches($worker, $provider, %arg);
    active_jobs($worker, $provider, $trust ? 'tls' : 'plain', %arg);
    $worker->pause;
    $provider->stop;
}

# --- the statements -----------------------------------------------------------------------------------------------------------

# The two statements as the worker runs them, out of the server's log: while it works for a moment, auto_explain shows them.
sub worker_statements {
    my ($worker, $provider, $log) = @_;
    $worker->seed(jobs => $rows);
    my $seen = -s $log;
    $worker->resume('auto_explain.log_min_duration' => 0, 'trainer.poll_interval' => '1s', 'trainer.max_concurrent_requests' => 1000,
        'trainer.api_base' => $provider->base('news', 'plain'));
    my ($claim, $progress);
    Worker::wait_until(30, sub {
        open my $lines, '<', $log or die "$log: $!\n";
        seek $lines, $seen, 0;
        while (<$lines>) {
            next unless s/^\s*Query Text: //;
            chomp;
            $claim    = $_ if /^WITH chosen .* UPDATE \S+trainer_operations o SET/;
            $progress = $_ if /^UPDATE \S+custom_models m SET .* FROM unnest/;
        }
        return $claim && $progress;
    });
    $worker->pause;
    $worker->{postgres}->set('auto_explain.log_min_duration' => -1);
    return ($claim, $progress);
}

# A session with the settings that the worker plans by.
sub prepare {
    my ($worker, $claim, $progress) = @_;
    my $session = $worker->{postgres}->session('recording');
    $session->run(qq{
        SET plan_cache_mode = force_generic_plan; SET jit = off;
        SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
        PREPARE claim (bigint, bigint, float8, float8) AS $claim;
        PREPARE progress (@{[ join ', ', ('text[]') x 10 ]}, bigint) AS $progress});
    # In the server, so that no time is spent on the way to a client.
    $session->run(q{
        CREATE PROCEDURE progress_one_by_one(models uuid[], finish timestamptz) LANGUAGE plpgsql AS $$
        DECLARE model uuid;
        BEGIN
          FOREACH model IN ARRAY models LOOP
            UPDATE custom_models SET estimated_finish = finish, updated_at = now() WHERE id = model;
            COMMIT;
          END LOOP;
        END $$;
        CREATE PROCEDURE claim_one_by_one(operations uuid[]) LANGUAGE plpgsql AS $$
        DECLARE operation uuid;
        BEGIN
          FOREACH operation IN ARRAY operations LOOP
            UPDATE trainer_operations SET due_at = now() + interval '1 h', attempt = attempt + 1, epoch = 1 WHERE id = operation;
            COMMIT;
          END LOOP;
        END $$});
    return $session;
}

# --- 6a -----------------------------------------------------------------------------------------------------------------------

sub batches {
    my ($worker, $provider, %arg) = @_;
    my ($claim, $progress) = worker_statements($worker, $provider, "$arg{dir}/server.log");
    $worker->seed(jobs => $arg{quick} ? 10_000 : 100_000, over => 1_000_000);
    my $session = prepare($worker, $claim, $progress);
    my $finish = 1_735_689_600;
    my $choose = sub {
        # Other rows each time: a thousand that are due, and nothing else.
        $session->run(qq{
            UPDATE trainer_operations SET due_at = now() + interval '1 h' WHERE due_at < now() + interval '1 h';
            UPDATE trainer_operations SET due_at = now() - interval '1 s', epoch = 1
              WHERE id IN (SELECT id FROM trainer_operations ORDER BY random() LIMIT $rows);
            VACUUM trainer_operations; VACUUM custom_models; CHECKPOINT});
        $session->run(q{
            SELECT array_agg(id)::text AS operations, array_agg(attempt)::text AS attempts, array_agg(custom_model_id)::text AS models
            FROM trainer_operations WHERE due_at < now() \gset});
        ++$finish;
        $session->run("SELECT array_fill(NULL::text, ARRAY[$rows])::text AS nothing, array_fill('$finish'::text, ARRAY[$rows])::text AS finish \\gset");
    };
    my $written = sub {
        my $count = $session->run("SELECT count(*) FROM custom_models WHERE estimated_finish = to_timestamp($finish)");
        die "$count rows instead of $rows\n" if $count != $rows;
    };
    my $claimed = sub {
        my $count = $session->run('SELECT count(*) FROM trainer_operations WHERE due_at < now()');
        die "$count rows are still due\n" if $count != 0;
    };
    my $timed = sub {
        my ($sql, $check) = @_;
        my $start = time;
        $session->run($sql);
        my $seconds = time - $start;
        $check->();
        return $seconds;
    };
    my @arrays = qw(operations attempts models nothing nothing finish nothing nothing nothing nothing);
    my $seconds = rounds($arg{quick} ? 2 : 7, [
        'progress, one by one' => sub {
            $timed->("CALL progress_one_by_one(:'models', to_timestamp($finish))", $written);
        },
        'progress' => sub {
            $timed->("EXPLAIN (ANALYZE, TIMING off) EXECUTE progress (@{[ join ', ', map { qq(:'$_') } @arrays ]}, 1)", $written);
        },
        'claim, one by one' => sub { $timed->("CALL claim_one_by_one(:'operations')", $claimed) },
        'claim' => sub { $timed->("EXPLAIN (ANALYZE, TIMING off) EXECUTE claim ($rows, 1, 1000, 3600000)", $claimed) },
    ], before => $choose);
    tell_batch($seconds, 'progress', 30, 'progress of 1,000 jobs (HOT): one transaction a row / the worker\'s statement');
    tell_batch($seconds, 'claim', 12, 'claim of 1,000 polls (due_at indexed): one transaction a row / the worker\'s statement');
}

sub tell_batch {
    my ($seconds, $name, $goal, $what) = @_;
    report(goal => '6a', least => $goal, format => '%.1f', what => $what, value => ratio($seconds, "$name, one by one", $name));
    report(format => '%.0f', what => "  the worker's statement, microseconds a row", value => spread(map { $_ * 1000 } @{ $seconds->{$name} }));
}

# --- 6b -----------------------------------------------------------------------------------------------------------------------

sub active_jobs {
    my ($worker, $provider, $wire, %arg) = @_;
    my $jobs = $arg{quick} ? 10_000 : 100_000;
    my $interval = 30;
    $worker->seed(jobs => $jobs, over => $interval);
    $worker->resume('trainer.poll_interval' => "${interval}s", 'trainer.request_timeout' => '60s', 'trainer.max_concurrent_requests' => 1000,
        'trainer.api_base' => $provider->base('news', $wire));
    # Past the first round, whose connections are new.
    sleep $arg{quick} ? 5 : $interval + 5;
    my @seen = map { $worker->observe($arg{quick} ? 5 : 2 * $interval) } 1 .. ($arg{quick} ? 1 : 3);
    my $thousands = $jobs / 1000;
    report(goal => '6b', most => 0.20, format => '%.3f', value => spread(map { $_->{share} } @seen),
        what => "${thousands}k active jobs every $interval s, $wire, each answer written: share of one core");
    report(format => '%.0f', value => spread(map { $_->{rate} } @seen),
        what => "  polls a second, of @{[ sprintf '%.0f', $jobs / $interval ]} that are due");
    report(format => '%.0f', value => spread(map { $_->{wal} } @seen), what => '  WAL, bytes a poll');
}

1;
