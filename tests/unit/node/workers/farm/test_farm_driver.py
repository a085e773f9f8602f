"""The driver and its workers, over a cluster of threads: what Ray would do, without Ray."""

import queue
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from esper.consensus.ports import WorkClaim
from esper.model import load_model
from esper.model.prompts import read_bank
from esper.node.workers.farm.driver.begin_records import (
    Begun,
    ChunkHead,
    State,
    begun_bytes,
    decode_begun,
    head_bytes,
)
from esper.node.workers.farm.driver.farm_driver import FarmDriver
from esper.node.workers.farm.driver.farm_worker import FarmWorker
from esper.node.workers.farm.driver.worker_files import FILES, CopiedFiles, cache_folder
from esper.node.workers.farm.link_messages import LinkKind, LinkMessage, sentence
from esper.node.workers.farm.shared_search import SHARE
from esper.node.workers.farm.ticket_check import TicketCheck
from esper.node.workers.farm.work_records import (
    claim_bytes,
    decode_claim,
    decode_face,
    decode_news,
    decode_reply,
    decode_told,
    told_bytes,
)
from esper.node.workers.farm.worker_spec import Role, WorkerSpec, decode_spec, spec_bytes
from esper.node.workers.native_work import NativeInference, NativeVerifier
from esper.node.workers.search import PromptSource
from esper.node.workers.worker_messages import Search
from esper.node.workers.worker_process import EngineChoice
from esper.primitives.networks import REGTEST
from tests.support.farm.assignments import EMBEDDED, entry_of, spec_of
from tests.support.farm.real_jobs import REAL_JOB
from tests.support.farm.thread_cluster import ThreadCluster

PATIENCE_S = 120
NOWHERE = Path("/nowhere")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where workers copy to."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return cache_folder()


@pytest.fixture(scope="module")
def claim() -> WorkClaim:
    """What a run of the genesis model says to one sequence."""
    model = load_model(EMBEDDED.model)
    tokens = tuple(model.encode("Once upon a time there was"))
    answers = NativeInference(model, 1).answer([tokens], 8, 4)
    return WorkClaim(model.model_id, b"b" * 64, 64, (8,), 4, (tokens,), answers)


class Told:
    """What the driver says."""

    def __init__(self) -> None:
        self._messages: queue.SimpleQueue[LinkMessage] = queue.SimpleQueue()

    def __call__(self, message: LinkMessage) -> None:
        self._messages.put(message)

    def next(self, kind: LinkKind) -> LinkMessage:
        """The next one of a kind; others are left out."""
        while True:
            message = self._messages.get(timeout=PATIENCE_S)
            if message.kind is kind:
                return message

    def first(self, *, but: LinkKind = LinkKind.NEWS) -> LinkMessage:
        while True:
            message = self._messages.get(timeout=PATIENCE_S)
            if message.kind is not but:
                return message


class Play:
    """A driver over threads."""

    def __init__(self) -> None:
        self.cluster, self.told = ThreadCluster(), Told()
        self.driver = FarmDriver(self.cluster, self.told)

    def ask(self, number: int, spec: WorkerSpec) -> None:
        self.driver.hear(LinkMessage(LinkKind.ASK, number, data=spec_bytes(spec)))

    def prove(self, number: int, call: int, claim: WorkClaim) -> None:
        self.driver.hear(LinkMessage(LinkKind.DO, number, call, claim_bytes(claim)))

    def end(self, *numbers: int) -> None:
        for number in numbers:
            self.driver.hear(LinkMessage(LinkKind.END, number))


def test_a_prover_proves_and_fails_in_words(claim: WorkClaim) -> None:
    play = Play()
    play.ask(3, spec_of(Role.PROVE))
    placed = play.told.first()
    assert (placed.kind, placed.worker) == (LinkKind.PLACED, 3)
    assert decode_face(placed.data).pid > 0
    assert play.told.next(LinkKind.NEWS).data == b""
    play.prove(3, 8, claim)
    done = play.told.next(LinkKind.DONE)
    assert (done.worker, done.call) == (3, 8)
    answer = decode_reply(done.data)
    assert not answer.failed
    NativeVerifier().verify(claim, answer.data)
    # An answer that somebody made up: the prover runs the model.
    [said] = claim.answers
    made_up = replace(said, tokens=(said.tokens[0] + 1, *said.tokens[1:]))
    play.prove(3, 9, replace(claim, answers=(made_up,)))
    answer = decode_reply(play.told.next(LinkKind.DONE).data)
    assert answer.failed
    assert "the prover's run differs" in sentence(answer.data)
    play.end(3)


