"""Bytes of an answer as whole characters: what a token cuts waits for the next one."""

import codecs


class Characters:
    """An incremental reader of UTF-8. Bytes that are none become U+FFFD."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, data: bytes) -> str:
        """The characters that ``data`` completes; at most 3 bytes are held back."""
        return self._decoder.decode(data)

    def end(self) -> str:
        """U+FFFD for a character that was never completed, else nothing."""
        return self._decoder.decode(b"", final=True)
