from collections.abc import Iterable, Mapping
from typing import Any

class HttpRequest:
    GET: Mapping[str, str]

class HttpResponse:
    text: str
    def __init__(self, content: str) -> None: ...
    def json(self) -> Any: ...

class JsonResponse(HttpResponse):
    def __init__(self, data: object) -> None: ...

class StreamingHttpResponse:
    def __init__(self, streaming_content: Iterable[str]) -> None: ...
