"""Telling systemd how we are (sd_notify); nothing happens outside a unit of Type=notify."""

from __future__ import annotations

import os
import socket


def notify(message: str) -> None:
    """Sends ``message`` (READY=1, STOPPING=1, RELOADING=1, WATCHDOG=1, STATUS=...) to NOTIFY_SOCKET if there is one."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as s:
        try:
            s.connect(address)
            s.sendall(message.encode())
        except OSError:
            return  # systemd has gone; there is nobody left to tell
