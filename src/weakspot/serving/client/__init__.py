"""Ask a running `weakspot serve`."""
