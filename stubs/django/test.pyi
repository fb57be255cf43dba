from .http import HttpResponse

class Client:
    def get(self, path: str) -> HttpResponse: ...
