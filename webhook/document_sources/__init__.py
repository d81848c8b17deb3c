"""Where a policy and a catalog come from besides files: keys of ConfigMaps, and artefacts in registries."""
