"""The signatures of the commands: what each takes, its help, its example.

What a command does is imported when it is called: so help is quick, and needs nothing that is heavy.
"""
