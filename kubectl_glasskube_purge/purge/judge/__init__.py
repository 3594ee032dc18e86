"""Survey and options to Plan. Pure: no I/O and no clock."""
