"""What `doctor` looks at: each module a part of what a run needs; nothing is left behind."""