def test_a_search_finds_among_its_nonces_and_stops_when_told() -> None:
    play = Play()
    play.ask(1, spec_of(Role.SEARCH))
    play.told.next(LinkKind.PLACED)
    search = Search(REAL_JOB, 5 * SHARE)
    play.driver.hear(LinkMessage(LinkKind.TELL, 1, data=told_bytes(search)))
    attempts, found = 0, b""
    while not found:
        news = decode_news(play.told.next(LinkKind.NEWS).data)
        attempts, found = attempts + news.attempts, news.found
    assert attempts > 0
    bank = PromptSource.of(read_bank(EMBEDDED.bank).prompts, REGTEST.model)
    check = TicketCheck(REGTEST.puzzle, REGTEST.model, bank)
    nonces = range(5 * SHARE, 6 * SHARE)
    ticket = check.checked(REAL_JOB, nonces, found, 1 << 62)
    assert ticket.pre.nonce in nonces
    # It searches no more, and a job whose target nothing meets ends with the next word.
    hard = replace(REAL_JOB, number=2, pre=replace(REAL_JOB.pre, target=bytes(63) + b"\1"))
    for job in (hard, None):
        play.driver.hear(LinkMessage(LinkKind.TELL, 1, data=told_bytes(Search(job, 0))))
        decode_news(play.told.next(LinkKind.NEWS).data)
        decode_news(play.told.next(LinkKind.NEWS).data)
    assert decode_news(play.told.next(LinkKind.NEWS).data).attempts == 0
    play.end(1)


def test_files_that_are_not_there_are_sent_once_and_kept(cache: Path, claim: WorkClaim) -> None:
    play = Play()
    given, absent = spec_of(Role.PROVE), spec_of(Role.PROVE, model=NOWHERE, bank=NOWHERE)
    source = (EMBEDDED.model, EMBEDDED.bank)
    assert (given.model, given.bank) == source
    worker = FarmWorker(spec_bytes(absent))
    assert decode_begun(worker.begin()).state is State.LACKING
    for place, path in enumerate((source[0] / FILES[0], source[0] / FILES[1], source[1])):
        data = path.read_bytes()
        worker.take(head_bytes(ChunkHead(place, 1000)), data[1000:])
        worker.take(head_bytes(ChunkHead(place, 0)), data[:1000])
    assert decode_begun(worker.begin()).state is State.READY
    NativeVerifier().verify(claim, decode_reply(worker.do(claim_bytes(claim))).data)
    # The next one on that machine finds them there.
    play.ask(1, absent)
    assert play.told.first().kind is LinkKind.PLACED
    assert play.cluster.shared == []
    [kept] = cache.iterdir()
    assert kept == CopiedFiles(entry_of(REGTEST), cache).folder
    play.end(1)


