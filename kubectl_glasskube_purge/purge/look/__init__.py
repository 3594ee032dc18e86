"""Cluster to Survey: everything here reads, and nothing here decides."""
