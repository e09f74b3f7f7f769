"""Fixtures for runs."""

from job_fakes import _targets, clip, reader, settings, source, video

__all__ = ["_targets", "clip", "reader", "settings", "source", "video"]
