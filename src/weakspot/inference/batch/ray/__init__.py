"""Localize on a Ray cluster: plan shards, localize them in actors, write each file atomically."""
