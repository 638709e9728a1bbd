"""Competitors, each a process of its own that loads when it is told to, and stays warm between turns.

A line of JSON on stdin is a turn; a line of JSON on stdout answers it with rows and seconds. Whatever else
prints goes to stderr. The end of stdin ends the process.
"""
