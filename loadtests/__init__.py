"""Load, faults and measurements. Everything here goes to loopback, is bounded in count and time, and prints its figures."""
