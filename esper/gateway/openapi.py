"""placeholder"""


def openapi_object() -> dict[str, object]:
    return {}
