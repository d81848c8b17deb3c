"""The command line: one module per command; parses arguments, prints, sets the exit status."""
