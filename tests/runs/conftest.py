"""Fixtures for runs."""

from run_fakes import clip, reader, settings, source, video

__all__ = ["clip", "reader", "settings", "source", "video"]
