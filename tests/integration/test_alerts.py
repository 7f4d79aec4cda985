"""Breaches found, told and recovered from, over a real project, log, lake and HTTP server."""

from __future__ import annotations

import json
import logging
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from lakegate.alert.channel import Undelivered
from lakegate.alert.chat import Chat
from lakegate.alert.delivery import Courier, Delivered
from lakegate.alert.webhook import Webhook, signature
from lakegate.contract.consumer import Address
from lakegate.pipeline.alerting import courier_of
from lakegate.pipeline.project import open_project
from lakegate.pipeline.watching import Watch
from lakegate.state.alert_store import AlertState, AlertStore
from tests.integration.survival import call, finish, make_project, order, start, wait_until

SECRET = "s3cret-of-the-hook"
CANARY = "canary7713"
PATIENCE_S = 180  # a bound of failures: whoever is done is not waited for
CONSUMER = """
name: {name}
owner: Billing
streams:
  - stream: orders
    versions: "1"
    fields: [{fields}]
channels:
  - webhook: ${{HOOK}}/{name}
    secret: ${{HOOK_SECRET}}
"""
TOML = """
[alerts]
default = ["owner"]
deadletter_threshold = 3
settle_s = 30
timeout_s = 30

[alerts.channels.owner]
webhook = "${HOOK}/owner"
secret = "${HOOK_SECRET}"
"""
MORE = """
      - name: mail
        logicalType: string
        quality:
          - {id: mail_complete, metric: nullValues, mustBeLessThan: 10, unit: percent}
slaProperties:
  - {property: errorRate, value: 50, unit: percent}
  - {property: frequency, value: 10, unit: m}
"""


