"""A job of regtest for the genesis model, which the first attempts end."""

from esper.consensus.chain import ProvenChain
from esper.consensus.template import EMPTY_PLAN
from esper.node.mining.templates import TemplateMaker, job_of
from esper.node.workers.search import SearchJob
from esper.primitives.networks import DEMO_ADDRESS, REGTEST


def _made() -> SearchJob:
    chain = ProvenChain.genesis(REGTEST)
    template = TemplateMaker(REGTEST, DEMO_ADDRESS, bytes(32)).template(
        chain.context,
        chain.state,
        EMPTY_PLAN,
        model=REGTEST.model,
        time_ms=REGTEST.genesis_time_ms + 10_000,
    )
    return job_of(1, template, chain.context)


REAL_JOB = _made()
"""The first block's."""
