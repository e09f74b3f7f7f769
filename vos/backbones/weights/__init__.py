"""Published weights: where they come from, where they are kept, how they are read."""
