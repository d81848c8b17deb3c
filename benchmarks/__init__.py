"""What is measured, each beside its baseline in the same run. Nothing here is a test: a time is never asserted."""
