"""`esper console`: a link that signs in to the console, once, within a minute."""

from __future__ import annotations

from esper.cli.esper import environment
from esper.cli.esper.keys.key_place import gateway_store
from esper.cli.esper.session import DEFAULT_DATADIR, Datadir, Json, session
from esper.gateway.console.session_secrets import CODE_LASTS_MS, SECRET_BYTES, kept_hash
from esper.node.clock import wall_ms
from esper.rpc.auth import read_cookie
from esper.rpc.client import NodeUnreachableError


def console_command(datadir: Datadir = DEFAULT_DATADIR, as_json: Json = False) -> None:
    """A link that signs in to the node's console in a browser: good once, for a minute.

    A session lasts 12 hours; `esper key revoke console` ends all of them at once.
    """
    with session(datadir, None, as_json) as s:
        node = read_cookie(s.datadir)
        if node is None:
            raise NodeUnreachableError(str(s.datadir), "no node runs there")
        code = environment.randomness(SECRET_BYTES).hex()
        now = wall_ms()
        with gateway_store(s, None) as store:
            store.sign_ins.add_code(kept_hash(code), now, now + CODE_LASTS_MS)
        link = f"{node.url.rstrip('/')}/console#{code}"
        s.answer({"link": link, "expires_ms": now + CODE_LASTS_MS}, link)
