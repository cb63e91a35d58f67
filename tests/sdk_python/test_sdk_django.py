"""A real Django project in a process of its own: its settings are global."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = """
import asyncio, json, sys
import django
from django.conf import settings
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.urls import path
import tropa, tropa.testing

def checkout(request):
    tropa.track("u", "Order Completed")
    return HttpResponse("thanks")

async def checkout_async(request):
    tropa.track("u", "Order Completed")
    return HttpResponse("thanks")

urlpatterns = [path("checkout", checkout), path("async", checkout_async)]
settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["tropa.integrations.django.TropaConfig"],
    MIDDLEWARE=["tropa.integrations.django.tropa_middleware"],
    TROPA=json.loads(sys.argv[1]),
)
django.setup()
with tropa.testing.capture() as captured:
    client = Client(headers={"user-agent": "Mozilla/5.0", "referer": "https://shop.example/cart"})
    client.cookies["shop_id"] = "abc.1763757095"
    client.get("/checkout?step=2", secure=True)
    async def visit():
        other = AsyncClient()
        other.cookies["shop_id"] = "def.1763757095"
        await other.get("/async")
    asyncio.run(visit())
names = ("host", "write_key", "max_queue_size")
print(json.dumps({"events": captured.events} | {name: getattr(tropa, name) for name in names}))
"""


def run(options: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "project.py").write_text(PROJECT)
    command = [sys.executable, "project.py", json.dumps(options)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=90, check=False)


def test_the_app_configures_the_default_client_and_the_middleware_lends_the_visitor(tmp_path: Path) -> None:
    options = {"WRITE_KEY": "sk_django", "HOST": "https://t.shop.example", "COOKIE_NAME": "shop", "MAX_QUEUE_SIZE": 500}
    done = run(options, tmp_path)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert (seen["host"], seen["write_key"], seen["max_queue_size"]) == ("https://t.shop.example", "sk_django", 500)
    sync, asynchronous = seen["events"]
    assert (sync["anonymousId"], asynchronous["anonymousId"]) == ("abc", "def")
    assert sync["context"]["page"]["url"] == "https://testserver/checkout?step=2"
    assert (sync["context"]["userAgent"], sync["context"]["ip"]) == ("Mozilla/5.0", "127.0.0.1")


@pytest.mark.parametrize("options", [{"WRITE_KEYS": "typo"}])
def test_a_misspelt_setting_is_an_error_at_start(options: dict[str, Any], tmp_path: Path) -> None:
    done = run(options, tmp_path)
    assert done.returncode != 0
    assert "unknown keys: WRITE_KEYS" in done.stderr
