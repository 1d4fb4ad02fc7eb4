# Dataset build: from the app's tables to a training file. The floor is what Postgres needs to hand out the two texts of each
# example by the very plan that the extension uses; the peers are COPY of JSON made in SQL, the same JSON inserted into a table
# like ours, and a service on Node.
#
# trainer_prepare_dataset() stores the examples as rows, durably, which the floor, COPY and Node do not; the export reads them
# again and writes the file. Goals 1a, 1b and 1c are compared with both together: all it takes from the app's tables to a file.
package Dataset;
use strict;
use warnings;
use IPC::Open2 qw(open2);
use JSON::PP;
use Time::HiRes qw(time);
use Paired;
use Report;

my $organization = q{md5('organization 1')::uuid};
# One line a row, byte for byte: the text format of COPY would double backslashes. JSON has no control characters.
my $lines = q{(FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')};
my $dir;

sub measure {
    my ($postgres, %arg) = @_;
    $dir = $arg{dir};
    my @sizes = $arg{quick} ? (3_000, 10_000, 30_000) : (10_000, 100_000, 1_000_000);
    my %app = map { $_ => load_app($postgres, $_) } @sizes;
    my $node = start_node("app_$sizes[2]");

    heading('Dataset build');
    export($app{ $sizes[2] }, $node, examples => $sizes[2], score => 0, rounds => $arg{quick} ? 2 : 3,
        goals => { file => [ goal => '1a', most => 1.25 ], node => [ goal => '1c', least => 4 ] });
    export($app{ $sizes[2] }, $node, examples => $sizes[2] / 10, score => 0.7, rounds => $arg{quick} ? 2 : 7,
        goals => { file => [ goal => '1b', most => 1.10 ], node => [] });
    flat(\%app, \@sizes, $arg{quick} ? 3 : 15);
    stop_node($node);
}

sub load_app {
    my ($postgres, $rows) = @_;
    my $session = $postgres->create_database("app_$rows");
    $session->run("\\set rows $rows\n\\i bench/app.sql");
    $session->run(q{
        CREATE SCHEMA peer;
        CREATE TABLE peer.training_examples (LIKE training_examples INCLUDING ALL, FOREIGN KEY (organization_id, dataset_id)
          REFERENCES training_datasets (organization_id, id));
        CREATE TEMP TABLE loaded (n bigint GENERATED ALWAYS AS IDENTITY, line text);
        CHECKPOINT});
    return $session;
}

# --- the contenders -----------------------------------------------------------------------------------------------------------

# What the extension reads the app's tables by, with its parameters filled in.
sub candidates {
    my ($session, $limit, $score) = @_;
    my $sql = $session->run('SELECT candidates FROM trainer_dataset_statements()');
    my %value = (1 => $organization, 2 => $score, 3 => $limit);
    $sql =~ s/\$([123])/$value{$1}/g;
    return "($sql) AS t (at, response_id, comment_id, comment, platform, reply)";
}

sub json_in_sql {
    my ($system) = @_;
    return qq{json_build_array(
        json_build_object('role', 'system', 'content', $system),
        json_build_object('role', 'user', 'content', format('Write a reply to this comment from %s: "%s"', platform, comment)),
        json_build_object('role', 'assistant', 'content', reply))};
}

sub contenders {
    my ($session, $node, %arg) = @_;
    my $from = candidates($session, $arg{examples}, $arg{score});
    my $system = $session->run("SELECT quote_literal(@{[ system_message($session) ]})");
    my $json = json_in_sql($system);
    my @all = (
        floor => sub { $session->run("COPY (SELECT comment, reply FROM $from) TO '/dev/null'"); undef },
        json  => sub {
            $session->run("COPY (SELECT json_build_object('messages', $json) FROM $from) TO '$dir/json.jsonl' $lines");
            undef;
        },
        insert => sub {
            my $dataset = new_dataset($session);
            my $start = time;
            $session->run("INSERT INTO peer.training_examples (dataset_id, ordinal, organization_id, split, response_id, comment_id,
                             messages)
                           SELECT '$dataset', row_number() OVER (), $organization, 'train', response_id, comment_id, $json
                           FROM $from");
            time - $start;
        },
        ours => sub { ours($session, %arg) },
    );
    if ($node) {
        my $request = encode_json({
            file => "$dir/node.jsonl", system => $session->run('SELECT ' . system_message($session)),
            sql => "SELECT comment, platform, reply FROM $from" });
        push @all, node => sub { ask_node($node, $request); undef };
    }
    return \@all;
}

# The two parts of what we do, each timed.
sub ours {
    my ($session, %arg) = @_;
    my $start = time;
    my $dataset = prepare($session, $arg{examples}, $arg{score});
    my $prepared = time;
    $session->run("COPY (SELECT * FROM trainer_dataset_jsonl('$dataset')) TO '$dir/ours.jsonl' $lines");
    return { prepare => $prepared - $start, export => time - $prepared };
}

sub prepare {
    my ($session, $examples, $score) = @_;
    return $session->run("SELECT id FROM trainer_prepare_dataset($organization, max_examples => $examples,
        min_quality_score => $score, validation_fraction => 0)");
}

# The system message that the extension writes when there is no persona; the peers get it for nothing.
sub system_message {
    my ($session) = @_;
    my $dataset = prepare($session, 100, 0);
    return "(SELECT messages -> 0 ->> 'content' FROM training_examples WHERE dataset_id = '$dataset' LIMIT 1)";
}

sub new_dataset {
    my ($session) = @_;
    return $session->run("INSERT INTO training_datasets (organization_id, name) VALUES ($organization, 'peer') RETURNING id");
}

# --- Node ---------------------------------------------------------------------------------------------------------------------

sub start_node {
    my ($database) = @_;
    return unless -d "$dir/bench/node_modules/pg" && !system('command -v node >/dev/null');
    local $ENV{PGDATABASE} = $database;
    my $node = {};
    $node->{pid} = open2($node->{out}, $node->{in}, 'node', "$dir/bench/peer/export.mjs");
    $node->{in}->autoflush(1);
    return $node;
}

sub ask_node {
    my ($node, $request) = @_;
    print { $node->{in} } "$request\n";
    my $answer = readline $node->{out};
    die "the Node peer ended\n" unless defined $answer && $answer eq "ok\n";
}

sub stop_node {
    my ($node) = @_;
    return unless $node;
    close $node->{in};
    waitpid $node->{pid}, 0;
}

# --- measurements -------------------------------------------------------------------------------------------------------------

sub export {
    my ($session, $node, %arg) = @_;
    my $contenders = contenders($session, $node, %arg);
    my $clean = sub {
        unlink glob "$dir/*.jsonl";
        $session->run('TRUNCATE training_examples, peer.training_examples; DELETE FROM training_datasets; CHECKPOINT');
    };
    $clean->();
    assert_equal($session, $contenders, %arg);
    my $seconds = rounds($arg{rounds}, $contenders, before => $clean);
    tell_export($seconds, $arg{examples}, %{ $arg{goals} });
    remark('The extension\'s own statement has another plan than its peers\'.') if plans_differ($session, %arg);
}

sub tell_export {
    my ($seconds, $examples, %goal) = @_;
    my $many = $examples >= 1_000_000 ? $examples / 1_000_000 . 'M' : $examples / 1_000 . 'k';
    my $both = [qw(prepare export)];
    my $no_node = $seconds->{node} ? undef : 'no Node';
    report(what => "$many: floor, COPY of the two texts to /dev/null, seconds", value => times($seconds, 'floor'));
    report(@{ $goal{file} }, what => "$many: prepare (rows stored durably) + export to a file / floor",
        value => ratio($seconds, $both, 'floor'));
    report(what => "$many:   prepare alone / floor", value => ratio($seconds, 'prepare', 'floor'));
    report(what => "$many:   export alone, from the stored rows / floor", value => ratio($seconds, 'export', 'floor'));
    report(what => "$many: peer: COPY of json_build_object() to a file / floor", value => ratio($seconds, 'json', 'floor'));
    report(what => "$many: peer: INSERT of json_build_array() into such a table / floor", value => ratio($seconds, 'insert', 'floor'));
    report(what => "$many: INSERT of json_build_array() / prepare, which do the same", value => ratio($seconds, 'insert', 'prepare'));
    report(@{ $goal{node} }, what => "$many: peer: node-postgres to a file / prepare + export",
        value => $no_node // ratio($seconds, 'node', $both));
    report(what => "$many:   node-postgres to a file / export alone", value => $no_node // ratio($seconds, 'node', 'export'));
}

# Every contender once, untimed, which also warms the caches; then what they made is compared as JSON, line by line.
sub assert_equal {
    my ($session, $contenders, %arg) = @_;
    my %run = @$contenders;
    my %made;
    for my $name (sort keys %run) {
        $run{$name}->();
        my $file = "$dir/$name.jsonl";
        $made{$name} = digest($session, "COPY loaded (line) FROM '$file' $lines") if -f $file;
    }
    $made{insert} = digest($session, q{INSERT INTO loaded (line)
        SELECT json_build_object('messages', messages) FROM peer.training_examples ORDER BY ordinal});
    for my $name (sort keys %made) {
        die "$name and ours differ: $made{$name}, $made{ours}\n" if $made{$name} ne $made{ours};
    }
    my ($count) = split /\|/, $made{ours};
    die "$count examples instead of $arg{examples}\n" if $count != $arg{examples};
}

sub digest {
    my ($session, $load) = @_;
    $session->run("TRUNCATE loaded RESTART IDENTITY; $load");
    return $session->run(q{SELECT count(*), md5(string_agg(md5(line::jsonb::text), '' ORDER BY n)) FROM loaded});
}

sub plans_differ {
    my ($session, %arg) = @_;
    my $page = int($arg{examples} * 9 / 8) + 100;
    my @plans = map { $session->run('EXPLAIN (COSTS OFF) SELECT comment, reply FROM ' . candidates($session, $_, $arg{score})) }
        $arg{examples}, $page;
    return $plans[0] ne $plans[1];
}

# A thousand examples of ever more rows.
sub flat {
    my ($app, $sizes, $count) = @_;
    my @contenders = map { my $size = $_; ($size => sub { prepare($app->{$size}, 1000, 0.7); undef }) } @$sizes;
    rounds(2, \@contenders);
    my $seconds = rounds($count, \@contenders);
    for my $size (@$sizes) {
        report(what => "1,000 newest good examples of $size rows of an organization, ms", format => '%.1f',
            value => spread(map { $_ * 1000 } @{ $seconds->{$size} }));
    }
    report(goal => '1', most => 1.5, what => "  $sizes->[2] rows / $sizes->[0] rows", value => ratio($seconds, $sizes->[2], $sizes->[0]));
}

1;
