"""Documents as text, read in the one way that nobody can read differently: YAML, JSON, times, patterns."""
