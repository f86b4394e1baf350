"""Files of a folder over HTTP: their types, tags and caching; texts are compressed once and kept. Nothing else is decided.

What is large goes out in pieces, each when the one before was taken: departures.py cuts off who takes none.
"""

import functools
import gzip
import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import IO, Any

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

IMMUTABLE = "public, max-age=31536000, immutable"
SMALL_BYTES = 2048  # not worth compressing
# the machine's own table may be wrong, and a module with a wrong type does not run
TYPES = {".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8", ".wasm": "application/wasm",
         ".css": "text/css; charset=utf-8", ".html": "text/html; charset=utf-8", ".py": "text/x-python; charset=utf-8",
         ".json": "application/json", ".svg": "image/svg+xml", ".png": "image/png", ".zip": "application/zip"}  # fmt: skip
TEXTS = frozenset({".js", ".css", ".html", ".py", ".json", ".svg"})

PIECE_BYTES = 128 * 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Pieces(web.FileResponse):
    """Never by sendfile, which waits in the system for whoever reads nothing, unseen by the transport."""

    async def _sendfile(self, request: web.BaseRequest, fobj: IO[Any], offset: int, count: int) -> AbstractStreamWriter:
        writer = await web.StreamResponse.prepare(self, request)
        assert writer is not None
        return await self._sendfile_fallback(writer, fobj, offset, count)


def bytes_of(data: bytes, headers: dict[str, str]) -> web.Response:
    """In pieces what has more than one: of bytes the transport would keep a copy for as long as somebody reads them."""
    return web.Response(body=data if len(data) <= PIECE_BYTES else io.BytesIO(data), headers=headers)


def folder_of(folder: Path) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return file_of(request, folder, request.match_info["path"])

    return handler


def file_of(request: web.Request, folder: Path, path: str, cache: str = "no-cache") -> web.StreamResponse:
    """A file inside the folder; "no-cache": checked again by its ETag at every load. A `.gz` sibling is sent where there is one."""
    root = folder.resolve()
    try:
        found = (root / path).resolve()
        inside = found.is_relative_to(root) and found.is_file()
    except (OSError, ValueError):  # a zero byte, a name that is too long
        inside = False
    if not inside or any(part.startswith((".", "__")) for part in Path(path).parts):
        raise web.HTTPNotFound
    headers = {"Cache-Control": cache, "Content-Type": TYPES.get(found.suffix, "application/octet-stream")}
    state = found.stat()
    if found.suffix not in TEXTS or state.st_size < SMALL_BYTES or "gzip" not in request.headers.get("Accept-Encoding", ""):
        return Pieces(found, PIECE_BYTES, headers=headers)
    tag = f"{state.st_mtime_ns:x}-{state.st_size:x}-gz"
    if any(known.value == tag for known in request.if_none_match or ()):
        response = web.Response(status=304, headers={"Cache-Control": cache, "Vary": "Accept-Encoding"})
    else:
        headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        response = bytes_of(_packed(found, state.st_mtime_ns), headers)
    response.etag = tag
    return response


@functools.lru_cache(256)
def _packed(path: Path, changed_ns: int) -> bytes:
    return gzip.compress(path.read_bytes(), 6, mtime=0)
