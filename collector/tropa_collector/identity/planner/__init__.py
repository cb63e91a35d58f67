"""What ``resolve`` and ``operations`` plan with: the loaded part of the graph, and the moves in it."""
