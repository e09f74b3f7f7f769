"""Video engines: from a frame and prompts to the masks of that frame and the ones after it."""
