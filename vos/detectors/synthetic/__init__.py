"""A tiny vision-language model of a synthetic world; it is part of the package."""
