"""What nobody honest sends: bodies, encodings, headers, connections and crowds, made the same each time."""
