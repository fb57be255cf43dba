from contextlib import AbstractContextManager
from typing import Any

from . import models as models
from . import transaction as transaction

class _Cursor:
    def execute(self, sql: str, params: object = ...) -> object: ...
    def fetchone(self) -> Any: ...

class _Editor:
    def create_model(self, model: type[models.Model]) -> None: ...

class _Connection:
    def cursor(self) -> AbstractContextManager[_Cursor]: ...
    def schema_editor(self) -> AbstractContextManager[_Editor]: ...

connection: _Connection

def close_old_connections() -> None: ...
