"""The embedded store: one file. ``writing`` is the side that commits, in a process of its own; ``reading`` opens it read-only.

``file`` says how it is opened, ``migrate`` brings its tables up to date.
"""
