"""What the pages say about a small shop's events."""

from __future__ import annotations

import asyncio
import html
import http.client
import json
import re
import time
from collections.abc import Iterator

import jsonschema
import pytest
from loadtests.collector_process import CollectorProcess
from tests.console.conftest import ANNA, CHROME, PHONE, call, seed
from tests.console.visitor import Answer, Visitor, links

from tropa_collector.admin.console.overview import COARSE_STEP_SECONDS, FINE_EVENTS, FINE_STEP_SECONDS, day_step
from tropa_collector.store.postgres.connect import connect


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, store_url: str) -> Iterator[CollectorProcess]:
    """On both stores."""
    with CollectorProcess(tmp_path_factory.mktemp("pages") / "data", store=store_url) as collector:
        seed(collector)
        yield collector


def words(answer: Answer) -> str:
    """The text of a page, without its marks."""
    text = re.sub(r"<(script|style)\b.*?</\1>", " ", answer.text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", text)))


def counted(visitor: Visitor) -> Answer:
    """The overview once its sample is there: who comes before that is told to ask again in a moment."""
    deadline = time.monotonic() + 10
    while "load delay" in (page := visitor.get("/")).text:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return page


def test_the_overview_balances(visitor: Visitor) -> None:
    page = words(counted(visitor))
    assert "23 received = 18 stored + 1 duplicates + 4 quarantined + 0 refused + 0 in flight" in page
    assert re.search(r"track Product Added 8\b", page)
    assert "Desktop 18" in page
    assert "Chrome 18" in page
    assert "33% of visitors are identified" in page
    assert "100% of visitors are new today" in page
    assert "web 18 1 0" in page
    assert "shop 0 0 4" in page
    assert "No destination" in page


def test_the_day_is_columns_for_the_plot(visitor: Visitor) -> None:
    day = json.loads(visitor.get("/overview/day.json").text)
    assert [len(column) for column in day["columns"]] == [97] * 4, "few events, so a quarter of an hour from point to point"
    assert day["note"] == "events every 15 minutes"
    assert [sum(column) for column in day["columns"][1:]] == [18, 1, 4]
    assert len(day["names"]) == 3


def test_many_events_make_the_steps_of_a_day_fine() -> None:
    assert day_step([(0, FINE_EVENTS - 1, 5, 5)]) == COARSE_STEP_SECONDS
    assert day_step([(0, FINE_EVENTS - 1, 0, 0), (300, 1, 0, 0)]) == FINE_STEP_SECONDS


def stream(visitor: Visitor, collector: CollectorProcess, query: str = "") -> Iterator[dict[str, object]]:
    connection = http.client.HTTPConnection("127.0.0.1", collector.admin_port, timeout=10)
    try:
        connection.request("GET", f"/live/stream?{query}", headers={"Cookie": f"tropa_session={visitor.cookies['tropa_session']}"})
        response = connection.getresponse()
        assert response.headers["content-type"].startswith("text/event-stream")
        while line := response.readline():
            if line.startswith(b"data: "):
                yield json.loads(line[6:])
    finally:
        connection.close()


def test_the_stream_begins_with_the_newest_and_goes_on(shop: CollectorProcess, visitor: Visitor) -> None:
    messages = stream(visitor, shop)
    first = next(messages)
    rows = first["rows"]
    assert isinstance(rows, list)
    assert len(rows) == 22
    assert {row["outcome"] for row in rows} == {"stored", "quarantined"}
    order = next(row for row in rows if row.get("order") == "o-1")
    assert (order["who"], order["device"], order["browser"], order["source"]) == (ANNA, "desktop", "Chrome", "web")
    refused = next(row for row in rows if row["outcome"] == "quarantined" and row["code"] == "missing_field")
    assert refused["path"] == "$.event"
    assert shop.post("/v1/validate", {"batch": [call("track", 7, event="nothing is stored")]})[0] == 200
    assert shop.post("/v1/track", call("track", 400, event="Seen Live"))[0] == 200
    following = next(messages)
    assert isinstance(following["rows"], list)
    assert [row["name"] for row in following["rows"]] == ["Seen Live"]
    assert following["new"] == 1
    messages.close()  # type: ignore[attr-defined] # a generator


@pytest.mark.parametrize("store_url", ["postgres"], indirect=True)
def test_a_stream_outlives_a_lost_connection(shop: CollectorProcess, visitor: Visitor) -> None:
    async def cut_readers() -> int:
        connection = await connect(shop.store)
        own = "application_name = 'tropa reader' AND datname = current_database()"
        cut = await connection.fetch(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {own}")
        await connection.close()
        return len(cut)

    messages = stream(visitor, shop, "text=m-track-401")
    next(messages)
    assert asyncio.run(cut_readers()) > 0
    assert shop.post("/v1/track", call("track", 401, event="Seen Live"))[0] == 200
    following = next(messages)
    assert isinstance(following["rows"], list)
    assert [row["name"] for row in following["rows"]] == ["Seen Live"]
    messages.close()  # type: ignore[attr-defined] # a generator


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("source=web", 18),
        ("outcome=quarantined", 4),
        ("outcome=stored&type=identify", 1),
        ("text=order_id", 1),
        ("text=product+ADDED", 8),
        ("text=100%25", 0),
        ("text=yesterday", 3),
        ("type=page&text=Board+3", 1),
        ("contact=c0", 22),
        ("source=nobody", 0),
    ],
)
def test_the_stream_is_filtered_by_anything(shop: CollectorProcess, visitor: Visitor, query: str, count: int) -> None:
    rows = next(stream(visitor, shop, f"{query}"))["rows"]
    assert isinstance(rows, list)
    assert len([row for row in rows if row.get("name") != "Seen Live"]) == count