def test_a_copy_that_is_not_what_its_name_says_is_replaced(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = CopiedFiles(entry_of(REGTEST), cache)
    copied.folder.mkdir(parents=True)
    for name in FILES:
        (copied.folder / name).write_bytes(b"something else")
    play, loads = Play(), list[Path]()
    usual = FarmWorker._load

    def elsewhere(worker: FarmWorker, folder: Path, bank: Path) -> object:
        """As on a machine that has none of the node's files."""
        loads.append(folder)
        if folder == EMBEDDED.model:
            raise FileNotFoundError(folder)
        return usual(worker, folder, bank)

    monkeypatch.setattr(FarmWorker, "_load", elsewhere)
    play.ask(1, spec_of(Role.PROVE))
    assert play.told.first().kind is LinkKind.PLACED
    assert loads == [EMBEDDED.model, copied.folder, copied.folder]
    assert len(play.cluster.shared) == 3
    assert (copied.folder / FILES[0]).read_bytes() == (EMBEDDED.model / FILES[0]).read_bytes()
    play.end(1)


def test_who_cannot_begin_says_why(tmp_path: Path) -> None:
    play = Play()
    play.ask(1, spec_of(Role.PROVE, model=NOWHERE, bank=NOWHERE))
    gone = play.told.first()
    assert (gone.kind, gone.worker) == (LinkKind.GONE, 1)
    assert "nowhere" in sentence(gone.data)
    # The driver's own files are another model's.
    other = tmp_path / "other"
    shutil.copytree(EMBEDDED.model, other)
    entry = entry_of(REGTEST)
    wrong = replace(entry, model=replace(entry.model, model_id=type(entry.model_id)(bytes(64))))
    play.ask(2, replace(spec_of(Role.PROVE, model=other), entry=wrong))
    assert "is not the chain's" in sentence(play.told.first().data)
    engine = EngineChoice("torch", "cuda:99")
    play.ask(3, spec_of(Role.SEARCH, engine=engine))
    gone = play.told.first()
    assert (gone.kind, gone.worker) == (LinkKind.GONE, 3)


def test_a_worker_that_dies_is_told_once_and_asked_nothing_more(claim: WorkClaim) -> None:
    play = Play()
    play.ask(1, spec_of(Role.PROVE))
    play.told.next(LinkKind.PLACED)
    play.prove(1, 5, claim)
    play.cluster.workers[0].kill("killed by the system")
    gone = play.told.next(LinkKind.GONE)
    assert (gone.worker, sentence(gone.data)) == (1, "killed by the system")
    before = list(play.cluster.workers[0].asked)
    play.prove(1, 6, claim)
    play.driver.hear(LinkMessage(LinkKind.TELL, 1, data=told_bytes(Search(None))))
    play.end(1)
    assert play.cluster.workers[0].asked == before
    # Nothing was said of it after GONE: the next word is another worker's.
    play.ask(2, spec_of(Role.PROVE))
    assert play.told.first().worker == 2
    play.end(2)


class Slow:
    """A worker that takes in words slowly."""

    def __init__(self, spec: bytes) -> None:
        del spec
        self.go: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.words: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.taken: queue.SimpleQueue[int] = queue.SimpleQueue()
        MADE.append(self)

    def begin(self) -> bytes:
        return begun_bytes(Begun(State.READY))

    def listen(self) -> bytes:
        self.go.get(timeout=PATIENCE_S)
        return b""

    def tell(self, data: bytes) -> None:
        self.words.get(timeout=PATIENCE_S)
        self.taken.put(decode_told(data).first_nonce)


MADE: list[Slow] = []


def test_of_words_that_come_while_one_is_taken_in_the_last_counts() -> None:
    play = Play()
    play.cluster = ThreadCluster(Slow)
    play.driver = FarmDriver(play.cluster, play.told)
    play.ask(1, spec_of(Role.SEARCH))
    play.told.next(LinkKind.PLACED)
    for number in range(5):
        data = told_bytes(Search(None, number))
        play.driver.hear(LinkMessage(LinkKind.TELL, 1, data=data))
    [worker] = MADE
    for _ in range(5):
        worker.words.put(None)
    assert [worker.taken.get(timeout=PATIENCE_S) for _ in range(2)] == [0, 4]
    for _ in range(30):
        worker.go.put(None)
    play.told.next(LinkKind.NEWS)
    play.told.next(LinkKind.NEWS)
    assert worker.taken.empty()
    play.end(1)


def test_records_are_read_as_they_were_written(claim: WorkClaim) -> None:
    assert decode_claim(claim_bytes(claim)) == claim
    for search in (Search(None), Search(REAL_JOB, 7)):
        assert decode_told(told_bytes(search)) == search
    for role in Role:
        spec = spec_of(role, engine=EngineChoice("torch", "cuda"), gpus=1)
        assert decode_spec(spec_bytes(spec)) == spec


@pytest.mark.parametrize("kind", [LinkKind.UP, LinkKind.GONE, LinkKind.CONNECT])
def test_a_driver_is_told_nothing_else(kind: LinkKind) -> None:
    with pytest.raises(ValueError, match="not for the driver"):
        Play().driver.hear(LinkMessage(kind))
