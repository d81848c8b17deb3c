"""Reading a base as a sync does, and the catalog as a file."""
