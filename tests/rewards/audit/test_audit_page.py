"""The page: whole, self-contained, and nothing from a file or a model reaches it unescaped."""

from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any

import pytest

import rewards
from rewards.audit import Audit, Item, audit, builtin, read
from rewards.audit.laws import LAWS
from rewards.audit.page import page

HOSTILE = '</pre><script>alert("x")</script><img src=x onerror=alert(1)>&amp;\ud800'

VOID = {"meta", "img", "br", "rect", "line"}


class Reader(HTMLParser):
    """Collects tags and checks that they are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: dict[str, int] = {}
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(found: Audit) -> tuple[str, Reader]:
    html = page(found)
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    html.encode("utf-8")
    return html, reader


def hostile_items() -> list[Item]:
    rows = [
        read(f"h{n}", f"{HOSTILE} What is {n} and 2?", f"{HOSTILE}\n{n}+2=<<{n}+2={n + 2}>>\n#### {n + 2}")
        for n in (4, 5)
    ]
    return [row for row in rows if row]


@pytest.fixture(scope="module")
def failed() -> Audit:
    return audit(rewards.get("step_sum"), builtin()[:6])


def test_a_hostile_completion_is_text() -> None:
    def echo(completions: Sequence[str], **columns: Any) -> list[float]:
        return [float("onerror" in text) for text in completions]

    html, reader = parsed(audit(echo, hostile_items(), name=HOSTILE))
    assert "script" not in reader.tags
    assert "img" not in reader.tags
    assert "onerror" not in reader.attributes
    assert "&lt;script&gt;alert(" in html
    assert '<script>alert("x")</script>' in reader.text


def test_the_page_needs_no_other_file(failed: Audit) -> None:
    _, reader = parsed(failed)
    assert not {"link", "script", "iframe", "img"} & reader.tags.keys()
    assert not {"src", "href", "onclick"} & reader.attributes


def test_the_page_says_everything(failed: Audit) -> None:
    html, reader = parsed(failed)
    assert failed.reason in reader.text
    for finding in failed.findings:
        assert finding.attack in reader.text
    for law in LAWS:
        assert law.name in reader.text
    assert reader.tags["svg"] == len(failed.advantages) > 0
    assert html == page(failed)
