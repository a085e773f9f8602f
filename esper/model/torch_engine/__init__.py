"""The integer engine in PyTorch, for graphics cards: an extra, ``esperchain[torch]``.

open_search(...)            the stream that a search feeds, tested before it is given away
  open_model(...)           weights on a device, their bounds proven
    AnswerStream            continuous batching: sequences come and go, every step has the same shape
      Schedule              which rows a step has: plain Python
      Forward               one step of the model
        Linear              int16 by int8 as two or three int8 products, exact in int32

Only ``errors``, ``memory``, ``schedule`` and ``seam`` can be imported without torch. Every value is
an integer, from the embedding to the logits: ``docs/decisions/torch-engine.md``.
"""
