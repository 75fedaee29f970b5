"""Find where things are, from labels that only say what they are."""
__version__ = "0.1.0"
