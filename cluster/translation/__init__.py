"""Folders of images translated by Ray actors on all nodes, resumed where an earlier run ended."""
