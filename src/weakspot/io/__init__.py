"""Read and write files: atomically, as rows, shards, settings and text."""
