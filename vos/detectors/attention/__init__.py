"""Segmentation from the cross-attention of an image-text matching model (BLIP)."""
