"""One module a command: its `run` takes the options by name and returns the exit code.

What a command is called, and what its options are, stands in `options`; how a
flow is run, followed and ended, in `running`, `screen` and `signals`.
"""
