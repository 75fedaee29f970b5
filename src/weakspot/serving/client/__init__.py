"""Client of a running ``weakspot serve``."""
