"""The chart as it lies there: what can be held against it without Helm."""
