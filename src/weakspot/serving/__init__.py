"""A web page and an HTTP API on one localizer."""
