# The functions and procedures of the installation script, as an upgrade script needs them: CREATE OR REPLACE, with their comments.
# A statement ends with the first line that ends in a semicolon outside of $$; one of BEGIN ATOMIC with END;
/^(CREATE|COMMENT ON) (FUNCTION|PROCEDURE) / && !inside {
  inside = 1
  sub(/^CREATE /, "CREATE OR REPLACE ")
}
inside {
  print
  rest = $0
  quotes += gsub(/\$\$/, "", rest)
  if (/^BEGIN ATOMIC/) atomic = 1
  if (atomic ? /^END;$/ : quotes % 2 == 0 && /;$/) {
    inside = quotes = atomic = 0
    print ""
  }
}
