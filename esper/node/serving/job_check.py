"""Whether a job fits the model that is to do it."""

from typing import Final

from esper.gateway.engine_port import EngineModel, Job

MOST_TOP: Final = 20
MOST_GROUP_BYTES: Final = 64


class JobError(ValueError):
    """A job that does not fit its model: whoever made it was to refuse the request."""


def check_job(job: Job, model: EngineModel) -> None:
    """Raises JobError, which names the field, for a job that the engine would refuse."""
    length, rows = len(job.prompt), model.rows
    if not job.prompt:
        raise JobError("prompt: at least one token is needed")
    if job.max_tokens < 1:
        raise JobError(f"max_tokens: at least 1, got {job.max_tokens}")
    if length + job.max_tokens > rows + 1:
        raise JobError(
            f"max_tokens: {length} tokens and an answer of {job.max_tokens} pass {rows} rows + 1"
        )
    outside = next((one for one in job.prompt if not 0 <= one < model.vocabulary), None)
    if outside is not None:
        raise JobError(f"prompt: token {outside} is not below {model.vocabulary}")
    most = min(MOST_TOP, model.vocabulary)
    if not 0 <= job.top <= most:
        raise JobError(f"top: 0 to {most}, got {job.top}")
    if len(job.group.encode()) > MOST_GROUP_BYTES:
        raise JobError(f"group: at most {MOST_GROUP_BYTES} bytes")
    if not 0 <= job.public <= length:
        raise JobError(f"public: 0 to the prompt's {length} tokens, got {job.public}")
