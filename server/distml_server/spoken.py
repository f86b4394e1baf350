"""A join link as eight signs that can be said aloud, and how often they may be guessed. Pure: no clock, no sockets."""

import hmac
import secrets
from collections import deque
from dataclasses import dataclass, field

SIGNS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # 32 that are not taken for each other: 40 bits in eight
LENGTH = 8
MOST_A_MINUTE = 5  # wrong guesses of one address
MOST_AN_HOUR = 50  # of all addresses: 2**40 codes are not found out like that, and links work all the same


def fresh() -> str:
    return "".join(secrets.choice(SIGNS) for _ in range(LENGTH))


@dataclass
class Spoken:
    """The code of one coordinator."""

    code: str = field(default_factory=fresh, repr=False)
    _wrong: deque[tuple[float, str]] = field(default_factory=deque, repr=False)

    def locked_s(self, address: str, now_s: float) -> float:
        """For how many seconds this address is not answered; 0: it may guess."""
        while self._wrong and now_s - self._wrong[0][0] >= 3600:
            self._wrong.popleft()
        own = [at for at, who in self._wrong if who == address and now_s - at < 60]
        minute = own[-MOST_A_MINUTE] + 60 - now_s if len(own) >= MOST_A_MINUTE else 0.0
        hour = self._wrong[-MOST_AN_HOUR][0] + 3600 - now_s if len(self._wrong) >= MOST_AN_HOUR else 0.0
        return max(minute, hour)

    def right(self, guess: str, address: str, now_s: float) -> bool:
        """Whether this is the code, however it is spaced and cased; a wrong guess is remembered. Ask locked_s() before."""
        said = "".join(sign for sign in guess.upper()[:64] if sign.isalnum())
        found = hmac.compare_digest(said.encode(errors="replace"), self.code.encode())
        if not found:
            self._wrong.append((now_s, address))
        return found

    def __str__(self) -> str:
        return f"{self.code[:4]}-{self.code[4:]}"
