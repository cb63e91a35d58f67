"""The demo shop: pages that use the snippet, a backend that uses the Python SDK, and a day of visitors (``tropa demo``)."""
