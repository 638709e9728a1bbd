"""What a person changes of what is loaded: again, elsewhere, in fewer files, out of the quarantine."""
