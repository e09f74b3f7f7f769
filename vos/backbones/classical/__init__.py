"""A promptable backbone without learned weights: minimum cuts over image regions."""
