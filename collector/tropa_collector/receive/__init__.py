"""receive: bytes from the network to a parsed body from a known source. ``endpoint`` is the door, the rest its parts."""
