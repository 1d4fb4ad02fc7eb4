# Feedback: INSERTs of many sessions for one model, beside the same INSERT into a plain table, and into one whose trigger counts in a row.
package Feedback;
use strict;
use warnings;
use Paired;
use Report;

my $organization = "md5('organization')::uuid";
my $response     = "md5('response ' || :n)::uuid";
# The peers are given what ours looks up: the model, the text, the score.
my %row = (
    ours => ['model_feedback', 'organization_id, response_id, feedback_type, rating', "$organization, $response, 'approved', 4"],
    map { $_ => [ "${_}_feedback", 'organization_id, custom_model_id, response_id, feedback_type, original_roast, rating, quality_score',
        "$organization, md5('model')::uuid, $response, 'approved', 'A reply of some sixty characters, as such replies are, number one', 4, 0.8" ] }
      qw(plain counted));

sub measure {
    my ($postgres, %arg) = @_;
    heading('Feedback');
    my $responses = $arg{quick} ? 2_000 : 50_000;
    my $session = $postgres->create_database('feedback');
    $session->run("\\set responses $responses\n\\i bench/feedback.sql\nCHECKPOINT");
    # With the worker, which adds up what comes.
    $postgres->set('trainer.databases' => 'feedback');
    script($arg{dir}, $_, $responses) for keys %row;
    for my $clients (1, 8, 32) {
        my $seconds = rounds($arg{quick} ? 2 : 7, [ map { my $name = $_; ($name => sub { seconds_a_row($arg{dir}, $name, $clients, $arg{quick} ? 1 : 3) }) }
            qw(plain ours counted) ], before => sub { $session->run('CHECKPOINT') });
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

sub seconds_a_row {
    my ($dir, $name, $clients, $seconds) = @_;
    my $out = qx(pgbench -n -M prepared -c $clients -j 2 -T $seconds -f '$dir/$name.sql' feedback 2>&1);
    my ($failed) = $out =~ /number of failed transactions: (\d+)/;
    die "pgbench of $name:\n$out" if $? || $failed || $out !~ /^tps = ([0-9.]+) /m;
    $out =~ /^tps = ([0-9.]+) /m;
    return 1 / $1;
}

# Exact, at any moment, whatever the worker has added up by now.
sub check {
    my ($session) = @_;
    my $differ = $session->run(q{SELECT (SELECT (feedback, approved) FROM trainer_feedback_summary(md5('organization')::uuid))
        IS DISTINCT FROM (SELECT (count(*), count(*) FILTER (WHERE feedback_type = 'approved')) FROM model_feedback)});
    die "the counts are not those of the rows\n" if $differ ne 'f';
}

sub tell_clients {
    my ($seconds, $clients) = @_;
    my $who = $clients == 1 ? '1 client' : "$clients clients";
    report(format => '%.0f', what => "$who: plain INSERT, rows a second", value => spread(map { 1 / $_ } @{ $seconds->{plain} }));
    report(goal => '4a', least => 0.95, what => "$who: model_feedback, counted / plain INSERT", value => ratio($seconds, 'plain', 'ours'));
    report(what => "$who: peer, a counter in a trigger / plain INSERT", value => ratio($seconds, 'plain', 'counted'));
    report(goal => $clients == 32 ? '4b' : '', what => "$who: model_feedback / the counter", value => ratio($seconds, 'counted', 'ours'),
        $clients == 32 ? (least => 5) : ());
}

1;
