"""The embedded store. ``client`` hands submissions to ``writer`` (a process of its own: one connection that writes and
checkpoints), ``transaction`` is what one group commit does, ``trailing`` the indexes that follow the log, ``reader`` the
read-only side.
"""
