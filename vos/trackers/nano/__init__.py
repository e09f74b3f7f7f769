"""The nano tracker: the classical tracker refined by the compact network."""
