"""What each page reads; one small module a page."""

from collections.abc import Mapping
from typing import Final

from esper.explorer.page import MakePage
from esper.explorer.pages.address import address
from esper.explorer.pages.block import block
from esper.explorer.pages.call import call
from esper.explorer.pages.console import console
from esper.explorer.pages.dao import dao
from esper.explorer.pages.home import home
from esper.explorer.pages.mempool import mempool
from esper.explorer.pages.miners import miners
from esper.explorer.pages.models import models
from esper.explorer.pages.peers import peers
from esper.explorer.pages.receipt import receipt
from esper.explorer.pages.search import search
from esper.explorer.pages.tiers import tiers
from esper.explorer.pages.transaction import transaction
from esper.explorer.pages.usage import usage

PAGES: Final[Mapping[str, MakePage]] = {
    "/": home,
    "/block/{name}": block,
    "/tx/{txid}": transaction,
    "/call/{txid}": call,
    "/address/{address}": address,
    "/models": models,
    "/mempool": mempool,
    "/search": search,
    "/tiers": tiers,
    "/miners": miners,
    "/peers": peers,
    "/dao": dao,
    "/receipt": receipt,
    "/console": console,
    "/usage": usage,
}
"""By path. The console's page holds nothing of anybody: what it asks for is what is guarded."""
