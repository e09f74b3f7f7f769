"""A toy room, filmed: the scene of the demonstration clip and the renderer it is made with."""
