"""Annotation and video formats, one module each."""
