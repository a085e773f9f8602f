"""One honest record of each kind that node, driver and workers of a farm say to each other."""

from esper.consensus.ports import WorkClaim
from esper.node.workers.farm.driver.begin_records import (
    Begun,
    ChunkHead,
    State,
    begun_bytes,
    head_bytes,
)
from esper.node.workers.farm.link_messages import LinkKind, LinkMessage, link_bytes
from esper.node.workers.farm.work_records import (
    SearchNews,
    WorkerFace,
    WorkReply,
    claim_bytes,
    face_bytes,
    news_bytes,
    reply_bytes,
    told_bytes,
)
from esper.node.workers.farm.worker_spec import LOADABLE, Role, spec_bytes
from esper.node.workers.worker_messages import Search
from esper.primitives.codec import encode
from esper.primitives.ids import ModelId
from esper.primitives.networks import REGTEST
from esper.primitives.work_outputs import Candidate, ProvenAnswer
from tests.support.farm.assignments import entry_of, spec_of
from tests.support.farm.search_jobs import EASY_JOB

_SAID = ProvenAnswer((5, 2), ((Candidate(5, 9), Candidate(6, -9)), (Candidate(2, 7),)))
_CLAIM = WorkClaim(ModelId(bytes(64)), bytes(64), 64, (8,), 2, ((1, 4),), (_SAID,))

LINK = link_bytes(LinkMessage(LinkKind.DONE, 3, 4, b"data"))
TOLD = told_bytes(Search(EASY_JOB, 7))
NEWS = news_bytes(SearchNews(1, 2, 3, b"found"))
CLAIM = claim_bytes(_CLAIM)
REPLY = reply_bytes(WorkReply(0, b"proof"))
FACE = face_bytes(WorkerFace(b"host", 8))
SPEC = spec_bytes(spec_of(Role.PROVE))
ENTRY = encode(LOADABLE, entry_of(REGTEST))
BEGUN = begun_bytes(Begun(State.UNFIT, b"why"))
HEAD = head_bytes(ChunkHead(1, 2))
