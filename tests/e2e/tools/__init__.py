"""What the end-to-end tests stand on: real programs (`toolchain`) and ways to start and stop them (`processes`)."""
