"""The way to the API server, on kr8s. Knows nothing of Glasskube."""
