"""Plan to events: everything that changes the cluster."""