def test_a_contacts_events_are_found_through_the_contact(shop: CollectorProcess, visitor: Visitor) -> None:
    contact = shop.admin(f"/api/v1/contacts/email:{ANNA}")["id"]
    rows = next(stream(visitor, shop, f"contact={contact}"))["rows"]
    assert isinstance(rows, list)
    assert {row["contact"] for row in rows} == {contact}
    assert len(rows) >= 6


def test_one_event_through_the_stages(shop: CollectorProcess, visitor: Visitor) -> None:
    rows = next(stream(visitor, shop, "type=identify"))["rows"]
    assert isinstance(rows, list)
    answer = visitor.get(f"/live/event/{rows[0]['id']}")
    page = words(answer)
    assert re.search(rf"email {re.escape(ANNA)} claimed", page)
    assert re.search(rf"phone {re.escape(PHONE)} claimed", page)
    assert "Desktop, Chrome 141.0.0, Windows 10" in page
    assert links(answer.text, "/contacts/id:c")
    sent, stored = re.findall(r'<div class="json[^>]*>(.*?)</div>', answer.text, re.DOTALL)
    assert "enriched" not in sent
    assert '<li class="enriched">' in stored
    assert '<li class="identity">' in stored
    assert [visitor.get(f"{path}/{2**70}").status for path in ("/live/event", "/quarantine")] == [404, 404]


def test_the_schema_lists_what_was_seen(visitor: Visitor) -> None:
    answer = visitor.get("/schema")
    assert re.search(r"track Product Added 8 web", words(answer))
    (address,) = links(answer.text, "/schema/event?type=track&name=Product+Added")
    assert "8 stored from web" in words(visitor.get(address))
    page = words(visitor.get(address.replace("/event?", "/properties?")))
    assert re.search(r"price integer 100%", page)
    assert re.search(r"sku string 100%.* s-7 · s-6 · s-5", page)
    assert visitor.get("/schema/event?type=track&name=nothing").status == 404
    assert [len(links(visitor.get(f"/schema?q={q}").text, "/schema/event")) for q in ("TRACK+product", "zzz")] == [1, 0]


