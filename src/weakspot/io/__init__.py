"""Read and write files: atomic writes, rows, shards, manifests, settings and text."""
