"""What follows from judging what lives in a cluster: rows, drift, changes between policies, hints how to mend."""
