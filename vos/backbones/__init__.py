"""Promptable image models: encode an image once, decode any number of prompts."""
