"""Problems → words. Nothing here decides."""
