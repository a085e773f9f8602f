"""The line at the start that says where peers may come in, and under which id."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from esper.node.peers.network_service import NetworkService
from esper.p2p.peers.peer_address import peer_id_text
from tests.support.net.service_node import NODE


@pytest.mark.parametrize(
    ("listening", "told"),
    [
        ("0.0.0.0:9333, [::]:9333", "peers may dial 0.0.0.0:9333, [::]:9333"),
        ("", "nobody may dial this node"),
    ],
)
def test_a_start_names_where_it_listens_and_its_id(
    caplog: pytest.LogCaptureFixture, listening: str, told: str
) -> None:
    service: Any = SimpleNamespace(listening=listening, node_id=NODE)
    with caplog.at_level("INFO"):
        NetworkService.tell_listening(service)
    assert caplog.messages == [f"{told}; the id of this node is {peer_id_text(NODE)}"]
