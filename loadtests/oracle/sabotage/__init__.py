"""Builds that break one promise each, on purpose. A proof must fail on its build, or it proves nothing.

Each module patches the product in memory and then runs its command; the product has no switch for any of this.
"""
