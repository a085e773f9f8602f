"""The integer engine in PyTorch, for graphics cards: installed with the extra ``torch``.

seam.open_stream        the way in: a stream on a device that has given all known answers
  known_answers         what a device is asked before it is believed
  stream.AnswerStream   continuous batching: sequences come and go, steps keep their shape
    schedule.Schedule   which rows a step has: plain Python
    steps.Steps         rows in, candidates out; replayed from a graph on CUDA
    forward.Forward     one step of the model over keys and values of all sequences
      halves.Linear     int16 by int8 as two or three int8 products, exact in int32

Only ``errors``, ``memory``, ``schedule`` and ``seam`` can be imported without torch. Every value is
an integer, from the embedding to the logits: ``docs/decisions/torch-engine.md``.
"""
