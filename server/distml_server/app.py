"""The coordinator's HTTP side: the page, the library, assets, /api and the socket, under one set of headers."""

import asyncio
import functools
import hashlib
import json
import logging
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.http import HttpProcessingError

from distml_py import wire

from . import metrics, wheel
from .access import Access, host_name, is_v6
from .addresses import owner_of
from .assets import read_lock, shipped_folder
from .coordinator import START_BYTES, Coordinator
from .curve import Curve
from .departures import watched
from .files import IMMUTABLE, Handler, bytes_of, file_of, folder_of
from .listening import WAITING
from .pages import Pages
from .recipes import listing
from .sockets import Connection, serve
from .spoken import Spoken

if TYPE_CHECKING:
    from .cluster.member import Member

LOG = logging.getLogger("distml_server.http")
MOST_CONNECTIONS = 2000
IDLE_S = 20.0  # a connection without a whole request
CODE_HEADER = "X-Distml-Code"
ENGINE_PATH = "/web/engine_worker.js"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Permissions-Policy": "camera=(self)",
}
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src {connect};"
    " style-src 'self'; img-src 'self' data: blob:; font-src 'self'; form-action 'none'; base-uri 'none';"
    " frame-ancestors {frames}"
)
PLAIN_ASSETS = 'content="assets/"'
# what /bench compares the library with
RIVALS = {"tfjs": "@tensorflow/tfjs", "jaxjs": "@jax-js/jax"}


def create_app(
    coordinator: "Coordinator | Member",
    access: Access,
    assets: Path | None,
    defaults: dict[str, Any],
    packages: Sequence[wheel.Package] = (),
    per_address: int = MOST_CONNECTIONS,
) -> web.Application:
    """assets: the folder of Pyodide and NumPy, None for a coordinator without a page; defaults: recipe, steps, seed.

    packages: what recipes may import besides; per_address: connections that one address may have open.
    """
    app = web.Application(middlewares=[watched, _only_for(access)], client_max_size=64 * 1024)
    app.on_response_prepare.append(_headers_for(access))

    def may_read(request: web.Request) -> bool:
        return access.may_read(request.headers.get("Authorization", ""), owner_of(request.remote), request.host)

    async def info(request: web.Request) -> web.StreamResponse:
        known = defaults if may_read(request) else dict.fromkeys(defaults)
        return _json(request, {"version": code_version(), "protocol": wire.PROTOCOL, "lan": access.lan, **known})

    async def status(request: web.Request) -> web.StreamResponse:
        if not may_read(request):
            raise web.HTTPUnauthorized(text="with --lan the status needs the header `Authorization: Bearer TOKEN`")
        return _json(request, coordinator.status())

    _add_health(app, coordinator, may_read)
    _add_curve(app, coordinator, may_read)

    async def qr(request: web.Request) -> web.StreamResponse:
        """The join link as rows of 0 and 1 with their quiet zone: for the projector, which a host opens."""
        if not access.holds_link(request.headers.get("Authorization", "")):
            raise web.HTTPUnauthorized(text="the join link is shown to who has it: `Authorization: Bearer TOKEN`")
        return _json(request, {"rows": _drawn(coordinator.invitation)})

    if access.spoken is not None:
        app.router.add_get("/api/code", _by_code(access, access.spoken))
    app.router.add_get("/api/qr", qr)
    app.router.add_get("/ws", _socket(coordinator, access, per_address))
    app.router.add_get("/api/info", info)
    app.router.add_get("/api/status", status)
    if assets is not None:
        _add_page(app, assets, packages)
    return app


def runner_of(app: web.Application, shutdown_timeout_s: float) -> web.AppRunner:
    """Who asks for nothing, or sends a request bit by bit, keeps a connection for IDLE_S; aiohttp would allow an hour."""
    LOG.addFilter(_ours)
    return web.AppRunner(app, access_log=None, logger=LOG, shutdown_timeout=shutdown_timeout_s, keepalive_timeout=IDLE_S)


def _ours(record: logging.LogRecord) -> bool:
    """What is no HTTP is answered 400, and is nobody's traceback: anybody could fill a disk with them, or show a token there."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


class Crowded(asyncio.Protocol):
    """Of a connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


async def answer(runner: web.AppRunner, listener: socket.socket, most: int) -> asyncio.Server:
    """Takes connections while there are fewer than `most`: without a file left to open nothing could be stored any more.

    Anybody may make one, and it asks for nothing for as long as IDLE_S.
    """
    server = runner.server
    assert server is not None

    def next_one() -> asyncio.Protocol:
        return server() if len(server.connections) < most else Crowded()

    return await asyncio.get_running_loop().create_server(next_one, sock=listener, backlog=WAITING)


