"""The writing side: ``log`` takes submissions in over a few connections; ``transaction`` is one group commit."""
