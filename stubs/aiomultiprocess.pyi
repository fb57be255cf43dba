from typing import Any

Pool: Any