def test_the_tracking_plan_holds_for_the_events(shop: CollectorProcess, visitor: Visitor) -> None:
    answer = visitor.get("/schema/plan.json")
    assert "attachment" in answer.headers["content-disposition"]
    plan = {(one["type"], one["event"]): one["schema"] for one in json.loads(answer.text)["events"]}
    assert {("page", "Product"), ("track", "Product Added"), ("identify", ""), ("track", "Order Completed")} <= plan.keys()
    for event in shop.events(source="web"):
        schema = plan[event["type"], event.get("event") or event.get("name") or ""]
        jsonschema.Draft202012Validator(schema).validate(event)


def test_setup_gives_the_snippet_and_hides_the_server_key(shop: CollectorProcess, visitor: Visitor) -> None:
    page = visitor.get("/setup").text
    assert shop.browser_key in page
    assert shop.server_key not in page
    assert shop.signing_secret not in page
    assert html.escape(f'src="{shop.url}/tropa.js"', quote=True) in page.replace("&#34;", "&quot;")
    assert page.count('class="done"') >= 2
    written = visitor.get("/setup?address=https://t.shop.example/").text
    assert "https://t.shop.example/tropa.js" in written
    assert "javascript" not in visitor.get("/setup?address=javascript:alert(1)").text.lower().replace("<h4>javascript</h4>", "")


def try_event(visitor: Visitor, event: object, *, keep: bool = False, source: str = "web") -> Answer:
    text = event if isinstance(event, str) else json.dumps(event)
    return visitor.post("/setup/try", event=text, source=source, **({"keep": "1"} if keep else {}))


def test_the_tester_says_what_each_stage_says_and_keeps_nothing(shop: CollectorProcess, visitor: Visitor) -> None:
    before = shop.count_events()
    good = words(try_event(visitor, {"type": "track", "event": "Tried", "userId": "77", "context": {"userAgent": CHROME}}))
    assert re.search(r"Valid .* Enriched Device Desktop, Chrome .* Identity user id 77 claimed .* nothing was kept", good)
    bad = words(try_event(visitor, {"type": "track", "userId": "77"}))
    assert "$.event — A track call needs `event`" in bad
    assert "The whole request would be refused" in words(try_event(visitor, "{broken"))
    assert "Choose a source" in words(try_event(visitor, "{}", source="nobody"))
    assert shop.count_events() == before
    assert shop.quarantined(code="missing_field")[0]["messageId"] == "m-track-300"


def test_the_tester_keeps_what_it_is_told_to(shop: CollectorProcess, visitor: Visitor) -> None:
    event = {"type": "track", "event": "Kept", "userId": "77", "messageId": "kept-1", "timestamp": "2026-11-21T20:31:35Z"}
    answer = try_event(visitor, event, keep=True, source="shop")
    (address,) = links(answer.text, "/live/event/")
    assert "Kept" in visitor.get(address).text
    assert "had been stored before" in words(try_event(visitor, event, keep=True, source="shop"))
    (refused,) = links(try_event(visitor, {"type": "purchase", "userId": "78"}, keep=True).text, "/quarantine/")
    assert "unknown type" in words(visitor.get(refused)).lower()


def test_a_refused_event_is_found_mended_and_replayed(shop: CollectorProcess, visitor: Visitor) -> None:
    groups = visitor.get("/quarantine?source=shop")
    (reason,) = links(groups.text, "/quarantine/reason?code=bad_timestamp")
    assert re.search(r"Not a time .* \$\.timestamp .* shop 3 ", words(groups))
    page = visitor.get(reason)
    assert '<li class="pointed">' in page.text
    address = next(link for link in links(page.text, "/quarantine/") if link[-1].isdigit())
    refused = visitor.get(address)
    text = html.unescape(re.search(r"<textarea[^>]*>(.*?)</textarea>", refused.text, re.DOTALL)[1])  # type: ignore[index]
    again = words(visitor.post(address))
    assert "It was refused again" in again
    newest = next(link for link in links(visitor.get(reason).text, "/quarantine/") if link[-1].isdigit())
    mended = visitor.post(newest, original=text.replace('"yesterday"', '"2026-11-21T20:31:35Z"'))
    assert "The event is stored now. You changed it before." in words(mended)
    assert links(mended.text, "/live/event/")
    assert visitor.get(newest).status == 404
    assert {event["event"] for event in shop.events(source="shop")} >= {"Paid"}


