"""Golden draws of the DAO, by an independent computation."""

import hashlib
import json
from typing import Any

import pytest

from esper.dao import bodies as b
from esper.primitives.codec import Record, encode
from tests.support.vector_reading import check_encoding
from tests.vectors.writers import write_dao

DOCUMENT = json.loads(write_dao.FILE.read_text())


@pytest.mark.parametrize("vector", DOCUMENT["draws"], ids=lambda one: one["seed"][:8])
def test_seeds_and_activation_heights(vector: dict[str, Any]) -> None:
    tag = b"esper/dao/seed/v1".ljust(32, b"\0")
    data = bytes.fromhex(vector["beacon"] + vector["proposal"])
    seed = hashlib.sha3_512(tag + data).digest()
    assert seed.hex() == vector["seed"]
    for name, active in vector["active"].items():
        periods = DOCUMENT["periods"][name]
        jitter = int.from_bytes(seed, "big") % periods["jitter"]
        assert active == vector["final"] + periods["grace"] + jitter


CODECS: dict[str, Record[Any]] = {
    "ModelBody": b.MODEL_BODY,
    "ChangeBody": b.CHANGE_BODY,
    "RollbackBody": b.ROLLBACK_BODY,
}


@pytest.mark.parametrize("vector", DOCUMENT["bodies"], ids=lambda v: f"{v['record']}: {v['case']}")
def test_bodies(vector: dict[str, Any]) -> None:
    check_encoding(CODECS[vector["record"]], vector)
    subject = list(CODECS).index(vector["record"]) + 1
    data = bytes.fromhex(vector["bytes"])
    assert encode(CODECS[vector["record"]], b.read_body(subject, data)) == data


def test_the_script_writes_this_file() -> None:
    assert write_dao.document() == DOCUMENT
