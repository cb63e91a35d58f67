"""Ready-made calls to copy. ``ADDRESS`` is the collector's, ``KEY`` a browser source's write key; a server key is not shown."""

from __future__ import annotations

from typing import Final

_PAGE_JS = """tropa.page('Home');"""
_PAGE_CURL = """curl ADDRESS/v1/page -H 'X-Write-Key: KEY' \\
  -H 'Content-Type: application/json' \\
  -d '{"anonymousId": "a-1", "name": "Home", "context": {"page": {"url": "https://shop.example/"}}}'"""
_IDENTIFY_JS = """tropa.identify('42', { email: 'anna@example.com', name: 'Anna' });"""
_IDENTIFY_PYTHON = """import os, tropa

tropa.write_key = os.environ["TROPA_SERVER_KEY"]
tropa.host = "ADDRESS"
tropa.identify("42", {"email": "anna@example.com", "name": "Anna"})"""
_IDENTIFY_CURL = """curl ADDRESS/v1/identify -H "X-Write-Key: $TROPA_SERVER_KEY" \\
  -H 'Content-Type: application/json' \\
  -d '{"userId": "42", "traits": {"email": "anna@example.com", "name": "Anna"}}'"""
_SERVER_PYTHON = """import os, tropa

tropa.write_key = os.environ["TROPA_SERVER_KEY"]
tropa.host = "ADDRESS"
tropa.track("42", "Order Completed", {"order_id": "1001", "total": 39.95, "currency": "EUR"})"""
_SERVER_CURL = """curl ADDRESS/v1/track -H "X-Write-Key: $TROPA_SERVER_KEY" \\
  -H 'Content-Type: application/json' \\
  -d '{"userId": "42", "event": "Order Completed", "properties": {"order_id": "1001", "total": 39.95, "currency": "EUR"}}'"""

CALLS: Final = {
    "page": (("JavaScript", _PAGE_JS), ("curl", _PAGE_CURL)),
    "identify": (("JavaScript", _IDENTIFY_JS), ("Python", _IDENTIFY_PYTHON), ("curl", _IDENTIFY_CURL)),
    "server": (("Python", _SERVER_PYTHON), ("curl", _SERVER_CURL)),
}

EXAMPLES: Final = {
    "track": """{
  "type": "track",
  "event": "Product Added",
  "anonymousId": "a-1",
  "properties": {
    "product_id": "sku-7",
    "name": "Chess set",
    "price": 39.95,
    "currency": "EUR"
  },
  "context": {
    "page": {
      "url": "https://shop.example/p/7?utm_source=mail"
    }
  }
}""",
    "identify": """{
  "type": "identify",
  "anonymousId": "a-1",
  "userId": "42",
  "traits": {
    "email": "anna@example.com",
    "phone": "+44 20 7946 0018",
    "name": "Anna"
  }
}""",
    "page": """{
  "type": "page",
  "anonymousId": "a-1",
  "name": "Home",
  "context": {
    "page": {
      "url": "https://shop.example/",
      "referrer": "https://www.google.com/"
    }
  }
}""",
    "refused": """{
  "type": "track",
  "anonymousId": "a-1",
  "properties": {"price": 39.95},
  "timestamp": "yesterday"
}""",
}
