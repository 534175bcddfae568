"""Sockets of attempts that failed are closed at once; kafka-python leaves them to the garbage collector.

driftd lets that run seldom. While a broker was away, a descriptor a second stayed open, until there were none left.
"""

from __future__ import annotations

from functools import cache, wraps
from typing import Any

from kafka.net.inet import KafkaNetSocket
from kafka.net.transport import KafkaSSLTransport


@cache
def close_failed_attempts() -> bool:
    """For all clients of this process, once; False where kafka-python looks different."""
    connect = getattr(KafkaNetSocket, "sock_connect", None)
    handshake = getattr(KafkaSSLTransport, "handshake", None)
    if connect is None or handshake is None:
        return False

    @wraps(connect)
    async def sock_connect(self: Any, net: Any, sock: Any, *where: Any, **options: Any) -> Any:
        try:
            return await connect(self, net, sock, *where, **options)
        except BaseException:
            sock.close()
            raise

    @wraps(handshake)
    async def closing_handshake(self: Any) -> None:
        sock = self._sock
        try:
            await handshake(self)
        except BaseException:
            sock.close()
            raise

    KafkaNetSocket.sock_connect = sock_connect
    KafkaSSLTransport.handshake = closing_handshake
    return True
