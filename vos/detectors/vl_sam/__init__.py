"""VL-SAM: open-ended discovery from the attention of a generative vision-language model."""
