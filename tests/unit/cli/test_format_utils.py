"""Values as text."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from inductiva.utils import format_utils as f


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (300, "300 B"),
        (999, "999 B"),
        (1000, "1.00 KB"),
        (1200, "1.20 KB"),
        (654_321, "654.32 KB"),
        (999_994, "999.99 KB"),
        (999_996, "1.00 MB"),
        (5_000_000_000, "5.00 GB"),
        (7 * 10**18, "7000.00 PB"),
        (None, "n/a"),
    ],
)
def test_bytes(size: int | None, text: str) -> None:
    assert f.bytes_formatter(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(100, "0:01:40"), (0.4, "0:00:00"), (59.6, "0:01:00"), (93_600, "1 day, 2:00:00"), (None, "n/a")],
)
def test_seconds(seconds: float | None, text: str) -> None:
    assert f.seconds_formatter(seconds) == text


@pytest.mark.parametrize(
    ("duration", "words", "letters"),
    [
        (timedelta(hours=1, minutes=2, seconds=3), "1 hour and 2 minutes", "1 h 2 m"),
        (timedelta(minutes=10), "10 minutes", "10 m"),
        (timedelta(seconds=35), "35 seconds", "35 s"),
        (timedelta(seconds=1), "1 second", "1 s"),
        (timedelta(days=2, minutes=5), "2 days", "2 d"),
        (timedelta(0), "0 seconds", "0 s"),
        (timedelta(seconds=-5), "0 seconds", "0 s"),
        (timedelta(seconds=59.7), "1 minute", "1 m"),
    ],
)
def test_durations(duration: timedelta, words: str, letters: str) -> None:
    assert f.timedelta_formatter(duration) == words
    assert f.short_timedelta_formatter(duration) == letters


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0 US$"),
        (1.5, "1.50 US$"),
        (1234.567, "1234.57 US$"),
        (0.15, "0.15 US$"),
        (0.02, "0.020 US$"),
        (0.0212, "0.0212 US$"),
        (0.0012, "0.0012 US$"),
        (None, "n/a"),
    ],
)
def test_money(amount: float | None, text: str) -> None:
    assert f.currency_formatter(amount) == text


@pytest.mark.usefixtures("berlin")
def test_times_are_local_and_show_another_year() -> None:
    year = datetime.now().year
    assert f.datetime_formatter(f"{year}-11-22T22:43:39.123456+00:00") == "22/11, 23:43:39"
    assert f.datetime_formatter(datetime(year, 7, 1, 12, tzinfo=UTC)) == "01/07, 14:00:00"
    assert f.datetime_formatter("2019-12-31T23:30:00.000000+00:00") == "01/01/2020, 00:30:00"
    assert f.datetime_formatter_ymd_hm("2019-12-31T23:30:00.000000+00:00") == "2020-01-01 00:30"
    assert f.datetime_formatter(None) == "n/a"
    assert f.local_zone("2026-01-15T12:00:00+00:00") == "CET, UTC+01:00"
    assert f.local_zone("2026-07-15T12:00:00+00:00") == "CEST, UTC+02:00"


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError):
        f.datetime_formatter("yesterday")


def test_ansi_needs_a_terminal_and_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    for name in ("NO_COLOR", "INDUCTIVA_DISABLE_ANSI", "TERM"):
        monkeypatch.delenv(name, raising=False)
    assert f.ansi_enabled(Terminal())
    monkeypatch.setenv("INDUCTIVA_DISABLE_ANSI", "false")
    assert f.ansi_enabled(Terminal())
    monkeypatch.setenv("INDUCTIVA_DISABLE_ANSI", "true")
    assert not f.ansi_enabled(Terminal())
    monkeypatch.delenv("INDUCTIVA_DISABLE_ANSI")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not f.ansi_enabled(Terminal())


def test_tabular_data_applies_formatters_to_values_that_exist() -> None:
    rows, names = f.get_tabular_data(
        {"Size": [1200, None], "Name": ["a", "b"]},
        formatters={"Size": [f.bytes_formatter, lambda text: f"<{text}>"]},
        header_formatters=[str.upper],
    )
    assert names == ["SIZE", "NAME"]
    assert rows == [["<1.20 KB>", "a"], ["n/a", "b"]]


def test_tabular_text_has_gutters_of_three_and_blank_lines_around() -> None:
    text = f.get_tabular_str([["k3v", "In Queue"], ["longer-id", None]], headers=["Id", "Status"])
    assert text == "\n ID          STATUS\n k3v         In Queue\n longer-id   n/a\n"


def test_case_insensitive_enum() -> None:
    class Colour(f.CaseInsensitiveEnum):
        RED = "red"

    assert Colour("Red") is Colour.RED
    with pytest.raises(ValueError):
        Colour("blue")
