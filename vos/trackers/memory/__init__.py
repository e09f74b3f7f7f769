"""Trackers with a memory of their own: SAM 2.1, SAM 2, EdgeTAM, EfficientTAM and SAM 3."""
