"""Which URLs and addresses a webhook may go to. Pure: names are resolved elsewhere.

The address that is judged is the one that is dialled: a name is resolved once, so it cannot be
another's by then.
"""

import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

HTTPS_PORT: Final = 443
LONGEST_URL: Final = 2_048

_CGNAT: Final = ipaddress.ip_network("100.64.0.0/10")
_TRANSLATED: Final = tuple(
    map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))
)
"""Networks of IPv6 whose addresses hold one of IPv4, which may be anybody's."""


class WebhookURLError(ValueError):
    """No URL that a webhook may have: the sentence says what it must be."""


class WebhookAddressError(ValueError):
    """An address that is not called; the sentence says why."""


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """A URL in the parts that a request needs."""

    host: str
    """A name, or an address without brackets, in lower case."""
    port: int
    path: str
    """With the query, beginning with ``/``."""

    @property
    def host_header(self) -> str:
        """As the request names it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == HTTPS_PORT else f"{host}:{self.port}"


def read_webhook_url(url: str) -> WebhookTarget:
    """The parts of an https URL. Raises WebhookURLError."""
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise WebhookURLError(f"webhook: must be at most {LONGEST_URL} characters of ASCII")
    try:
        parts = urlsplit(url)
        port = parts.port or HTTPS_PORT
    except ValueError as error:
        raise WebhookURLError(f"webhook: {error}") from error
    if parts.scheme != "https" or not parts.hostname:
        raise WebhookURLError("webhook: must begin with https:// and name a host")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise WebhookURLError("webhook: must have no user, password or fragment")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return WebhookTarget(parts.hostname.lower(), port, path)


def check_address(text: str) -> None:
    """Refuse whatever is not a host of the open internet. Raises WebhookAddressError."""
    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise WebhookAddressError(f"{text!r} is no address") from error
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise WebhookAddressError("the address is of one link alone")
        if address.ipv4_mapped is not None:
            # Whoever dials it dials the address within.
            raise WebhookAddressError("the address is one of IPv4 in the clothes of IPv6")
        if any(address in network for network in _TRANSLATED):
            raise WebhookAddressError("the address holds one of IPv4")
    kinds = (
        (address.is_loopback, "this machine's own"),
        (address.is_unspecified, "no host's"),
        (address.is_link_local, "of one link alone"),
        (address.is_multicast, "of many hosts"),
        (address in _CGNAT, "behind a provider's translation"),
        (address.is_private or address.is_reserved or not address.is_global, "of a private net"),
    )
    for refused, words in kinds:
        if refused:
            raise WebhookAddressError(f"the address is {words}: a webhook goes to a public one")
