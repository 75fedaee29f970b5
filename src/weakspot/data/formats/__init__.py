"""Formats of data sets and label files, one module each.

``detect`` recognizes a data set and ``load`` reads it. ``read`` and ``write`` are for label files, which people and
tools exchange: ``load`` refuses a file with errors, ``read`` lists the labels that cannot be used.
"""
