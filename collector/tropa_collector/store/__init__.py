"""store: where an acknowledged event is on disk. ``protocol`` is the seam, ``opened`` picks the store that the settings name.

``sqlite`` is the default, ``postgres`` the store for several collectors, ``memory`` the twin for tests. What both databases share
is in ``contacts`` (what is said of people), ``operations`` (what operators ask) and ``summaries`` (what the console shows), over
the ``connection`` that both speak.
"""
