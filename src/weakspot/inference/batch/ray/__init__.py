"""Localize in parts: planned, handed out to many workers, each written as a whole or not at all."""
