"""The job, in the order the data flows: look, judge, act; `model` is the data."""
