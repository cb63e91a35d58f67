from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tropa_collector.enrich.device import Devices

WINDOWS_CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
MAC_CHROME = WINDOWS_CHROME.replace("Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7")
ANDROID_CHROME = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36"
MAC_WEBKIT = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.fixture(scope="module")
def devices() -> Devices:
    devices = Devices(1_000)
    devices.warm()
    return devices


def brief(device: Mapping[str, Any] | None) -> tuple[Any, ...]:
    assert device is not None
    system, browser = device["os"], device["browser"]
    return (
        *(device["type"], device["brand"], device["model"]),
        *(f"{system['name']} {system['version']}", f"{browser['name']} {browser['version']}"),
    )


@pytest.mark.parametrize(
    ("user_agent", "expected"),
    [
        (WINDOWS_CHROME, ("desktop", None, None, "Windows 10", "Chrome 131.0.0")),
        (f"{WINDOWS_CHROME} Edg/131.0.0.0", ("desktop", None, None, "Windows 10", "Edge 131.0.0")),
        (f"{WINDOWS_CHROME} OPR/114.0.0.0", ("desktop", None, None, "Windows 10", "Opera 114.0.0")),
        (
            WINDOWS_CHROME.replace(" Safari", " YaBrowser/24.6.0.0 Safari"),
            ("desktop", None, None, "Windows 10", "Yandex Browser 24.6.0"),
        ),
        (
            "Mozilla/5.0 (Linux; arm_64; Android 12; SM-A525F) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/124.0.6367.118 YaBrowser/24.6.4.118.00 SA/3 Mobile Safari/537.36",
            ("mobile", "Samsung", "SM-A525F", "Android 12", "Yandex Browser 24.6.4"),
        ),
        (
            "Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) "
            "SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
            ("mobile", "Samsung", "SM-S918B", "Android 14", "Samsung Internet 25.0"),
        ),
        (ANDROID_CHROME, ("mobile", None, None, "Android 10", "Chrome Mobile 131.0.0")),
        (
            ANDROID_CHROME.replace("10; K", "14; SM-X710").replace(" Mobile", ""),
            ("tablet", None, "SM-X710", "Android 14", "Chrome 131.0.0"),
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0",
            ("desktop", None, None, "Windows 10", "Firefox 128.0"),
        ),
        (
            "Mozilla/5.0 (Android 14; Mobile; rv:128.0) Gecko/128.0 Firefox/128.0",
            ("mobile", None, None, "Android 14", "Firefox Mobile 128.0"),
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
            ("desktop", None, None, "Linux None", "Chrome 131.0.0"),
        ),
        (
            f"{IPHONE} Version/17.5 Mobile/15E148 Safari/604.1",
            ("mobile", "Apple", "iPhone", "iOS 17.5.1", "Mobile Safari 17.5"),
        ),
        (
            f"{IPHONE} CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1",
            ("mobile", "Apple", "iPhone", "iOS 17.5.1", "Chrome Mobile iOS 126.0.6478"),
        ),
        (
            f"{IPHONE} Mobile/15E148 Instagram 334.0.4.32.98 (iPhone14,5; iOS 17_5; ru_RU; scale=3.00)",
            ("mobile", "Apple", "iPhone14,5", "iOS 17.5.1", "Instagram 334.0.4"),
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 "
            "Mobile/15E148 Safari/604.1",
            ("tablet", "Apple", "iPad", "iOS 16.6", "Mobile Safari 16.6"),
        ),
        (  # iPad, desktop mode, not Safari
            f"{MAC_WEBKIT} CriOS/126 Version/11.1.1 Safari/605.1.15",
            ("tablet", "Apple", "iPad", "iOS None", "Chrome Mobile iOS 126"),
        ),
        (  # iPad, desktop mode, inside an app
            f"{MAC_WEBKIT} Mobile/15E148",
            ("tablet", "Apple", "iPad", "iOS None", "Apple Mail 605.1.15"),
        ),
        (  # iPad, desktop mode, Safari: no byte of it differs from a Mac's
            f"{MAC_WEBKIT} Version/17.4 Safari/605.1.15",
            ("desktop", "Apple", "Mac", "Mac OS X 10.15.7", "Safari 17.4"),
        ),
        (
            "Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.0) AppleWebKit/537.36 (KHTML, like Gecko) 76.0.3809.146/6.0 TV Safari/537.36",
            ("tv", "Samsung", "SMART-TV", "Tizen 6.0", "Safari None"),
        ),
        (
            ANDROID_CHROME.replace("10; K", "9; BRAVIA 4K UR2 Build/PTT1").replace(" Mobile", ""),
            ("tv", None, "BRAVIA 4K UR2", "Android 9", "Chrome 131.0.0"),
        ),
        (
            "Dalvik/2.1.0 (Linux; U; Android 13; SM-A536B Build/TP1A.220624.014)",
            ("mobile", "Samsung", "SM-A536B", "Android 13", "Android 13"),
        ),
        (
            "Mozilla/5.0 (PlayStation; PlayStation 5/6.50) AppleWebKit/605 (KHTML, like Gecko) Version/13.0 Safari/605",
            ("other", "Sony", "PlayStation 5", "None None", "Safari 13.0"),
        ),
        ("garbage", ("other", None, None, "None None", "None None")),
    ],
)
def test_people(devices: Devices, user_agent: str, expected: tuple[Any, ...]) -> None:
    device = devices.lookup(user_agent, None)
    assert brief(device) == expected
    assert device is not None
    assert device["bot"] is False
    assert "bot_name" not in device


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot"),
        (
            f"{ANDROID_CHROME} (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Googlebot",
        ),
        ("Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)", "YandexBot"),
        ("Mozilla/5.0 (compatible; YandexMetrika/2.0; +http://yandex.com/bots yabs01)", "YandexMetrika"),
        ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "bingbot"),
        ("Mozilla/5.0 (compatible; GPTBot/1.2; +https://openai.com/gptbot)", "GPTBot"),
        (f"{WINDOWS_CHROME} Electron/7.1.7 PingdomTMS/2020.2", "Pingdom"),
        ("Mozilla/5.0 (compatible; SomeNewBot/1.0)", "SomeNewBot"),
        ("curl/8.5.0", "curl"),
        ("python-requests/2.32.3", "python-requests"),
        ("Go-http-client/1.1", "Go-http-client"),
        (WINDOWS_CHROME.replace("Chrome/", "HeadlessChrome/"), "HeadlessChrome"),
    ],
)
def test_bots(devices: Devices, user_agent: str, name: str) -> None:
    device = devices.lookup(user_agent, None)
    assert device is not None
    assert (device["type"], device["bot"], device["bot_name"]) == ("bot", True, name)
    assert (device["brand"], device["model"]) == (None, None)


