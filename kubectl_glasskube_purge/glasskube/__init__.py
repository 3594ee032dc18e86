"""What Glasskube is. Knows nothing of the cluster at hand."""
