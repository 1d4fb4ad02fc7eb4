# Feedback: INSERTs of many sessions for one model, beside the same INSERT into a plain table, and into one whose trigger counts in a row.
package Feedback;
use strict;
use warnings;
use List::Util qw(sum);
use Paired;
use Report;

my $organization = "md5('organization')::uuid";
my $response     = "md5('response ' || :n)::uuid";
my $full = ['organization_id, custom_model_id, response_id, feedback_type, original_roast, rating, quality_score',
    "$organization, md5('model')::uuid, $response, 'approved', 'A reply of some sixty characters, as such replies are, number one', 4, 0.8"];
my %row = (
    plain   => [ 'plain_feedback',   @$full ],
    ours    => [ 'model_feedback',   @$full ],
    counted => [ 'counted_feedback', @$full ],
    unchecked => [ 'unchecked_feedback', @$full ],
    # As apps call it: text and score are looked up in the app's tables.
    looked_up => [ 'model_feedback', 'organization_id, response_id, feedback_type, rating', "$organization, $response, 'approved', 4" ]);
# Seconds until every session has its plans, and the pages of the shared memory; by number of clients.
my %warm_up = (1 => 1, 8 => 2, 32 => 8);

sub measure {
    my ($postgres, %arg) = @_;
    heading('Feedback');
    # So few that all of it is soon in every session's map of the shared memory: nothing is measured of how it gets there.
    my $responses = 2_000;
    my $session = $postgres->create_database('feedback');
    $session->run("\\set responses $responses\n\\i bench/feedback.sql\nCHECKPOINT");
    # With the worker, which adds up what comes.
    $postgres->set('trainer.databases' => 'feedback');
    script($arg{dir}, $_, $responses) for keys %row;
    for my $clients (1, 8, 32) {
        my $seconds = rounds($arg{quick} ? 2 : 9, [ map { my $name = $_; ($name => sub { seconds_a_row($arg{dir}, $name, $clients, $arg{quick} ? 1 : 4) }) }
            qw(plain ours counted looked_up unchecked) ], before => sub { begin_anew($session) });
        check($session);
        tell_clients($seconds, $clients);
    }
    $postgres->set('trainer.databases' => 'nobody');
}

sub script {
    my ($dir, $name, $responses) = @_;
    my ($table, $columns, $values) = @{ $row{$name} };
    open my $file, '>', "$dir/$name.sql" or die "$dir/$name.sql: $!\n";
    print $file "\\set n random(1, $responses)\nINSERT INTO $table ($columns) VALUES ($values);\n";
    close $file or die $!;
}

# By what pgbench tells every second, once it is warm.
sub seconds_a_row {
    my ($dir, $name, $clients, $seconds) = @_;
    my $all = $warm_up{$clients} + $seconds;
    my $out = qx(pgbench -n -M prepared -c $clients -j 2 -T $all -P 1 -f '$dir/$name.sql' feedback 2>&1);
    my ($failed) = $out =~ /number of failed transactions: (\d+)/;
    my @tps = $out =~ /^progress: [0-9.]+ s, ([0-9.]+) tps/mg;
    splice @tps, 0, $warm_up{$clients};
    die "pgbench of $name:\n$out" if $? || $failed || !@tps;
    return @tps / sum(@tps);
}

# All tables are empty when one is measured: two contenders write into model_feedback, and an index that is twice as large costs more.
sub begin_anew {
    my ($session) = @_;
    check($session);
    $session->run("TRUNCATE model_feedback, plain_feedback, unchecked_feedback, counted_feedback;\nCHECKPOINT");
}

# Exact, at any moment, whatever the worker has added up by now.
sub check {
    my ($session) = @_;
    my $differ = $session->run(q{SELECT (SELECT (coalesce(sum(feedback), 0)::bigint, coalesce(sum(approved), 0)::bigint) FROM trainer_feedback_summary(md5('organization')::uuid))
        IS DISTINCT FROM (SELECT (count(*), count(*) FILTER (WHERE feedback_type = 'approved')) FROM model_feedback)});
    die "the counts are not those of the rows\n" if $differ ne 'f';
}

sub tell_clients {
    my ($seconds, $clients) = @_;
    my $who = $clients == 1 ? '1 client' : "$clients clients";
    report(format => '%.0f', what => "$who: plain INSERT, rows a second", value => spread(map { 1 / $_ } @{ $seconds->{plain} }));
    report(goal => '4a', least => 0.95, what => "$who: model_feedback, counted / plain INSERT", value => ratio($seconds, 'plain', 'ours'));
    report(what => "$who: model_feedback / plain INSERT into a table without CHECKs", value => ratio($seconds, 'unchecked', 'ours'));
    report(what => "$who: the same, text and score looked up / plain INSERT", value => ratio($seconds, 'plain', 'looked_up'));
    report(what => "$who: peer, a counter in a trigger / plain INSERT", value => ratio($seconds, 'plain', 'counted'));
    report(goal => $clients == 32 ? '4b' : '', what => "$who: model_feedback / the counter", value => ratio($seconds, 'counted', 'ours'),
        $clients == 32 ? (least => 5) : ());
}

1;
