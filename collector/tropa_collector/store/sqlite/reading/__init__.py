"""The read-only side: pages, timelines, searches and the console's figures, each over a short snapshot of the file."""