def _by_code(access: Access, spoken: Spoken) -> Handler:
    """The join link's token for who says the code. In a header: addresses are logged, and other sites' pages cannot set one."""

    async def by_code(request: web.Request) -> web.StreamResponse:
        if not access.origin_allowed(request.headers.get("Origin"), request.host):
            raise web.HTTPForbidden(text="this page was not served by this coordinator")
        address, now_s = owner_of(request.remote), time.monotonic()
        locked_s = spoken.locked_s(address, now_s)
        if locked_s > 0:
            wait = {"Retry-After": str(int(locked_s) + 1)}
            raise web.HTTPTooManyRequests(text=f"too many wrong codes: wait {locked_s:.0f} s, or open the link", headers=wait)
        if not spoken.right(request.headers.get(CODE_HEADER, ""), address, now_s):
            raise web.HTTPForbidden(text="that is not the code")
        access.refresh()
        return web.json_response({"token": access.worker_token})

    return by_code


def _add_curve(app: web.Application, coordinator: "Coordinator | Member", may_read: Callable[[web.Request], bool]) -> None:
    curve = Curve()

    async def following(_: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(curve.follow(lambda: coordinator.status(0)))
        yield
        task.cancel()

    async def points(request: web.Request) -> web.StreamResponse:
        if not may_read(request):
            raise web.HTTPUnauthorized(text="with --lan the curve needs the header `Authorization: Bearer TOKEN`")
        return _json(request, {"run": curve.run, "points": curve.points})

    app.cleanup_ctx.append(following)
    app.router.add_get("/api/curve", points)


def _add_health(app: web.Application, coordinator: "Coordinator | Member", may_read: Callable[[web.Request], bool]) -> None:
    async def alive(request: web.Request) -> web.StreamResponse:
        return web.Response(text="ok")

    async def ready(request: web.Request) -> web.StreamResponse:
        trouble = "ending" if coordinator.ending else "" if coordinator.stores else "cannot store"
        return web.Response(text=trouble or "ok", status=503 if trouble else 200)

    async def measured(request: web.Request) -> web.StreamResponse:
        if not may_read(request):
            raise web.HTTPUnauthorized(text="with --lan the metrics need the header `Authorization: Bearer TOKEN`")
        clipped = coordinator.model.sieve.clipped if coordinator.model else 0
        return web.Response(text=metrics.exposition(coordinator.status(), clipped, coordinator.stores))

    app.router.add_get("/healthz", alive)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/metrics", measured)


def _socket(coordinator: "Coordinator | Member", access: Access, per_address: int) -> Handler:
    """Lets connections in, or not, before there is a socket."""
    connections: set[Connection] = set()
    addresses: Counter[str] = Counter()

    async def socket(request: web.Request) -> web.StreamResponse:
        if not access.origin_allowed(request.headers.get("Origin"), request.host):
            raise web.HTTPForbidden(text="this page was not served by this coordinator")
        if len(connections) >= MOST_CONNECTIONS:
            raise web.HTTPServiceUnavailable(text=f"{MOST_CONNECTIONS} connections are open; close a tab and try again")
        address = owner_of(request.remote)
        if addresses[address] >= per_address:
            text = f"{per_address} connections from your address are open; close a tab and try again"
            raise web.HTTPTooManyRequests(text=text)
        addresses[address] += 1
        try:
            return await serve(request, coordinator, connections, START_BYTES)
        finally:
            addresses[address] -= 1
            if not addresses[address]:
                del addresses[address]

    return socket


def _add_page(app: web.Application, assets: Path, packages: Sequence[wheel.Package]) -> None:
    page, bridge = shipped_folder("web"), shipped_folder("webgl_bridge")

    async def code(request: web.Request) -> web.StreamResponse:
        return file_of(request, page, "code.html")

    async def bench(request: web.Request) -> web.StreamResponse:
        return file_of(request, page / "bench", "index.html")

    async def recipes(request: web.Request) -> web.StreamResponse:
        return _json(request, listing(page / "recipes"))

    async def lock(request: web.Request) -> web.StreamResponse:
        return _json(request, wheel.pyodide_lock(more=packages))

    async def library(request: web.Request) -> web.StreamResponse:
        return _wheel(wheel.library_wheel_at(f"lib/{request.match_info['path']}"))

    async def served(request: web.Request) -> web.StreamResponse:
        return _wheel(wheels.get(f"with/{request.match_info['path']}"))

    async def asset(request: web.Request) -> web.StreamResponse:
        if request.match_info["name"] not in known:
            raise web.HTTPNotFound
        cache = IMMUTABLE if "pin" in request.match_info else "no-cache"
        return file_of(request, assets, request.match_info["name"], cache)

    known = read_lock().files
    pin = hashlib.sha256("".join(known[name].sha256 for name in sorted(known)).encode()).hexdigest()[:12]
    wheels = {package.path: package.wheel for package in packages}
    app.router.add_get("/bench", bench)
    app.router.add_get("/code", code)
    for name, package in RIVALS.items():  # there after `npm ci` in a checkout; the page says so when they are not
        app.router.add_get(f"/bench/{name}/" + "{path:.+}", folder_of(page.parent / "node_modules" / package / "dist"))
    app.router.add_get("/recipes/index.json", recipes)
    for prefix in ("/assets/", f"/assets/{{pin:{pin}}}/"):
        app.router.add_get(prefix + "pyodide-lock.json", lock)
        app.router.add_get(prefix + "lib/{path:.+}", library)
        app.router.add_get(prefix + "with/{path:.+}", served)
        app.router.add_get(prefix + "{name}", asset)
    _add_own_files(app, page, bridge, pin)


def _add_own_files(app: web.Application, page: Path, bridge: Path, pin: str) -> None:
    """The page and what of it is the project's own. pin: the version of the assets."""

    async def index(request: web.Request) -> web.StreamResponse:
        """The page, told where this version's files lie: addresses of their own, so that they are fetched once."""
        body = pages.index().replace(PLAIN_ASSETS, f'content="assets/{pin}/"').encode()
        return _tagged(request, web.Response(body=body, content_type="text/html", charset="utf-8"), body)

    async def own(request: web.Request) -> web.StreamResponse:
        """A file of the page or the bridge; what an older page asks for late is sent as it is now, and not kept."""
        version, folder, path = (request.match_info[name] for name in ("version", "folder", "path"))
        cache = IMMUTABLE if pages.has(version, folder, path) else "no-cache"
        return file_of(request, pages.folders[folder], path, cache)

    pages = Pages(page, bridge, POLICY + str(HEADERS))
    app.router.add_get("/", index)
    app.router.add_get("/v/{version:[0-9a-f]{12}}/{folder:web|bridge}/{path:.+}", own)
    for prefix, folder in (("/web/", page), ("/bridge/", bridge), ("/recipes/", page / "recipes")):
        app.router.add_get(prefix + "{path:.+}", folder_of(folder))


@functools.lru_cache(4)
def _drawn(link: str) -> list[str]:
    """Drawing takes some milliseconds, in which nobody else is served."""
    import segno

    return ["".join("1" if dark else "0" for dark in row) for row in segno.make(link, error="m").matrix_iter(border=4)]


def _wheel(found: wheel.Wheel | None) -> web.Response:
    if found is None:
        raise web.HTTPNotFound
    return bytes_of(found.data, {"Cache-Control": IMMUTABLE, "Content-Type": "application/octet-stream"})


def _json(request: web.Request, value: Any) -> web.StreamResponse:
    body = json.dumps(value, allow_nan=False).encode()
    return _tagged(request, web.Response(body=body, content_type="application/json"), body)


def _tagged(request: web.Request, response: web.Response, body: bytes) -> web.StreamResponse:
    """The response, or 304 for who has it already."""
    tag = hashlib.sha256(body).hexdigest()[:32]
    if any(known.value == tag for known in request.if_none_match or ()):
        response = web.Response(status=304)
    response.headers["Cache-Control"] = "no-cache"
    response.etag = tag
    return response


def _only_for(access: Access) -> Any:
    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        # more than one Host header is as bad as a foreign one: two readers could pick different ones
        if len(request.headers.getall("Host", [])) != 1 or not access.host_allowed(request.host):
            text = f"this coordinator is not called {host_name(request.host) or 'so'}; start it with --allow-host NAME"
            raise web.HTTPMisdirectedRequest(text=text)
        if request.query_string and ("t" in request.query or any(map(access.role_of_token, request.query.values()))):
            raise web.HTTPBadRequest(text="a token goes after # in the link, never after ?")
        return await handler(request)

    return check


def _headers_for(access: Access) -> Any:
    async def add(request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(HEADERS)
        # a resource policy names no origin; the header goes to who asks from a page that may embed this one
        if access.embeds(request.headers.get("Origin") or request.headers.get("Referer")):
            response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        # 'self' covers sockets of the same host in Chromium, not in every Safari
        pages = f"'self' ws://{request.host} wss://{request.host}"
        # people's Python runs there: it may fetch files, and opens no socket of its own, which might be taken for the page's
        workers = f"http://{request.host} https://{request.host}"
        unnamed = not host_name(request.host) or is_v6(request.host)  # an IPv6 address is no source: see access.tokenless
        connect = "'self'" if unnamed else workers if request.path.endswith(ENGINE_PATH) else pages
        frames = " ".join(access.embed) or "'none'"
        response.headers["Content-Security-Policy"] = POLICY.format(connect=connect, frames=frames)
        response.headers.setdefault("Cache-Control", "no-store")

    return add


def code_version() -> str:
    try:
        return version("distml-py")
    except PackageNotFoundError:
        return "unknown"
