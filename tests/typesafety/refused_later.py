"""Parameters whose types are defined later refuse what others refuse."""

from .accepted_later import Key, Store, find, start_finding
from .subjects import use


def check_calls() -> None:
    use(find())  # refused
    use(find(1))  # refused
    use(start_finding("a"))  # refused
    use(start_finding(Key(), Key()))  # refused
    use(Store().get(Store()))  # refused
