# The table beside the goals.
package Report;
use strict;
use warnings;
use Exporter qw(import);

our @EXPORT = qw(report heading remark print_report);

my @lines;

sub heading { push @lines, "\n$_[0]\n\n" . line('goal', 'what', 'measured', 'wanted', '') . line(map { '-' x $_ } 4, 86, 24, 8, 6) }

sub remark { push @lines, "     $_[0]\n" }

# report(goal => '1a' or '', what => text, value => a spread or a reason why there is none, format => of one number,
#        most or least => the goal). Without a goal, the row is there to be looked at.
sub report {
    my (%row) = @_;
    my $format = $row{format} // '%.2f';
    my $wanted = defined $row{most} ? "<= $row{most}" : defined $row{least} ? ">= $row{least}" : '';
    my $value  = $row{value};
    if (!ref $value) {
        push @lines, line($row{goal} // '', $row{what}, $value // 'not measured', $wanted, '');
        return;
    }
    my $shown = sprintf $format, $value->{median};
    $shown .= sprintf " [$format, $format]", $value->{least}, $value->{most} if defined $value->{least};
    my $met =
        defined $row{most}  ? ($value->{median} <= $row{most}  ? 'met' : 'missed')
      : defined $row{least} ? ($value->{median} >= $row{least} ? 'met' : 'missed')
      :                       '';
    push @lines, line($row{goal} // '', $row{what}, $shown, $wanted, $met);
}

sub line {
    my $line = sprintf '%-4s %-86s %-24s %-8s %s', @_;
    $line =~ s/ +$//;
    return "$line\n";
}

sub print_report { print @lines, "\n" }

1;
