"""nano: a compact promptable network of our own; see docs/nano.md."""
