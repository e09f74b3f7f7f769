"""Detectors: class names, or nothing, in; detections out."""
