"""The writing side: ``client`` in the collector, ``writer`` in a process of its own; ``transaction`` is one group commit."""
