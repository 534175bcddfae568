"""Events from the service that a model runs in: standard library only, never in the way of an answer.

    from driftd.client import Client

    client = Client("http://127.0.0.1:9478/events", model="fraud", version="7")
    client.log(features={"amount": 12.5, "country": "DE"}, prediction=1, score=0.93)

Nothing here imports the daemon or numpy, so that a service pays for what it uses.
"""

from driftd.client.client import Client
from driftd.client.losses import Drop, Stats
from driftd.client.sending import Refused, Send, Unavailable

__all__ = ["Client", "Drop", "Refused", "Send", "Stats", "Unavailable"]
