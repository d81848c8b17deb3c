"""An installation that is looked at, and what is found wrong with it."""
