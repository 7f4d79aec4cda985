"""``[alerts]``: what is accepted, and what is said of a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakegate.contract.consumer import STDOUT
from lakegate.errors import ProjectError
from lakegate.pipeline.alerting import channels_of, routing_of
from lakegate.pipeline.config import AlertsSection, load_config


def section(tmp_path: Path, text: str) -> AlertsSection:
    (tmp_path / "lakegate.toml").write_text(text)
    return load_config(tmp_path, {}).alerts


def test_nothing_said_is_standard_output(tmp_path: Path) -> None:
    assert routing_of(section(tmp_path, "")).default == (STDOUT,)


def test_channels_and_owners(tmp_path: Path) -> None:
    config = section(
        tmp_path,
        '[alerts]\ndefault = ["ops"]\nmail = "${SMTP}"\n'
        '[alerts.channels.ops]\nurl = "${OPS}"\n'
        '[alerts.channels.hook]\nwebhook = "https://x"\nsecret = "${S}"\n'
        '[alerts.channels.lines]\nstdout = "json"\n'
        '[alerts.owners]\n"Shop" = ["hook", "stdout"]\n',
    )
    assert set(channels_of(config)) == {"stdout", "ops", "hook", "lines"}
    routing = routing_of(config)
    assert routing.owners is not None
    assert [address.target for address in routing.owners["Shop"]] == ["hook", "text"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[alerts]\ndefault = ["nobody"]', "names `nobody`, which is no channel"),
        ('[alerts.owners]\nx = ["nobody"]', r"\[alerts.owners\] x names `nobody`"),
        ("[alerts.channels.a]", "exactly one of"),
        ('[alerts.channels.a]\nurl = "${A}"\nstdout = "text"', "exactly one of"),
        ('[alerts.channels.a]\nurl = "slack://t"', "stands in plain text"),
        ('[alerts.channels.a]\nwebhook = "https://x"', "go together"),
        ('[alerts.channels.a]\nwebhook = "https://x"\nsecret = "x"', "stands in plain text"),
        ('[alerts]\nmail = "mailto://u:p@x"', "stands in plain text"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, text: str, said: str) -> None:
    config = section(tmp_path, text)
    with pytest.raises(ProjectError, match=said):
        routing_of(config)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[alerts]\ndeadleter_threshold = 1", "did you mean `deadletter_threshold`"),
        ('[alerts.channels.a]\nulr = "x"', "unknown field `ulr`"),
    ],
)
def test_misspelt_keys_are_told(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ProjectError, match=said):
        section(tmp_path, text)
