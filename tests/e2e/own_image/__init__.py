"""The gate's own image: bases to build it on, an index to build it from, and a container to run it in."""
