"""How an installation is looked at, through the API server, without changing anything."""
