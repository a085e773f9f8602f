"""Whether a request comes from a page that this server sent.

Cookies, and what browsers call same-site, ignore ports: another program of this machine is not us.
"""

from starlette.requests import HTTPConnection


def is_own_page(request: HTTPConnection) -> bool:
    """By Origin, to the port; where there is none, by Sec-Fetch-Site."""
    origins = request.headers.getlist("origin")
    if origins:
        own = f"{request.url.scheme}://{request.headers.get('host', '')}".lower()
        return [one.lower() for one in origins] == [own]
    return request.headers.getlist("sec-fetch-site") == ["same-origin"]
