"""A job that a search of the fake model soon ends."""

from dataclasses import replace

from esper.consensus.chain import ProvenChain
from esper.consensus.template import EMPTY_PLAN
from esper.node.mining.templates import TemplateMaker, job_of
from esper.node.workers.search import SearchJob
from esper.primitives.networks import DEMO_ADDRESS
from tests.support.fake_work import fake_network

EASY = b"\x01" + b"\xff" * 63
"""A target that some attempt in a hundred meets."""


def _made() -> SearchJob:
    params = fake_network()
    chain = ProvenChain.genesis(params)
    template = TemplateMaker(params, DEMO_ADDRESS, bytes(32)).template(
        chain.context,
        chain.state,
        EMPTY_PLAN,
        model=params.model,
        time_ms=params.genesis_time_ms + 10_000,
    )
    made = job_of(1, template, chain.context)
    return replace(made, pre=replace(made.pre, target=EASY))


EASY_JOB = _made()
"""The first block's."""
