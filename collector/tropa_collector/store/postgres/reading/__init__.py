"""The read-only side: pages, timelines, searches and the console's figures, each over one snapshot (``snapshots``)."""
