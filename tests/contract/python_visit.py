"""python python_visit.py LIBRARY HOST WRITE_KEY USER GZIP CONTEXT_JSON SECONDS_AGO: the six calls, as an application makes them."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any


def visit(client: Any, user: str, common: dict[str, Any]) -> None:
    who = {"user_id": user, "anonymous_id": f"{user}-anonymous"}
    client.identify(**who, traits={"email": "anna@example.com", "name": "Анна"}, **common)
    client.track(**who, event="Product Added", properties={"price": 12.5, "products": [{"sku": "SKU-1"}]}, **common)
    client.page(**who, name="Tea", category="Catalog", properties={"path": "/tea"}, **common)
    client.screen(**who, name="Cart", category="Checkout", properties={"items": 3}, **common)
    client.group(**who, group_id="acme", traits={"employees": 12}, **common)
    client.alias(user_id=user, previous_id=f"{user}-anonymous", **common)
    client.shutdown()


def main() -> None:
    library, host, write_key, user, gzip, context, seconds_ago = sys.argv[1:]
    module = import_module({"segment": "segment.analytics.client", "rudderstack": "rudderstack.analytics.client"}[library])
    client = module.Client(write_key, host=host, gzip=gzip == "gzip", upload_interval=0.1, max_retries=2)
    at = datetime.now(UTC) - timedelta(seconds=float(seconds_ago))
    visit(client, user, {"context": json.loads(context), "timestamp": at})


if __name__ == "__main__":
    main()
