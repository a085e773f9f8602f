"""LangChain against a gateway, in an environment of its own: one line for each check that held.

Arguments: the address of /v1, and a key. It has no tests in it: ``test_clients.py`` runs it.
"""

import sys
from importlib import import_module
from typing import Any

# By name: the environment in which the tests are checked has no LangChain.
LANGCHAIN: Any = import_module("langchain_openai")
OPENAI: Any = import_module("openai")
TEXT = " was a little boy named Tim. He loved to"
PROMPT = "The little dog"


def main(url: str, key: str) -> None:
    chat = LANGCHAIN.ChatOpenAI(
        model="esper-t0", base_url=url, api_key=key, max_tokens=12, temperature=0, max_retries=0
    )
    said = chat.invoke(PROMPT)
    assert said.content == TEXT, said
    assert said.response_metadata["finish_reason"] == "length", said
    assert said.usage_metadata["output_tokens"] == 12, said
    print("chat")

    chunks = list(chat.stream(PROMPT))
    assert "".join(one.content for one in chunks) == TEXT, chunks
    assert len(chunks) > 1
    print("stream")

    many = chat.batch([PROMPT] * 4)
    assert {one.content for one in many} == {TEXT}
    print("batch")

    assert chat.bind(stop=["Tim"]).invoke(PROMPT).content == TEXT.partition("Tim")[0]
    told = chat.bind(logprobs=True, top_logprobs=2).invoke(PROMPT)
    assert len(told.response_metadata["logprobs"]["content"]) == 12
    print("stop and logprobs")

    turns = [("system", "Be short."), ("human", PROMPT), ("ai", "x"), ("human", PROMPT)]
    assert chat.invoke(turns).content
    print("turns")

    responses = LANGCHAIN.ChatOpenAI(
        model="esper-t0",
        base_url=url,
        api_key=key,
        max_tokens=12,
        max_retries=0,
        use_responses_api=True,
        store=False,
    )
    assert responses.invoke(PROMPT).text == TEXT
    assert "".join(one.text for one in responses.stream(PROMPT)) == TEXT
    print("responses")

    completion = LANGCHAIN.OpenAI(
        model="esper-t0", base_url=url, api_key=key, max_tokens=12, temperature=0, max_retries=0
    )
    assert completion.invoke(PROMPT) == TEXT
    assert "".join(completion.stream(PROMPT)) == TEXT
    print("completions")

    for more in (
        {"temperature": 0.7},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
    ):
        try:
            chat.bind(**more).invoke(PROMPT)
        except OPENAI.BadRequestError:
            pass
        else:
            raise AssertionError(f"{more} is answered")
    print("refusals")


if __name__ == "__main__":
    main(*sys.argv[1:])
