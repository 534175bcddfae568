"""Who may ask: names that lead here (DNS rebinding), pages of other sites, and what nobody changes without a login."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Collection, Mapping
from email.message import Message
from typing import Any, Final
from urllib.parse import urlsplit

from driftd.core.act import MOST_NAME

FORWARDED: Final = (
    *(
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
    ),
    *(
        "X-Forwarded-Server",
        "X-Original-Forwarded-For",
        "X-Original-URI",
        "X-Real-IP",
        "X-Client-IP",
        "X-Cluster-Client-IP",
    ),
    *("True-Client-IP", "CF-Connecting-IP", "Fastly-Client-IP", "X-Envoy-External-Address", "X-Request-Start", "Via"),
)
"""What proxies add. nginx adds nothing unless it is told, but speaks HTTP/1.0 then, as no browser and no curl does."""


def refused_host(headers: Message, hosts: Collection[str], *, loopback: bool) -> str:
    """Why the request's Host is none of ours; empty where it is.

    A page of another site can point its own name at our address, and a browser then takes us for that site. So an
    address of numbers is always right, ``localhost`` too; other names only where they are among ``hosts``, or where
    there are none and we do not listen on ``loopback``.
    """
    given = headers.get_all("Host") or []
    if len(given) > 1:
        return "more than one Host"
    if not given or not given[0]:  # no browser leaves it out
        return ""
    name = _name("//" + given[0])
    if name == "localhost" or is_address(name) or name in hosts or not (hosts or loopback):
        return ""
    return "this name is not one of driftd's; add it to http.hosts if it should be"


def refused_origin(headers: Message) -> str:
    """Why a request that changes something comes from a page of another site; empty where it does not."""
    site, origin = headers.get("Sec-Fetch-Site", "none"), headers.get("Origin")
    if site not in {"none", "same-origin"} or (origin is not None and _host(origin) != headers.get("Host", "").lower()):
        return "requests from another site's page are refused"
    return ""


LOCAL: Final = "local"
"""What a client on this machine is called that nobody asked for a login."""


def known_as(connection: object, client: str, headers: Message, *, user: str, version: str = "HTTP/1.1") -> str:
    """The client's name: that of the ``user`` whose password was asked for, that of its certificate, or LOCAL; "" where
    it has not logged in and is not on this machine.

    A proxy on this machine forwards for others.
    """
    certificate = connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else None
    name = user or (_subject(certificate) if certificate else "")
    if name:
        return name[:MOST_NAME] if name.isprintable() else ascii(name)[1:-1][:MOST_NAME]
    forwarded = version != "HTTP/1.1" or any(name in headers for name in FORWARDED)
    return LOCAL if is_loopback(client) and not forwarded else ""


def _subject(certificate: Mapping[str, Any]) -> str:
    """The common name of a certificate, else its first other name."""
    subject = {key: value for part in certificate.get("subject", ()) for key, value in part}
    others = [value for _, value in certificate.get("subjectAltName", ())]
    return str(subject.get("commonName") or next(iter(others), "certificate"))


def is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(address: str) -> bool:
    """Also of an IPv4 client on an IPv6 socket."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address == "localhost"
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback


def _host(url: str) -> str:
    """Host and port as they stand; empty where there are none."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def _name(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
