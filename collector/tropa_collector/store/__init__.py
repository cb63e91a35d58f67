"""store: where an acknowledged event is on disk. ``protocol`` is the seam; ``sqlite`` the default, ``memory`` its twin."""
