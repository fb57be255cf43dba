"""What the stubs do not have is refused."""

from tqdm import tqdm

from .subjects import use


def check_tqdm() -> None:
    use(tqdm(1))  # refused
    use(tqdm([1]).missing)  # refused
