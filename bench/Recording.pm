package Recording;
sub measure {}
1;
