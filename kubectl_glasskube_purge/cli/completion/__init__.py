"""Completion of command lines: for kubectl, which asks `kubectl_complete-…`, and for the shells themselves.

Answers at every press of a key, in less time than it takes to notice: nothing
here imports typer, httpx or kr8s, and no cluster is asked.
"""

WORD = "__complete"
"""What stands before the words where the program is called by its own name."""

PREFIX = "kubectl_complete-"
"""What kubectl puts before a plugin's name to ask for its completions."""
