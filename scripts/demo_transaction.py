"""Sign a transaction of the demonstration wallet, whose key everyone holds. Bytes on stdout.

python scripts/demo_transaction.py --network devnet --nonce 0 stake 100 > stake.tx
python scripts/demo_transaction.py --network devnet --nonce 1 call "Once upon a time" > call.tx
esperd submit call.tx --datadir devnet-data
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from esper.consensus.genesis import genesis_hash
from esper.crypto.demo_key import demo_key
from esper.model import load_model
from esper.model.tokenizer import encode_text
from esper.node.signed_transaction import signed_transaction
from esper.primitives.address import Address
from esper.primitives.networks import network
from esper.primitives.params import NetworkParameters
from esper.primitives.units import UNITS_PER_ESP
from esper.vm.llm_call import LlmCall
from esper.vm.stake import Stake
from esper.vm.transaction import Payload
from esper.vm.transfer import Output, Transfer
from esper.vm.unstake import Unstake

GENESIS = Path(__file__).resolve().parents[1] / "genesis" / "model"


def payload_of(options: argparse.Namespace, params: NetworkParameters) -> Payload:
    """What the command line asks for."""
    if options.what == "stake":
        return Stake(round(options.amount * UNITS_PER_ESP))
    if options.what == "unstake":
        return Unstake(round(options.amount * UNITS_PER_ESP))
    if options.what == "send":
        receiver = Address.from_text(options.to, params.address_prefix).to_bytes()
        return Transfer((Output(receiver, round(options.amount * UNITS_PER_ESP)),))
    model = load_model(options.model)
    prompt = tuple(encode_text(model.tokenizer, options.prompt))
    bid = options.bid or params.credits.minimum_bid
    return LlmCall(params.model.model_id, prompt, options.max_tokens, bid)


def signed(options: argparse.Namespace) -> bytes:
    """The transaction's bytes."""
    params = network(options.network)
    return signed_transaction(
        demo_key(),
        payload_of(options, params),
        nonce=options.nonce,
        expiry=options.expiry,
        limits=params.limits,
        genesis_hash=genesis_hash(params),
    ).to_bytes()


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="devnet")
    parser.add_argument("--nonce", type=int, required=True, help="transactions made before")
    parser.add_argument("--expiry", type=int, default=1 << 31, help="last height")
    kinds = parser.add_subparsers(dest="what", required=True)
    for name in ("stake", "unstake"):
        kinds.add_parser(name).add_argument("amount", type=float, help="ESP")
    send = kinds.add_parser("send")
    send.add_argument("to", help="address")
    send.add_argument("amount", type=float, help="ESP")
    call = kinds.add_parser("call")
    call.add_argument("prompt")
    call.add_argument("--max-tokens", type=int, default=16)
    call.add_argument("--bid", type=int, help="micro-credits a token")
    call.add_argument("--model", type=Path, default=GENESIS, help="folder with the tokenizer")
    sys.stdout.buffer.write(signed(parser.parse_args()))


if __name__ == "__main__":
    main()
