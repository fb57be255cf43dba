"""One async view in the web frameworks, run in their own way and in ours."""

from __future__ import annotations

import asyncio
import pkgutil
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

from aiofutures import to_sync

from .peers import MissingPeerError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

TEXT = "page"


async def view(*_: object) -> str:
    """Answer after a turn of the event loop."""
    await asyncio.sleep(0)
    return TEXT


def sync_view(*_: object) -> str:
    """Answer at once."""
    return TEXT


def flask(kind: str) -> WSGIApplication:
    """Return an application of Flask; "ours" has its `async_to_sync` replaced."""
    application: Any = pkgutil.resolve_name("flask:Flask")(__name__)
    if kind == "ours":
        application.async_to_sync = to_sync
    application.get("/")(sync_view if kind == "sync" else view)
    wsgi: WSGIApplication = application.wsgi_app
    return wsgi


def django(kind: str) -> WSGIApplication:
    """Return an application of Django; "ours" has `to_sync` around the view."""
    response = pkgutil.resolve_name("django.http:HttpResponse")

    async def respond(request: object) -> Any:
        return response(await view(request))

    views = {"ours": to_sync(respond), "own": respond, "sync": lambda _: response(sync_view())}
    path = pkgutil.resolve_name("django.urls:path")
    urls = type("urls", (), {"urlpatterns": [path("", views[kind])]})
    configure = pkgutil.resolve_name("django.conf:settings").configure
    configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=urls, SECRET_KEY=TEXT, USE_TZ=True)
    make: Callable[[], WSGIApplication]
    make = pkgutil.resolve_name("django.core.wsgi:get_wsgi_application")
    return make()


def load(framework: str, kind: str) -> Callable[[], None]:
    """Return a function that sends one request.

    Raises:
        MissingPeerError: The framework is not installed.
    """
    try:
        application = {"Flask": flask, "Django": django}[framework](kind)
    except ImportError as error:
        raise MissingPeerError(f"{framework} is not there: {error}") from error

    def send() -> None:
        environment: dict[str, Any] = {}
        setup_testing_defaults(environment)
        body: Iterable[bytes] = application(environment, lambda *_: lambda _: None)
        if b"".join(body) != TEXT.encode():
            raise RuntimeError("the answer is wrong")
        getattr(body, "close", int)()

    return send
