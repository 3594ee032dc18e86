"""The way back: what a purge deletes is written down first, and can be restored."""
