"""Web page, HTTP API and client of a localizer."""
