"""Training of the interactive network: first masks from points, boxes and rough masks."""
