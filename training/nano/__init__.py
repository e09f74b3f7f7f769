"""How the compact network ``nano`` is trained: see ``docs/nano.md``."""
