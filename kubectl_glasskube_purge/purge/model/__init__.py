"""The data that flows from survey to report. No I/O, no decisions."""