def as_headers(data: Mapping[str, Any]) -> dict[str, str]:
    """The same hints as a browser sends them in headers."""
    names = {
        "brands": "sec-ch-ua",
        "fullVersionList": "sec-ch-ua-full-version-list",
        "platform": "sec-ch-ua-platform",
        "platformVersion": "sec-ch-ua-platform-version",
        "model": "sec-ch-ua-model",
        "mobile": "sec-ch-ua-mobile",
        "formFactors": "sec-ch-ua-form-factors",
    }
    return {names[name]: _structured(value) for name, value in data.items()}


def _structured(value: Any) -> str:
    if isinstance(value, bool):
        return f"?{int(value)}"
    if isinstance(value, str):
        return f'"{value}"'
    return ", ".join(f'"{v["brand"]}";v="{v["version"]}"' if isinstance(v, dict) else f'"{v}"' for v in value)


def brands(*pairs: str) -> list[dict[str, str]]:
    return [{"brand": name, "version": version} for name, _, version in (pair.partition("=") for pair in pairs)]


WINDOWS_11 = {"platform": "Windows", "platformVersion": "15.0.0", "mobile": False}


@pytest.mark.parametrize(
    ("user_agent", "hints", "expected"),
    [
        (
            WINDOWS_CHROME,
            {**WINDOWS_11, "fullVersionList": brands("Google Chrome=131.0.6778.86", "Not_A Brand=24.0.0.0")},
            ("desktop", None, None, "Windows 11", "Chrome 131.0.6778.86"),
        ),
        (
            WINDOWS_CHROME,
            {"brands": brands("Not/A)Brand=8", "Chromium=131", "Brave=131"), "platform": "Windows"},
            ("desktop", None, None, "Windows 10", "Brave 131"),
        ),
        (
            WINDOWS_CHROME,
            {"brands": brands("Chromium=131", " Not A;Brand=99", "Google Chrome=131"), "platform": "Windows"},
            ("desktop", None, None, "Windows 10", "Chrome 131.0.0"),
        ),
        (  # a brand list that says less than the user agent
            f"{WINDOWS_CHROME} Edg/131.0.0.0",
            {"brands": brands("Chromium=131", "Not_A Brand=24")},
            ("desktop", None, None, "Windows 10", "Edge 131.0.0"),
        ),
        (WINDOWS_CHROME, WINDOWS_11, ("desktop", None, None, "Windows 11", "Chrome 131.0.0")),
        (
            WINDOWS_CHROME,
            {"platform": "Windows", "platformVersion": "10.0.0"},
            ("desktop", None, None, "Windows 10", "Chrome 131.0.0"),
        ),
        (
            WINDOWS_CHROME,
            {"platform": "Windows", "platformVersion": "0.3.0"},
            ("desktop", None, None, "Windows 8.1", "Chrome 131.0.0"),
        ),
        (
            WINDOWS_CHROME.replace(" Safari", " YaBrowser/24.6.0.0 Safari"),
            {"fullVersionList": brands("Yowser=2.5", "YaBrowser=24.6.3.729", "Not=A?Brand=99.0", "Chromium=124.0.6367")},
            ("desktop", None, None, "Windows 10", "Yandex Browser 24.6.3.729"),
        ),
        (
            MAC_CHROME,
            {"platform": "macOS", "platformVersion": "14.6.1"},
            ("desktop", "Apple", "Mac", "Mac OS X 14.6.1", "Chrome 131.0.0"),
        ),
        (
            ANDROID_CHROME,
            {"platform": "Android", "platformVersion": "14.0.0", "model": "SM-S918B", "mobile": True},
            ("mobile", "Samsung", "SM-S918B", "Android 14.0.0", "Chrome Mobile 131.0.0"),
        ),
        (
            ANDROID_CHROME.replace(" Mobile", ""),
            {"platform": "Android", "platformVersion": "14", "model": "Pixel Tablet", "formFactors": ["Tablet"]},
            ("tablet", "Google", "Pixel Tablet", "Android 14", "Chrome 131.0.0"),
        ),
        (
            ANDROID_CHROME,
            {"platform": "Android", "mobile": True},
            ("mobile", None, None, "Android 10", "Chrome Mobile 131.0.0"),
        ),
    ],
)
def test_hints_refine_a_reduced_user_agent(
    devices: Devices, user_agent: str, hints: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    assert brief(devices.lookup(user_agent, hints)) == expected
    assert brief(devices.lookup(user_agent, as_headers(hints))) == expected


def test_a_headless_browser_that_changed_its_user_agent_is_told_by_its_brand(devices: Devices) -> None:
    device = devices.lookup(WINDOWS_CHROME, {"brands": brands("HeadlessChrome=131", "Chromium=131")})
    assert device is not None
    assert (device["type"], device["bot_name"]) == ("bot", "HeadlessChrome")


@pytest.mark.parametrize("user_agent", [None, "", 5, ["x"]])
def test_no_user_agent_is_no_device(devices: Devices, user_agent: Any) -> None:
    assert devices.lookup(user_agent, {"platform": "Windows"}) is None


@pytest.mark.parametrize(
    "user_agent",
    [
        "Mozilla/5.0 (Linux; Android 10; " * 2_000,
        "(" * 60_000,
        "Android 10; K" * 5_000,
        "Macintosh" * 7_000,
        "\ud800\x00\n" * 20_000,
        "Ж" * 60_000,
    ],
)
def test_a_hostile_user_agent_is_read_in_part(user_agent: str) -> None:
    devices = Devices(10)
    first = devices.lookup(user_agent, None)
    assert first is not None
    assert devices.lookup(user_agent[:512] + " Googlebot/2.1", None) == first


@pytest.mark.parametrize(
    "hints",
    [
        {"brands": "x" * 5_000},
        {"brands": [1, None, {"brand": 1}, {"brand": "A"}, [[]]], "mobile": "perhaps", "platform": 7, "model": []},
        {"sec-ch-ua": '"\\"' * 300, "sec-ch-ua-platform": '"'},
        {"platform": object()},
        {"platform": "\ud800"},
        {1: 2},
        {"platform": "Windows", "platformVersion": "²"},
    ],
)
def test_hostile_hints_change_nothing(devices: Devices, hints: Any) -> None:
    assert devices.lookup(WINDOWS_CHROME, hints) == devices.lookup(WINDOWS_CHROME, None)


_scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=30)
_hint_names = st.sampled_from(
    ["brands", "fullVersionList", "platform", "platformVersion", "model", "mobile", "sec-ch-ua", "sec-ch-ua-mobile"]
)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200), st.dictionaries(_hint_names, _scalars | st.lists(st.dictionaries(st.text(), _scalars))))
def test_nothing_raises(devices: Devices, user_agent: str, hints: dict[str, Any]) -> None:
    for text in (user_agent, ANDROID_CHROME, WINDOWS_CHROME):
        device = devices.lookup(text, hints)
        assert device is None or device["bot"] is (device["type"] == "bot")


def test_devices_are_remembered_within_a_bound() -> None:
    devices = Devices(3)
    first = devices.lookup("agent 0", None)
    assert devices.lookup("agent 0", {}) is first
    for number in range(1, 5):
        devices.lookup(f"agent {number}", None)
    assert len(devices._known) == 3
    assert devices.lookup("agent 0", None) is not first


def test_the_database_is_stamped(devices: Devices) -> None:
    device = devices.lookup(WINDOWS_CHROME, None)
    assert device is not None
    assert device["db"] == ", ".join(f"{name} {number}" for name, number in devices.versions().items())
    assert list(devices.versions()) == ["ua-parser", "crawler-user-agents"]
