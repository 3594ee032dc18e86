"""Remove Glasskube from a Kubernetes cluster, completely and in the right order."""

__version__ = "0.1.0"
