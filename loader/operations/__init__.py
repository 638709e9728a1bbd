"""The stories: what a command does, from beginning to end, one module each."""
