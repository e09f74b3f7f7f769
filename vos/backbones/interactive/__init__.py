"""First masks from points, boxes, strokes and rough masks: a small network, zoomed to the object."""