class Receiver:
    """A real server that records what is posted, and misbehaves by path."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: dict[str, int] = {}
        self.slow = threading.Event()
        self.drip: set[str] = set()
        received = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path in received.drip:
                    self._drip()
                    return
                status = received.answers.get(self.path, 204)
                received.posts.append((self.path, dict(self.headers), body))
                self.send_response(status)
                if status in (301, 302, 307):
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def _drip(self) -> None:
                try:
                    while not received.slow.wait(0.05):
                        self.wfile.write(b"H")
                except OSError:
                    return

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.slow.set()
        self._server.shutdown()
        self._server.server_close()

    def alerts(self, path: str) -> list[dict[str, Any]]:
        return [json.loads(body) for where, _, body in self.posts if where == path]


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    receiver = Receiver()
    monkeypatch.setenv("HOOK", receiver.url)
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    yield receiver
    receiver.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = make_project(tmp_path / "p", more=MORE, toml=TOML)
    (root / "consumers").mkdir()
    (root / "consumers" / "billing.yaml").write_text(
        CONSUMER.format(name="billing", fields="number, mail")
    )
    (root / "consumers" / "shop.yaml").write_text(
        CONSUMER.format(name="shop", fields="number, note")
    )
    return root


def send(folder: Path, *values: bytes, judge: bool = True) -> None:
    with open_project(folder) as project:
        with project.producer("orders") as producer:
            for number, value in enumerate(values):
                producer.send(key=str(number).encode(), value=value)
        if judge:
            project.run(until="idle")


@contextmanager
def watching(folder: Path) -> Iterator[Watch]:
    with open_project(folder) as project, project.watch() as watch:
        yield watch


def deliver(folder: Path, *, at: datetime) -> Delivered:
    """Deliver with a clock that stands at that time."""
    with open_project(folder) as project:
        return courier_of(project, clock=lambda: at).deliver(wait_s=PATIENCE_S)


def bad(n: int = 3) -> list[bytes]:
    return [json.dumps({"number": i, "note": [CANARY], CANARY: 1}).encode() for i in range(n)]


def test_a_breach_is_told_to_owner_and_consumers_then_its_end(folder: Path, hook: Receiver) -> None:
    send(folder, order(1), *bad())
    now = datetime.now(UTC)
    with watching(folder) as watch:
        tick = watch.tick(now)
        assert tick.problems == ()
        kinds = sorted(incident.key.kind for incident, _ in tick.changes)
        assert kinds == ["deadletters", "sla"]
        assert watch.deliver(wait_s=PATIENCE_S).delivered == 6
        assert watch.tick(now + timedelta(seconds=5)).changes == ()
        later = now + timedelta(minutes=6)
        send(folder, order(2))
        assert watch.tick(later).changes == ()  # not before it stayed away for a while
        closed = watch.tick(later + timedelta(seconds=31)).changes
        assert {incident.key.kind for incident, _ in closed} >= {"deadletters"}
    deliver(folder, at=later + timedelta(seconds=31))
    told = hook.alerts("/billing")
    opened = next(alert for alert in told if alert["kind"] == "deadletters")
    assert opened["event"] == "opened"
    assert opened["contract"] == {"id": "orders", "version": "1.0.0"}
    assert opened["count"] == 3
    assert opened["command"] == "lakegate deadletter list orders"
    assert opened["recipient"] == {"role": "consumer", "name": "billing"}
    assert "type at $.note (3)" in opened["summary"]
    ends = [alert for alert in hook.alerts("/owner") if alert["event"] == "closed"]
    assert [alert["reason"] for alert in ends if alert["kind"] == "deadletters"] == ["recovered"]


def test_a_failed_rule_reaches_only_those_who_read_the_field(folder: Path, hook: Receiver) -> None:
    send(folder, *(order(n) for n in range(4)))
    with open_project(folder) as project:
        assert not project.audit("orders").passed
    with watching(folder) as watch:
        ((incident, event),) = watch.tick().changes
        watch.deliver(wait_s=PATIENCE_S)
    assert (incident.key.rule, event) == ("mail_complete", "opened")
    (alert,) = hook.alerts("/billing")
    assert alert["your_fields"] == ["mail"]
    assert alert["count"] == 4
    assert hook.alerts("/shop") == []
    assert len(hook.alerts("/owner")) == 1


def test_the_signature_is_of_time_and_body(folder: Path, hook: Receiver) -> None:
    send(folder, *bad())
    with watching(folder) as watch:
        watch.tick()
        watch.deliver(wait_s=PATIENCE_S)
    for _, headers, body in hook.posts:
        at = int(headers["Lakegate-Signature"].partition(",")[0].removeprefix("t="))
        assert headers["Lakegate-Signature"] == signature(SECRET, at, body)
        assert abs(at - time.time()) < 600
        assert headers["Lakegate-Delivery"] == json.loads(body)["id"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # inside Apprise's plugins
def test_no_value_of_a_record_leaves(
    folder: Path,
    hook: Receiver,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    contract = folder / "contracts" / "orders.odcs.yaml"
    contract.write_text(
        contract.read_text().replace(
            "slaProperties:",
            "    quality:\n"
            "      - id: dearest\n"
            "        query: SELECT max(number) FROM {object}\n"
            "        mustBe: 0\n"
            "      - id: breaks\n"
            "        query: SELECT CAST(max(note) AS INTEGER) FROM {object}\n"
            "        mustBe: 0\n"
            "slaProperties:",
        )
    )
    (folder / "consumers" / "console.yaml").write_text(
        "name: console\nowner: me\nstreams: [{stream: orders}]\nchannels: [stdout]\n"
    )
    monkeypatch.setenv("CHAT", hook.url.replace("http://", "json://") + "/chat")
    (folder / "consumers" / "chat.yaml").write_text(
        "name: chat\nowner: me\nstreams: [{stream: orders}]\nchannels: [{url: '${CHAT}'}]\n"
    )
    caplog.set_level(logging.DEBUG)
    send(folder, json.dumps({"number": 987654321, "note": CANARY, CANARY: 2}).encode(), *bad())
    with open_project(folder) as project:
        project.audit("orders")
    lines: list[str] = []
    with open_project(folder) as project, Watch(project, write=lines.append) as watch:
        changes = watch.tick().changes
        watch.deliver(wait_s=PATIENCE_S)
    assert {"dearest", "breaks", "mail_complete"} <= {i.key.rule for i, _ in changes}
    said = "\n".join([*lines, *(body.decode() for _, _, body in hook.posts)])
    logged = "\n".join(record.getMessage() for record in caplog.records)
    assert len(lines) > 0
    assert any(path.startswith("/chat") for path, _, _ in hook.posts)
    for text in (said, logged):
        assert "987654321" not in text
        assert "987,654,321" not in text
        assert SECRET not in text
        assert CANARY not in text.replace(f"$.{CANARY}", "")  # a plain field name is a shape


def test_figures_of_a_query_over_public_fields_are_told(folder: Path, hook: Receiver) -> None:
    contract = folder / "contracts" / "orders.odcs.yaml"
    text = contract.read_text().replace("{name: number,", "{name: number, classification: public,")
    query = "SELECT max(number) FROM {object}"
    rule = f"    quality:\n      - {{id: dearest, query: '{query}', mustBe: 0}}\n"
    contract.write_text(text.replace("slaProperties:", rule + "slaProperties:"))
    send(folder, order(4711))
    with open_project(folder) as project:
        project.audit("orders")
    with watching(folder) as watch:
        found = {i.key.rule: i.summary for i, _ in watch.tick().changes}
    assert "4,711" in found["dearest"]


@pytest.mark.parametrize("status", [500, 302, 404])
def test_what_is_not_taken_is_tried_again_and_redirects_are_not_followed(
    folder: Path, hook: Receiver, status: int
) -> None:
    send(folder, *bad())
    hook.answers["/billing"] = status
    with watching(folder) as watch:
        watch.tick()
        watch.deliver(wait_s=PATIENCE_S)
    assert len(hook.alerts("/owner")) == 2
    assert len(hook.alerts("/billing")) == 1  # then it backs off
    assert hook.alerts("/elsewhere") == []
    hook.answers.clear()
    with open_project(folder) as project:
        store = AlertStore(project.state)
        (tried,) = [one for one in store.list(state=AlertState.WAITING) if one.tries]
        assert str(status) in str(tried.error)
    assert deliver(folder, at=datetime.now(UTC) + timedelta(seconds=6)).delivered == 2
    assert len(hook.alerts("/billing")) == 3


def test_a_server_that_drips_and_one_that_is_gone_hold_nobody_up(
    folder: Path, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook.drip.add("/billing")
    send_within = Webhook.send

    def hurry(self: Webhook, alert: dict[str, Any], *, timeout_s: float) -> None:
        """The patience of the settings, but for the one that drips."""
        assert timeout_s == 30
        send_within(self, alert, timeout_s=2 if "/billing" in self._path() else timeout_s)

    monkeypatch.setattr(Webhook, "send", hurry)
    gone = CONSUMER.format(name="gone", fields="number").replace("${HOOK}", "${GONE}")
    (folder / "consumers" / "gone.yaml").write_text(gone)
    monkeypatch.setenv("GONE", "http://127.0.0.1:9")
    send(folder, *bad())
    with watching(folder) as watch:
        watch.tick()
        done = watch.deliver(wait_s=PATIENCE_S)
    assert (done.delivered, done.failed, done.busy) == (4, 2, 0)
    with open_project(folder) as project:
        errors = {one.recipient: one.error for one in AlertStore(project.state).list() if one.error}
    assert errors["consumer:billing"] == "no answer within 2 s"
    assert "refused" in str(errors["consumer:gone"])


def test_a_channel_that_throws_or_hangs_is_alone(folder: Path, hook: Receiver) -> None:
    send(folder, *bad())
    release, asked = threading.Event(), Counter[str]()

    class Odd:
        def __init__(self, address: Address) -> None:
            self.who = address.target.rpartition("/")[2]

        def send(self, alert: object, *, timeout_s: float) -> None:
            del alert, timeout_s
            asked[self.who] += 1
            if self.who == "billing":
                raise ZeroDivisionError(CANARY)
            if self.who == "shop":
                release.wait(PATIENCE_S)

    with open_project(folder) as project:
        with project.watch() as watch:
            watch.tick()
        store, now = AlertStore(project.state), datetime.now(UTC)
        courier = Courier(store, Odd, clock=lambda: now)  # stands: what failed is not due again
        try:
            wait_until(lambda: courier.deliver().busy == 1)
            courier.deliver(wait_s=2)  # for what it starts, which is no second thread
            assert asked == {"owner": 2, "billing": 1, "shop": 1}
            letters = store.list()
        finally:
            release.set()
        assert sum(one.state is AlertState.DELIVERED for one in letters) == 2
        assert [one.error for one in letters if one.error] == [
            "the channel failed (ZeroDivisionError)"
        ]
        wait_until(lambda: courier.deliver().busy == 0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # inside Apprise's plugins
def test_apprise_reaches_a_real_server(
    folder: Path, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("apprise")
    monkeypatch.setenv("CHAT", hook.url.replace("http://", "json://") + "/chat")
    (folder / "consumers" / "chat.yaml").write_text(
        "name: chat\nowner: me\nstreams: [{stream: orders}]\nchannels: [{url: '${CHAT}'}]\n"
    )
    send(folder, *bad())
    with watching(folder) as watch:
        watch.tick()
        watch.deliver(wait_s=PATIENCE_S)
    posted = hook.alerts("/chat") + hook.alerts("/chat/")
    assert len(posted) == 2
    assert any("orders 1.0.0: rejected (error)" in post["title"] for post in posted)
    assert any("lakegate deadletter list orders" in post["message"] for post in posted)


@pytest.mark.slow
def test_two_watchers_in_two_processes_tell_once(folder: Path, hook: Receiver) -> None:
    send(folder, *bad())
    with open_project(folder) as project:
        assert project.state is not None  # made before they race
    both = [start(folder, "alert", "check", HOOK=hook.url, HOOK_SECRET=SECRET) for _ in range(3)]
    codes = [finish(process).code for process in both]
    assert codes == [1, 1, 1]
    with watching(folder) as watch:
        watch.deliver(wait_s=PATIENCE_S)
    ids = [json.loads(body)["id"] for _, _, body in hook.posts]
    assert len(ids) == len(set(ids)) == 6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "repeated"), [("alert.committed", 0), ("alert.claimed", 0), ("alert.sent", 1)]
)
def test_killed_anywhere_each_alert_still_arrives(
    folder: Path, hook: Receiver, point: str, repeated: int
) -> None:
    send(folder, *bad())
    killed = start(
        folder, "alert", "check", HOOK=hook.url, HOOK_SECRET=SECRET, LAKEGATE_FAULT=point
    )
    assert finish(killed).code == -signal.SIGKILL
    # By then the claim of the dead has run out.
    deliver(folder, at=datetime.now(UTC) + timedelta(minutes=2))
    with open_project(folder) as project:
        assert AlertStore(project.state).list(state=AlertState.WAITING) == ()
    ids = [json.loads(body)["id"] for _, _, body in hook.posts]
    assert len(set(ids)) == 6
    assert len(ids) - 6 <= repeated * 3


def test_a_clock_that_goes_back_loses_nothing_and_repeats_nothing(
    folder: Path, hook: Receiver
) -> None:
    send(folder, *bad())
    now = datetime.now(UTC)
    with watching(folder) as watch:
        assert len(watch.tick(now).changes) == 2
        assert watch.tick(now - timedelta(days=400)).changes == ()
        assert watch.tick(now - timedelta(days=400) + timedelta(seconds=9)).changes == ()
        assert watch.deliver(wait_s=PATIENCE_S).delivered == 6


def test_stuck_then_going_again(folder: Path, hook: Receiver) -> None:
    send(folder, order(1), judge=False)
    now = datetime.now(UTC)
    with watching(folder) as watch:
        assert watch.tick(now).changes == ()
        ((incident, _),) = watch.tick(now + timedelta(seconds=90)).changes
        assert incident.key.kind == "stuck"
        assert "no worker is running" in incident.summary
        with open_project(folder) as project:
            project.run(until="idle")
        watch.tick(now + timedelta(seconds=100))
        ((incident, event),) = watch.tick(now + timedelta(seconds=140)).changes
        assert (incident.key.kind, event) == ("stuck", "closed")


def test_a_pause_is_told_until_it_is_resumed(folder: Path, hook: Receiver) -> None:
    contract = folder / "contracts" / "orders.odcs.yaml"
    contract.write_text(
        contract.read_text().replace(
            "- name: mail\n        logicalType: string\n",
            "- name: mail\n        logicalType: string\n        required: true\n"
            "        customProperties: [{property: lakegate.severity, value: critical}]\n",
        )
    )
    send(folder, order(1))
    with watching(folder) as watch:
        changes = watch.tick().changes
        (found,) = [i for i, _ in changes if i.key.kind == "paused"]
        assert found.severity == "critical"
        assert found.command == "lakegate resume orders --reason …"
        with open_project(folder) as project:
            project.resume("orders", reason="fixed")
        changes = watch.tick().changes
        assert [(i.key.kind, e) for i, e in changes if e == "closed"] == [("paused", "closed")]


def test_a_part_that_dies_and_comes_back(folder: Path, hook: Receiver) -> None:
    now = datetime.now(UTC)
    with watching(folder) as watch:
        watch.report_part("gateway", "dead", "exit code 1", now=now)
        watch.report_part("gateway", "dead", "exit code 1", now=now)
        watch.report_part("worker orders", "stuck", "no sign for 60 s", stream="orders", now=now)
        watch.report_part("gateway", "running", now=now)
        assert watch.tick(now + timedelta(seconds=20)).changes == ()
        watch.report_part("gateway", "dead", "exit code 1", now=now + timedelta(seconds=25))
        watch.report_part("gateway", "running", now=now + timedelta(seconds=26))
        assert watch.tick(now + timedelta(seconds=40)).changes == ()
        ((incident, event),) = watch.tick(now + timedelta(seconds=60)).changes
        assert (incident.key.rule, event) == ("gateway", "closed")
    deliver(folder, at=now + timedelta(seconds=61))
    owner = [(a["rule"], a["event"], a["recipient"]["role"]) for a in hook.alerts("/owner")]
    assert sorted(owner) == [
        ("gateway", "closed", "project"),
        ("gateway", "opened", "project"),
        ("worker orders", "opened", "owner"),
    ]
    assert [a["rule"] for a in hook.alerts("/shop")] == ["worker orders"]


def test_first_sight_of_a_field_is_told_once(folder: Path, hook: Receiver) -> None:
    value = {"number": 1, "note": "x", "colour": 1, "ada@example.com": 2}
    send(folder, json.dumps(value).encode())
    send(folder, json.dumps({**value, "number": 2}).encode())
    with watching(folder) as watch:
        ((incident, event),) = watch.tick().changes
        assert (event, incident.open, incident.count) == ("noted", False, 2)
        assert "$.colour" in incident.summary
        assert "ada" not in incident.summary
        assert watch.tick().changes == ()


def test_closing_by_hand_holds_until_it_is_over_or_worse(folder: Path, hook: Receiver) -> None:
    send(folder, *bad(4))
    now = datetime.now(UTC)
    with watching(folder) as watch:
        number = next(i.number for i, _ in watch.tick(now).changes if i.key.kind == "deadletters")
        said = call(folder, "incident", "close", str(number), "--reason", "known")
        assert said.code == 0
        assert watch.tick(now + timedelta(seconds=1)).changes == ()
        send(folder, *bad(4))
        ((incident, event),) = watch.tick(now + timedelta(seconds=2)).changes
        assert (incident.key.kind, event, incident.count) == ("deadletters", "opened", 8)


def test_the_command_line(folder: Path, hook: Receiver) -> None:
    assert call(folder, "incident", "list").code == 0
    send(folder, *bad())
    said = call(folder, "alert", "check")
    assert said.code == 1, said
    assert "2 open, 6 alerts delivered" in said.out
    said = call(folder, "incident", "list", "--format", "json")
    assert said.code == 1
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert {row["kind"] for row in rows} == {"deadletters", "sla"}
    shown = call(folder, "incident", "show", str(rows[0]["number"]))
    assert "delivered" in shown.out
    assert call(folder, "incident", "show", "99").code == 1
    assert call(folder, "incident", "close", "99", "--reason", "x").code == 2
    assert "sla.errorRate" in call(folder, "alert", "levels", "orders").out
    assert "webhook (address)" in call(folder, "consumer", "list", "orders").out
    assert call(folder, "alert", "test", "owner").code == 0
    hook.answers["/owner"] = 503
    said = call(folder, "alert", "test", "owner")
    assert (said.code, "answered 503" in said.err) == (1, True)
    assert call(folder, "alert", "test", "nobody").code == 2
    assert "delivered" in call(folder, "alert", "list").out
    rows = [
        json.loads(line)
        for line in call(folder, "alert", "list", "--format", "json").out.splitlines()
    ]
    assert {row["state"] for row in rows} == {"delivered"}
    (folder / "consumers" / "console.yaml").write_text(
        "name: console\nowner: me\nstreams: [{stream: orders}]\nchannels: [stdout]\n"
    )
    send(folder, *bad(6))
    said = call(folder, "alert", "check", "--format", "json")
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert [line["event"] for line in lines if "event" in line] == ["updated"]
    assert [line["change"] for line in lines if "change" in line] == ["updated"]


def test_the_check_says_what_is_wrong_with_a_consumer_and_where(folder: Path) -> None:
    assert call(folder, "contract", "check").code == 0
    wrong = folder / "consumers" / "wrong.yaml"
    wrong.write_text(
        "name: wrong\nowner: me\nstreams:\n  - stream: order\n"
        "  - {stream: orders, versions: '2', fields: [nmber]}\nchannels: [onwer]\n"
    )
    said = call(folder, "contract", "check", "--format", "json")
    assert said.code == 1
    found = [json.loads(line) for line in said.out.splitlines()]
    at = {p["code"]: (p["line"], p["column"], p["help"]) for p in found if "wrong" in p["file"]}
    assert at["LG911"] == (4, 13, "did you mean `orders`?")
    assert at["LG912"][:2] == (5, 46)
    assert "`number`" in at["LG912"][2]
    assert at["LG913"][:2] == (5, 32)
    assert at["LG915"] == (6, 12, "did you mean `owner`?")


def test_data_flows_while_every_channel_is_dead(
    folder: Path, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", "http://127.0.0.1:9")
    send(folder, *bad())
    with watching(folder) as watch:
        watch.tick()
        watch.deliver(wait_s=0)
        send(folder, order(7))
    with open_project(folder) as project:
        assert project.status().proven


def test_apprise_missing_is_said_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(Undelivered, match=r"lakegate\[alerts\]"):
        Chat("json://x")
