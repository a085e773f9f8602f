"""Text to token ids and back, with the model's own ``tokenizer.json``.

Every text becomes tokens here: calibration, prompts, calls and chats. What a file says about
training and serving is laid aside, because equal texts are to be equal tokens everywhere: nothing
is cut or padded, nothing is dropped by chance, and a text that spells a special token is text.
Special tokens are placed by the protocol and by a chat template alone.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tokenizers import AddedToken, Tokenizer

from esper.model.errors import MalformedFileError, TokenizerError
from esper.model.files.json_file import read_bytes
from esper.model.tokenizer_growth import check_growth

TOKENIZER_FILE = "tokenizer.json"
MAX_WORD_PIECE = 1_000
"""Characters of a word that the one algorithm of more than linear cost may be given; 100 is usual.
The others were measured up to 65,536 characters without a blank."""
_BYTE_PIECE = re.compile(r"<0x([0-9A-F]{2})>")


def load_tokenizer(directory: Path, vocab: int) -> Tokenizer:
    """Load the tokenizer of a model directory.

    Args:
        directory: the model directory.
        vocab: number of ids the model knows.

    Raises:
        MissingFileError, MalformedFileError: the file is absent or not a tokenizer.
        TokenizerError: it can produce ids the model does not know, or texts of any length.
    """
    return tokenizer_of(directory / TOKENIZER_FILE, read_tokenizer_file(directory), vocab)


def read_tokenizer_file(directory: Path) -> bytes:
    """Read ``tokenizer.json`` of a model directory. Raises MissingFileError."""
    remedy = f"copy the checkpoint's {TOKENIZER_FILE} beside the weights"
    if not directory.is_dir():
        remedy = "name the folder of a model"
    return read_bytes(directory / TOKENIZER_FILE, remedy)


def tokenizer_of(path: Path, content: bytes, vocab: int) -> Tokenizer:
    """Make a tokenizer from a file that was read; errors as in :func:`load_tokenizer`."""
    try:
        with package_errors():
            tokenizer = Tokenizer.from_buffer(content)
            largest = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
    except TokenizerError as error:
        raise MalformedFileError(path, str(error)) from error
    check_growth(path, tokenizer)
    longest = getattr(tokenizer.model, "max_input_chars_per_word", 0)
    if longest > MAX_WORD_PIECE:
        raise TokenizerError(
            f"{path} cuts words of up to {longest} characters into pieces, whose cost grows with "
            f"their square: set max_input_chars_per_word to {MAX_WORD_PIECE} at most"
        )
    if largest >= vocab:
        raise TokenizerError(
            f"{path} holds token id {largest}, the model knows ids below {vocab}; "
            "take the tokenizer the model was trained with"
        )
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = True
    if getattr(tokenizer.model, "dropout", None):
        tokenizer.model.dropout = None  # pieces left unmerged by chance
    return tokenizer


def encode_text(tokenizer: Tokenizer, text: str) -> list[int]:
    """Token ids of ``text`` without special tokens: those belong to the protocol.

    Raises TokenizerError for half a surrogate pair, for what the tokenizer has no token for, and
    for a spelled special token that the tokenizer's model reads as one by itself.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise TokenizerError(
            f"the text is not UTF-8 at character {error.start}; write it in UTF-8"
        ) from error
    with package_errors():
        ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    # Some models hold their special tokens among their pieces (Unigram, WordLevel).
    special, unknown = special_tokens(tokenizer), getattr(tokenizer.model, "unk_token", None)
    for token in special.keys() & set(ids):
        content = special[token].content
        if content in text and content != unknown:
            raise TokenizerError(
                f"the text spells the special token {content!r}, which this tokenizer cannot read "
                "as text; leave it out"
            )
    return ids


def special_tokens(tokenizer: Tokenizer) -> dict[int, AddedToken]:
    """The tokens that a tokenizer marks as special, by id."""
    return {i: token for i, token in tokenizer.get_added_tokens_decoder().items() if token.special}


def decode_answer(tokenizer: Tokenizer, prompt: list[int], answer: list[int]) -> str:
    """Text of ``answer`` as it follows ``prompt``, special tokens left out.

    Decoded together with the prompt, because decoders drop a blank at the start of a text. A
    character that begins in the prompt and ends in the answer is the answer's.

    Raises TokenizerError where the package fails at the decoder that the file describes.
    """
    shared = _bytes_over_the_border(tokenizer, prompt, answer)
    if shared is None:
        return added_text(tokenizer, prompt, answer)
    text, context, rest = shared
    return text + added_text(tokenizer, context, rest)


def added_text(tokenizer: Tokenizer, prompt: list[int], answer: list[int]) -> str:
    """What ``answer`` adds to the text of ``prompt``, where that does not end in single bytes.

    Raises TokenizerError as ``decode_answer``.
    """
    with package_errors():
        before: str = tokenizer.decode(prompt, skip_special_tokens=True)
        whole: str = tokenizer.decode(prompt + answer, skip_special_tokens=True)
    if whole.startswith(before):
        return whole[len(before) :]
    # Half a character at the end of the prompt shows as U+FFFD, and not with its other half.
    same = next(
        (place for place, pair in enumerate(zip(before, whole, strict=False)) if len({*pair}) > 1),
        min(len(before), len(whole)),
    )
    return whole[same:]


def _bytes_over_the_border(
    tokenizer: Tokenizer, prompt: list[int], answer: list[int]
) -> tuple[str, list[int], list[int]] | None:
    """The text of the bytes that begin ``answer``; what the rest follows, and the rest.

    None where ``prompt`` does not end in bytes. The package decodes neighbouring bytes together,
    and shows all of them as U+FFFD if one is wrong: characters of the prompt would change with what
    follows them.
    """
    if tokenizer.decoder is None or b'"ByteFallback"' not in _state(tokenizer):
        return None
    special = special_tokens(tokenizer)

    def leading(tokens: Iterable[int]) -> tuple[bytes, int]:
        found, taken = bytearray(), 0
        for place, token in enumerate(tokens, start=1):
            if token in special:
                continue
            piece = _BYTE_PIECE.fullmatch(tokenizer.id_to_token(token) or "")
            if piece is None:
                break
            found.append(int(piece[1], 16))
            taken = place
        return bytes(found), taken

    before, length = leading(reversed(prompt))
    if not before:
        return None
    after, taken = leading(answer)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(before[::-1])
    begun, _ = decoder.getstate()
    try:
        codecs.utf_8_decode(begun + after[:1], "strict", False)
    except UnicodeDecodeError:
        begun = b""  # no character: the prompt's own fault
    # A whole character in place of the bytes: the rest follows a text, as it did.
    stand_in = tokenizer.token_to_id("<0x41>")
    context = prompt[: len(prompt) - length] + ([] if stand_in is None else [stand_in])
    text = (begun + after).decode(errors="replace") if after else ""
    return text, context, answer[taken:]


def _state(tokenizer: Tokenizer) -> bytes:
    """The decoder of a tokenizer as the file describes it."""
    state = tokenizer.decoder.__getstate__()
    return state if isinstance(state, bytes) else json.dumps(state).encode()


@contextmanager
def package_errors() -> Iterator[None]:
    """Turn what `tokenizers` raises, plain Exception and panics, into TokenizerError."""
    try:
        yield
    except Exception as error:
        raise TokenizerError(f"the tokenizer fails: {error}") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise TokenizerError(f"the tokenizer fails: {error}") from error
