"""Kubeconfig and flags to the API server to call, and the user to call it as."""
