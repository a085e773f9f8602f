"""OpenAI's own client in JavaScript, of two major versions, against a gateway.

It wants Node and the packages of ``js_openai/package-lock.json``, which `npm ci` fetches.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gateway.gateway_world import ALICE, GatewayWorld, gateway_world
from tests.support.node_js import installed_packages

pytestmark = [pytest.mark.nodes, pytest.mark.xdist_group("js_openai")]

FOLDER = Path(__file__).parent / "js_openai"
PATIENCE_S = 60
VERSIONS = ("6", "7")
WHOLE_CHECKS = 14
BROKEN_CHECKS = 2
"""As client.mjs has them."""


@pytest.fixture(scope="module")
def node_js() -> str:
    return installed_packages(FOLDER)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayWorld]:
    with gateway_world(tmp_path_factory.mktemp("gateway")) as found:
        yield found


def checks(node_js: str, world: GatewayWorld, version: str, half: str) -> list[str]:
    """The checks that held; all must."""
    done = subprocess.run(
        [node_js, FOLDER / "client.mjs", version, f"{world.url}v1", ALICE, half],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("version", VERSIONS)
def test_answers_streams_and_refusals(node_js: str, world: GatewayWorld, version: str) -> None:
    assert len(checks(node_js, world, version, "whole")) == WHOLE_CHECKS


@pytest.mark.parametrize("version", VERSIONS)
def test_what_breaks_raises(node_js: str, world: GatewayWorld, version: str) -> None:
    world.engine.fails_at = 5
    try:
        assert len(checks(node_js, world, version, "broken")) == BROKEN_CHECKS
    finally:
        world.engine.fails_at = None
