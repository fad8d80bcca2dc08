"""When to try the broker again, in which protocol version, and when the log hears of it. Pure: no clock, no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from tosser.events.settings import MqttVersion
from tosser.events.trouble import UNSUPPORTED_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from tosser.errors import BrokerError

_FIRST_PAUSE = 0.2
_SHORT_PAUSE = 1.0
_GROWTH = 1.5
_LONGEST_PAUSE = 60.0
_STABLE = 10.0
_FIRST_SILENCE = 60.0
_LONGEST_SILENCE = 3600.0


class Retry(Struct, frozen=True):
    """What to do after a failure.

    Attributes:
        pause: seconds to wait.
        attempts: how many attempts have failed since the last stable connection.
        tell: whether the log is to hear of this one.
        fall_back: whether this is only about the version, and another one is tried at once.
    """

    pause: float
    attempts: int
    tell: bool
    fall_back: bool = False


class Reconnects:
    """The attempts to reach one broker.

    Args:
        version: the highest version of the protocol to speak.
        uniform: draws a number between two bounds, such as `random.uniform`.
        fall_back: whether a lower version does, too.
    """

    def __init__(
        self, version: MqttVersion, uniform: Callable[[float, float], float], *, fall_back: bool = True
    ) -> None:
        self._highest = version
        self._lowest = MqttVersion.V311 if fall_back else version
        self._uniform = uniform
        self._attempts = 0
        self._connected_at: float | None = None
        self._told = ""
        self._tell_at = 0.0
        self._silence = _FIRST_SILENCE
        self.version = version
        """The version to speak at the next attempt."""

    def connected(self, now: float) -> None:
        """Note that an attempt came through."""
        self._connected_at = now
        self._told = ""

    def failed(self, error: BrokerError, now: float, *, explained: bool = False) -> Retry:
        """Note that an attempt failed, or that the connection was lost, and say what is next.

        Args:
            error: what happened.
            now: seconds of any clock that only goes forward.
            explained: whether the loss is one message's fault that will not be tried again soon, so that a growing
                pause would only hold up the others.

        A refusal of MQTT 5 is followed by 3.1.1 at once; everything else by a pause with full jitter, which grows until
        a connection has been stable. After a connection in 3.1.1 the next attempt is in 5 again: the broker may be
        another one by now.
        """
        if explained:
            self._connected_at = None
            return Retry(self._uniform(0, _SHORT_PAUSE), self._attempts, tell=False)
        refused = error.code == UNSUPPORTED_VERSION and self._connected_at is None and self.version is not self._lowest
        self.version = self._lowest if refused else self._highest
        if refused:
            return Retry(0.0, self._attempts, tell=True, fall_back=True)
        if self._connected_at is not None and now - self._connected_at >= _STABLE:
            self._attempts = 0
        self._connected_at = None
        self._attempts += 1
        return Retry(self._pause(), self._attempts, self._tell(error.what, now))

    def _pause(self) -> float:
        if self._attempts == 1:
            return self._uniform(0, _FIRST_PAUSE)
        return self._uniform(0, min(_GROWTH ** min(self._attempts, 20), _LONGEST_PAUSE))

    def _tell(self, what: str, now: float) -> bool:
        if what == self._told and now < self._tell_at:
            return False
        self._silence = min(self._silence * 2, _LONGEST_SILENCE) if what == self._told else _FIRST_SILENCE
        self._told = what
        self._tell_at = now + self._silence
        return True
