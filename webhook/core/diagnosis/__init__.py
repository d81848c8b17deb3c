"""What a doctor concludes from an installation that was looked at: state in, findings out, in order of danger."""
