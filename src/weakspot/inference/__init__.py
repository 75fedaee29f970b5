"""Images in, localizations out: one, many, on a cluster, as ONNX."""
