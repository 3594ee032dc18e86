"""Builds what is released: an archive that needs no Python, and krew's manifest of the archives.

Not part of the package that pip installs. Run as modules from the project's
root: `python -m krew.build`, `python -m krew.render`; the Makefile does.
"""
