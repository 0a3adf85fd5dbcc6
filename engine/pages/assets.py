"""The style sheet, the script and the mark: read once, named by their content, so that caches keep them for ever."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

_FOLDER = Path(__file__).parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class _Asset:
    content: bytes
    media_type: str
    digest: str


class Assets:
    """The files of static/. Only these names are answered; no path is ever opened for a request."""

    def __init__(self) -> None:
        self._files = {}
        for path in _FOLDER.iterdir():
            if path.suffix in _TYPES:
                content = path.read_bytes()
                digest = hashlib.sha256(content).hexdigest()[:12]
                self._files[path.name] = _Asset(content, _TYPES[path.suffix], digest)

    def href(self, name: str) -> str:
        """The address of a file; KeyError for one that is not there."""
        return f"/static/{name}?{self._files[name].digest}"

    async def endpoint(self, request: Request) -> Response:
        """Answers /static/{name}."""
        asset = self._files.get(request.path_params["name"])
        if asset is None:
            return Response("there is no such file\n", 404, media_type="text/plain")
        fresh = request.url.query == asset.digest
        caching = "public, max-age=31536000, immutable" if fresh else "no-cache"
        headers = {
            "cache-control": caching,
            "etag": f'"{asset.digest}"',
            "x-content-type-options": "nosniff",
        }
        return Response(asset.content, 200, headers, asset.media_type)