def test_all_of_one_reason_are_replayed_together(shop: CollectorProcess, visitor: Visitor) -> None:
    batch = json.dumps({"batch": [call("track", 500 + n, event="x", properties={"n": 2**70}) for n in range(3)]})
    shop.post("/v1/batch", batch.encode())
    fields = {"code": "integer_out_of_range", "path": "$.properties.n", "source": "shop"}
    page = words(visitor.post("/quarantine/reason", **fields))
    assert "3 replayed: 0 stored, 3 refused again, 0 skipped" in page
    assert len(shop.quarantined(code="integer_out_of_range")) == 3


def test_the_events_of_one_reason_are_paged(shop: CollectorProcess, visitor: Visitor) -> None:
    batch = [call("track", 1_000 + n, event="x", timestamp="tomorrow", properties={}) for n in range(70)]
    shop.post("/v1/batch", {"batch": batch}, key=shop.browser_key)
    page = visitor.get("/quarantine/reason?code=bad_timestamp&path=$.timestamp&source=web")
    (older,) = links(page.text, "?")
    found = [
        link
        for text in (page.text, visitor.get(f"/quarantine/reason{older}").text)
        for link in links(text, "/quarantine/")
        if link[-1].isdigit()
    ]
    assert len(set(found)) == 70
    assert links(visitor.get(f"/quarantine/reason{older}").text, "?") == []


def test_what_is_empty_says_so(visitor: Visitor) -> None:
    assert "None of these are left" in words(visitor.get("/quarantine/reason?code=x&path=y&source=z"))


def test_a_masked_session_sees_no_email_and_no_phone(shop: CollectorProcess) -> None:
    masked, plain = Visitor(shop), Visitor(shop)
    masked.post("/preferences", masked="1")
    rows = next(stream(plain, shop, "type=identify"))["rows"]
    assert isinstance(rows, list)
    refused = [f"/quarantine/{row['id']}" for row in shop.quarantined()]
    groups = links(plain.get("/quarantine").text, "/quarantine/reason")
    schema = [link.replace("/event?", "/properties?") for link in links(plain.get("/schema").text, "/schema/event")]
    paths = ["/", "/live", f"/live/event/{rows[0]['id']}", "/schema", "/schema/plan.json", *refused, *groups, *schema]
    seen = [path for path in paths if ANNA in plain.get(path).text or PHONE in plain.get(path).text]
    assert len(seen) >= 4, "the canary is where it is looked for"
    for path in paths:
        text = html.unescape(masked.get(path).text)
        assert ANNA not in text, path
        assert PHONE.lstrip("+") not in text, path
        assert "<textarea" not in text, "a masked event must not be sent back"
    content = json.dumps(next(stream(masked, shop)))
    assert ANNA not in content
    masked.post("/preferences", masked="0")
    assert ANNA in html.unescape(masked.get(f"/live/event/{rows[0]['id']}").text)


def test_an_open_stream_does_not_hold_up_the_end(tmp_path_factory: pytest.TempPathFactory) -> None:
    with CollectorProcess(tmp_path_factory.mktemp("ending") / "data") as collector:
        messages = stream(Visitor(collector), collector)
        next(messages)
        started = time.monotonic()
        assert collector.stop() == 0
        assert time.monotonic() - started < 10
        messages.close()  # type: ignore[attr-defined] # a generator
        assert "Traceback" not in collector.log_file.read_text()
