"""The test doubles that every test may use: a clock moved by hand and ids that count."""


class ManualClock:
    """The `Clock` port, moved by hand. Both its times move together."""

    def __init__(self, now_ns: int = 1_795_000_000_000_000_000) -> None:
        """The default is a Wednesday in November 2026, 11:06:40 UTC."""
        self._now_ns = now_ns

    def now_ns(self) -> int:
        return self._now_ns

    def monotonic_ns(self) -> int:
        return self._now_ns

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now_ns += round(seconds * 1e9)

    def set_ns(self, now_ns: int) -> None:
        """Jump, backwards too."""
        self._now_ns = now_ns


class SequentialIds:
    """The `Ids` port, counting: the same calls give the same ids. `prefix` (one hex digit) keeps two counters apart."""

    def __init__(self, prefix: str = "0") -> None:
        self._prefix = prefix
        self._uuids = 0
        self._commands = 0
        self._secrets = 0

    def uuid(self) -> str:
        self._uuids += 1
        return f"{self._prefix * 8}-0000-4000-8000-{self._uuids:012x}"

    def command_id(self) -> str:
        self._commands += 1
        return f"{self._prefix}C{self._commands:018d}"

    def secret(self) -> str:
        self._secrets += 1
        return f"{self._prefix}s{self._secrets:038d}"
