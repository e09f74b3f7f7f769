"""Access control: one middleware in front of everything.

A page of a browser is an open door to servers of the same machine. Against other sites: the ``Host`` header
(DNS rebinding), ``Origin`` and a header that no form can send (forged requests), a cookie with
``SameSite=Strict``, no CORS. Against other users: a token that only the terminal shows. Against text that
turns out to be markup: a policy that runs nothing but files of ours.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .failures import failure

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
HTTP_PORT = 80
LONGEST_PATH = 1000
"""In characters; none of ours is nearly as long."""
SAFE_METHODS = ("GET", "HEAD")
API = "/api"
LOGIN = "/api/session"


@dataclass(frozen=True)
class Gate:
    """What requests have to show."""

    port: int
    hosts: tuple[str, ...] = LOOPBACK
    """Names by which the server may be addressed."""
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """256 random bits for the address that is printed."""
    cookie: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """256 random bits that the token is exchanged for."""

    @property
    def cookie_name(self) -> str:
        """Cookies know no ports, so that the name has to."""
        return f"vos-{self.port}"

    @property
    def netlocs(self) -> tuple[str, ...]:
        """The values of ``Host`` that are allowed."""
        bare = self.hosts if self.port == HTTP_PORT else ()  # browsers leave that port out
        return (*bare, *(f"{host}:{self.port}" for host in self.hosts))

    def is_token(self, text: str) -> bool:
        """Whether this is the token, in constant time."""
        return hmac.compare_digest(text.encode(), self.token.encode())

    def set_cookie(self) -> str:
        """The header that sets the cookie."""
        return f"{self.cookie_name}={self.cookie}; HttpOnly; SameSite=Strict; Path=/"

    def has_cookie(self, header: str) -> bool:
        """Whether a ``Cookie`` header holds the cookie, in constant time."""
        # By hand: other servers of this machine send cookies of any form along, and parsers end at the first
        # that is malformed.
        pairs = (part.strip().partition("=") for part in header.split(";"))
        values = [value for name, _, value in pairs if name == self.cookie_name]
        return any(hmac.compare_digest(value.encode(), self.cookie.encode()) for value in values)


class GateMiddleware:
    """Refuses what :class:`Gate` does not allow, and adds :data:`HEADERS` to every answer."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self.app = app
        self.gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store" if _is_api(scope["path"]) else "no-cache")
            await send(message)

        refused = self._refusal(scope)
        if refused is not None:
            status, kind, text = refused
            await failure(status, kind, text)(scope, receive, send_with_headers)
            return
        await self.app(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self.gate.netlocs:
            return 400, "host", "wrong Host: use the address that vos annotate printed"
        if len(scope["path"]) > LONGEST_PATH:
            return 404, "unknown", "there is nothing at this address"
        if scope["method"] not in SAFE_METHODS:
            if headers.get("origin", "") != f"http://{hosts[0].lower()}":
                return 403, "origin", "requests come from the page of this server only"
            if headers.get("x-vos") != "1":
                return 403, "header", "the header X-Vos: 1 is missing"
        is_open = not _is_api(scope["path"]) or scope["path"] == LOGIN
        if not is_open and not self.gate.has_cookie(headers.get("cookie", "")):
            return 401, "session", "no session: open the address that vos annotate printed"
        return None


def _is_api(path: str) -> bool:
    return path == API or path.startswith(f"{API}/")
