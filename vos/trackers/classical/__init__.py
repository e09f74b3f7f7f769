"""The classical tracker: optical flow and an online appearance model; no learned weights."""
