"""From what the user gives to prompts by frame."""
