"""What is asked of one member of a group is done by the one that can, and what is for all models by every one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from driftd.cli.ask import answer_to, read
from driftd.core.errors import ActRefused, SourceError
from driftd.core.text import clean

_REPLICA: Final = re.compile(r"(.*-)\d+(\..+)")
"""A name of one replica among several, such as ``driftd-0.driftd.svc``; what is before and after its number."""


def sent(url: str, path: str, form: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The answer to a form. Raises ActRefused where it is refused, SourceError where nobody answers.

    A member that cannot do it names those that may be able to; each of them is asked once.
    """
    data = urlencode(form, errors="replace").encode()
    if ("all", "1") in form:
        return _sent_to_all(url, path, data)
    try:
        return _sent(url, path, data)
    except ActRefused as e:
        refused = e
    why = list[ActRefused | SourceError]()
    for member in refused.members:
        try:
            return _sent(_as_there(url, member), path, data)
        except ActRefused as e:
            why += [] if e.members else [e]
        except SourceError as e:
            why.append(e)
    raise why[0] if why else refused


def _sent_to_all(url: str, path: str, data: bytes) -> dict[str, Any]:
    """Raises ActRefused, too, where some members have done it and others have not."""
    done, left, nothing = list[str](), list[str](), ActRefused("")
    try:
        body = _sent(url, path, data)
        done, members = [body["done"]], [*map(str, body.get("members", ()))]
    except ActRefused as e:
        if not e.members:
            raise
        members, nothing = [*e.members], e
    for member in members:
        try:
            done.append(_sent(_as_there(url, member), path, data)["done"])
        except ActRefused as e:
            left += [] if e.members else [str(e)]  # else it judges no model
        except SourceError as e:
            left.append(str(e))
    if left:
        lines = [clean(line, 400) for text in done for line in text.splitlines()]
        raise ActRefused("\n".join([*lines, "not done everywhere:", *left]))
    if not done:
        raise nothing
    return {"done": "\n".join(done), "members": members}


def _sent(url: str, path: str, data: bytes) -> dict[str, Any]:
    body = read(url, answer_to(url, path, data))
    if not isinstance(body.get("done"), str):
        raise SourceError(f"{clean(url)}: no driftd answers there; --url names another")
    return body


def _as_there(url: str, member: str) -> str:
    """The member's address, with the login of ``url``. Raises ActRefused where it might go to a stranger: which
    addresses there are is said in a topic.
    """
    first, then = urlsplit(url), urlsplit(member)
    login, at, _ = first.netloc.rpartition("@")
    if not at:
        return member
    safe = "@" not in then.netloc and (then.scheme == "https" or first.scheme == "http")
    if not safe or not _alike(first.hostname or "", then.hostname or ""):
        raise ActRefused(f"{clean(member)} can do it, but the login is not sent there by itself: give it in --url")
    return f"{then.scheme}://{login}@{then.netloc}{then.path}"


def _alike(one: str, other: str) -> bool:
    """Whether they are one host, or replicas whose names differ in their number alone."""
    known, there = _REPLICA.fullmatch(one), _REPLICA.fullmatch(other)
    return one == other or (known is not None and there is not None and known.groups() == there.groups())
